/**
 * A simulated gateway for scenario tests: certificate files, a container engine with its broker and an
 * upstream, all on a fake clock. The loop and the core in it are the real ones.
 */

import type { Container } from '../src/adapters/engine/container.ts';
import type { LiveSets } from '../src/adapters/live-directory/live-directory.ts';
import type { PersistedStates } from '../src/core/memory/persisted.ts';
import type { BridgeSight } from '../src/core/model/bridge.ts';
import type { EngineAnswer, EngineFailure } from '../src/core/model/broker.ts';
import { type ContainerState, isMeant } from '../src/core/model/container.ts';
import type { CertificateSet, FilesObservation } from '../src/core/model/files.ts';
import type { Presented } from '../src/core/model/presented.ts';
import type { ProbeVerdict } from '../src/core/model/probe.ts';
import type { OperatorRequest } from '../src/core/model/request.ts';
import type { OtherWatcher, WatchersSeen } from '../src/core/model/rivals.ts';
import { type BrokerUrl, type HostPort, isComparedAt, type Settings } from '../src/core/model/settings.ts';
import type { UnitState } from '../src/core/model/unit.ts';
import type { EventName } from '../src/core/news/events.ts';
import type { Publication } from '../src/core/status/cycle.ts';
import { withListenerProof } from '../src/rollout/listener-proof.ts';
import { createRestart, createUnitRestart } from '../src/rollout/restart.ts';
import type { Broker, BrokerList, Rollout } from '../src/rollout/rollout.ts';
import { createServiceUpdate } from '../src/rollout/service-update.ts';
import { createSetsRollout, lookAtListeners } from '../src/rollout/sets.ts';
import { createSignalFirst, type Signallable } from '../src/rollout/signal.ts';
import type { RunProbe } from '../src/watcher/probing.ts';
import { startWatcher } from '../src/watcher/watcher.ts';
import * as fix from './core-fixtures.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import { createSimulatedLive } from './simulated-live.ts';
import type { SimulatedService } from './simulated-service.ts';
import { createSimulatedSets } from './simulated-sets.ts';
import { asUnit, createSimulatedSystemd } from './simulated-unit.ts';

const RESTART_MS = 300;
const PROBE_MS = 2_100;
const LOOK_MS = 20;
const SERVICE_ANSWER_MS = 5;
const UNIT = 'mosquitto.service';

export interface Line {
  /** milliseconds since the world began */
  readonly atMs: number;
  readonly event: EventName;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface WorldOptions {
  readonly settings?: Partial<Settings>;
  /** the watcher gets no file events and has to poll */
  readonly withoutFileEvents?: boolean;
  /** the watcher has a state file */
  readonly withStateFile?: boolean;
  /** the watcher listens for what the broker says of its bridges, at a TLS listener or not */
  readonly brokerUrl?: BrokerUrl;
  /** the broker is a service of a Docker Swarm, here or in another world */
  readonly service?: SimulatedService;
  /** the broker is a unit of systemd, with what differs from an ordinary one */
  readonly unit?: Partial<UnitState>;
  /** where several worlds share their time */
  readonly clock?: FakeClock;
  /** how a watcher sees another one; both are counted from 0 in the order of their starts. Nobody looks unless told */
  readonly sight?: Sight;
  /** by how much later the calls of each next watcher reach the engine */
  readonly apartMs?: number;
  /** how long the engine takes to say how a container is */
  readonly answerMs?: number;
  /** several brokers, by their names */
  readonly brokers?: readonly string[];
  /** the agent writes to a directory of its own (INCOMING_DIR) */
  readonly twoPhases?: boolean;
}

/** What a health check says, and how long after a start or a pause. */
export interface HealthCheck {
  readonly says: 'healthy' | 'unhealthy';
  readonly afterMs: number;
}

/** Undefined: it does not. */
export type Sight = (watcher: number, other: number) => OtherWatcher | undefined;

/** Processes of one machine, which see each other and what each is to restart. */
export const sameMachine: Sight = (_, other) => watcherProcess(other);

/** The process of the watcher with this number. */
export function watcherProcess(number: number, change: Partial<OtherWatcher> = {}): OtherWatcher {
  return {
    name: `process ${100 + number}`,
    place: { kind: 'process', pid: 100 + number, startedTicks: 1_000 + number },
    isBlind: false,
    target: { containers: ['eclipse-mosquitto'], label: undefined, restarts: true },
    ...change,
  };
}

/** One broker of a world. */
interface SimulatedBroker {
  state: ContainerState | undefined;
  /** what it has read at its last start */
  loaded: string | undefined;
  /** what becomes of it after its next start */
  nextStart: Partial<ContainerState>;
  /** the health check that it is started with from now on */
  check: HealthCheck | undefined;
  /** the one that runs, and since when, in monotonic milliseconds */
  checking: (HealthCheck & { readonly sinceMs: number }) | undefined;
}

export type World = ReturnType<typeof createWorld>;

function idOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(64, 'b').slice(0, 64);
}

/** A world in which a broker has been running for an hour and no certificates lie on disk. */
export function createWorld({
  settings: change,
  withoutFileEvents = false,
  withStateFile = false,
  brokerUrl,
  service,
  unit: asUnitWith,
  sight,
  apartMs = 0,
  answerMs = 0,
  clock = createFakeClock(),
  brokers: several,
  twoPhases = false,
}: WorldOptions = {}) {
  const settings = fix.settings({
    ...change,
    ...(twoPhases && { incomingDir: '/incoming' }),
    ...(service && { target: { kind: 'service', name: 'eclipse-mosquitto' } }),
    ...(asUnitWith && { targetLabel: UNIT, target: { kind: 'unit', name: UNIT } }),
    ...(brokerUrl && { brokerUrls: [brokerUrl] }),
    ...(several && { targetLabel: several.join(', '), target: { kind: 'containers', names: several } }),
  });
  const names = several ?? [settings.targetLabel];
  const brokers = new Map(
    names.map((name): [string, SimulatedBroker] => [
      name,
      {
        state: fix.broker(-3_600_000, { id: idOf(name) }),
        loaded: undefined,
        nextStart: {},
        check: undefined,
        checking: undefined,
      },
    ]),
  );
  const [first] = names.map(brokerCalled);
  if (first === undefined) throw new Error('a world has a broker');
  const lines: Line[] = [];
  const publications: Publication[] = [];
  const restarts: {
    readonly atMs: number;
    readonly loaded: string | undefined;
    /** where there are several */
    readonly container?: string;
  }[] = [];
  const asked: FilesObservation[] = [];
  const never = new AbortController().signal;
  const hints = new Set<() => void>();
  const operators = new Set<(request: OperatorRequest) => void>();
  /** numbers of the watchers that run, or hang */
  const running = new Set<number>();
  let launched = 0;
  const systemd = createSimulatedSystemd();

  const world = {
    settings,
    clock,
    lines,
    publications,
    /** every start of the broker by the engine's restart call, with the set that lay on disk then */
    restarts,
    /** what lay on disk at every restart call that reached the engine, whatever became of it */
    asked,
    /** what lies on disk */
    files: { kind: 'incomplete', identity: 'none', complaints: [] } as FilesObservation,
    brokers,
    /** the live directory, where there are two */
    live: createSimulatedLive(clock, (): FilesObservation => world.files),
    /** what the broker has loaded, where its configuration names several sets */
    sets: createSimulatedSets(clock, () => {
      for (const hint of hints) hint();
    }),
    /** the broker, or the first of several */
    get broker(): ContainerState | undefined {
      return first.state;
    },
    set broker(state: ContainerState | undefined) {
      first.state = state;
    },
    /** what it has read at its last start */
    get loaded(): string | undefined {
      return first.loaded;
    },
    set loaded(fingerprint: string | undefined) {
      first.loaded = fingerprint;
    },
    /** what becomes of it after its next start */
    get nextStart(): Partial<ContainerState> {
      return first.nextStart;
    },
    set nextStart(state: Partial<ContainerState>) {
      first.nextStart = state;
    },
    brokerCalled,
    /** a container of somebody else, whose id begins with the broker's name where that looks like an id */
    foreign: fix.broker(-3_600_000, {
      id: settings.targetLabel.padEnd(64, '0'),
      startedAt: 'long ago',
    }) as ContainerState | undefined,
    /** what happens right after the engine has said how a broker is */
    afterInspection: undefined as (() => void) | undefined,
    /** how often the engine was asked to restart or signal it */
    foreignCalls: 0,
    /** The broker is created again, as compose does it: another container of the same name. */
    recreate() {
      first.state = undefined;
      start(first);
    },
    /** answers every call of the engine with this failure */
    engineDown: undefined as EngineFailure | undefined,
    /** what happens to a restart call: done and answered, done without an answer, or neither */
    restartCall: 'works' as 'works' | 'answer_lost' | 'lost' | 'refused' | 'stops_and_fails',
    verdict: (_set: CertificateSet): ProbeVerdict => fix.probeSuccess(),
    /** every restart call that reached the engine, in its order */
    asks: [] as {
      readonly atMs: number;
      readonly files: FilesObservation;
      readonly loaded: string | undefined;
      readonly broker: ContainerState;
      readonly call: string;
      /** every other broker runs at that moment, is not paused, and is healthy where it has a health check */
      readonly othersWell: boolean;
    }[],
    probes: 0,
    /** what the broker says of its bridges */
    bridges: fix.sight() as BridgeSight,
    /** says it */
    hearBridges(sight: BridgeSight) {
      world.bridges = sight;
      for (const hint of hints) hint();
    },
    /** the certificate that its TLS listener presents */
    presented: undefined as string | undefined,
    /** its listener presents what it has read at its start; otherwise it is another listener than the one that was meant */
    isListenerOurs: true,
    /** what a SIGHUP does, and answers */
    onHangUp: (): EngineAnswer<undefined> => ({ ok: true, value: undefined }),
    hangUps: 0,
    /** at each of the watcher's signals, the sets that it could not bring */
    beyondHangUps: [] as (readonly string[])[],
    /** how often the engine was asked about the broker */
    inspections: 0,
    /** what the state file holds */
    states: new Map() as PersistedStates,
    /** what is wrong with the state file, until it is replaced */
    stateProblem: undefined as string | undefined,

    elapsedMs: () => clock.elapsedMs(),
    advance: (ms: number) => clock.advance(ms),
    events: (...names: EventName[]) => lines.filter(({ event }) => names.includes(event)),
    lastMemory: () =>
      publications.findLast(({ cycle }) => cycle !== undefined)?.cycle?.decision.situation.memory,
    lastDecision: () => publications.findLast(({ cycle }) => cycle !== undefined)?.cycle?.decision,

    /** Puts the set called `name` on disk, changed at this moment. */
    write(name: string, set: Partial<CertificateSet> = {}) {
      world.put(fix.set(name, clock.now().wallMs - fix.EPOCH_MS, set));
    },
    put(files: FilesObservation) {
      world.files = { ...files, identity: `${files.identity} #${clock.elapsedMs()}` };
      // a broker of several sets has been running with the first that lie there
      if (files.sets !== undefined && !world.sets.hasStarted()) world.sets.start(files);
      if (!withoutFileEvents) for (const hint of hints) hint();
    },
    /** The operator sends every watcher SIGHUP (`look`) or SIGUSR1 (`restart`). */
    request(request: OperatorRequest) {
      for (const operator of operators) operator(request);
    },
    /** Somebody starts or restarts the broker, or one of several, by hand. */
    startByHand(name?: string) {
      start(name === undefined ? first : brokerCalled(name));
    },
    /** Somebody sends the broker SIGHUP. */
    signalByHand() {
      world.sets.hangUp(world.files);
    },
    /** Somebody pauses the broker, or one of several, or lets it go on. */
    pause(name?: string) {
      const broker = name === undefined ? first : brokerCalled(name);
      if (broker.state?.status === 'running')
        broker.state = { ...seen(broker.state, broker), status: 'paused' };
    },
    unpause(name?: string) {
      const broker = name === undefined ? first : brokerCalled(name);
      if (broker.state?.status !== 'paused') return;
      broker.state = { ...broker.state, status: 'running' };
      broker.checking &&= { ...broker.checking, sinceMs: clock.now().monoMs };
    },
    /** Starts a watcher; what it returns kills it, as SIGKILL does: whatever it waits for never comes. */
    startWatcher: launch,
  };

  /** What lies where brokers read it. */
  function readable(): FilesObservation {
    return twoPhases ? world.live.now.files : world.files;
  }

  function brokerCalled(name: string): SimulatedBroker {
    const broker = brokers.get(name);
    if (broker === undefined) throw new Error(`no broker is called ${name}`);
    return broker;
  }

  /** A health check that has said something keeps to it until the next start, also through a pause. */
  function seen(state: ContainerState, { checking }: SimulatedBroker): ContainerState {
    if (checking === undefined || state.health !== 'starting' || state.status !== 'running') return state;
    const hasSpoken = clock.now().monoMs - checking.sinceMs >= checking.afterMs;
    return hasSpoken ? { ...state, health: checking.says } : state;
  }

  function isWell(broker: SimulatedBroker): boolean {
    if (broker.state?.status !== 'running') return false;
    const { health } = seen(broker.state, broker);
    return health === undefined || health === 'healthy';
  }

  let containers = 0;

  /** As Docker: by name, or else by the beginning of an id. */
  function lookUp(name: string): EngineAnswer<ContainerState> {
    const broker = brokerCalled(name);
    if (broker.state !== undefined) return { ok: true, value: seen(broker.state, broker) };
    const { foreign } = world;
    const isFound =
      foreign?.id.startsWith(name) === true && isMeant(name, { id: foreign.id, name: '/foreign' });
    return isFound ? { ok: true, value: foreign } : fix.engineFailure({ cause: 'container_missing' });
  }

  /** The broker with this id; what was created again has another one. */
  function withId(id: string): SimulatedBroker | undefined {
    if (world.foreign?.id.startsWith(id) === true) world.foreignCalls += 1;
    return [...brokers.values()].find(({ state }) => state?.id === id);
  }

  function newContainer(): ContainerState {
    containers += 1;
    return fix.broker(0, { id: `c${containers}`.padEnd(64, 'b') });
  }

  function start(broker: SimulatedBroker) {
    const { wallMs, monoMs } = clock.now();
    broker.checking = broker.check && { ...broker.check, sinceMs: monoMs };
    const files = readable();
    broker.loaded = files.kind === 'complete' ? files.fingerprint : undefined;
    if (files.sets !== undefined) world.sets.start(files);
    if (settings.certRole === 'listener' && world.isListenerOurs)
      world.presented = files.kind === 'complete' ? files.leaf.sha256 : undefined;
    const startedAt = new Date(wallMs).toISOString();
    // the first run of a container has no end before it
    const finished = broker.state && { finishedAt: startedAt, finishedAtMs: wallMs };
    broker.state = {
      ...(broker.state ?? newContainer()),
      ...finished,
      up: true,
      status: 'running',
      exitCode: 0,
      startError: '',
      oomKilled: false,
      health: broker.check && 'starting',
      startedAt,
      startedAtMs: wallMs,
      ...broker.nextStart,
    };
  }

  /** As the adapter: an update is made of the last inspection. */
  function serviceBroker(swarm: SimulatedService): Broker {
    let version = 0;
    return {
      async inspect() {
        world.inspections += 1;
        const answer = world.engineDown ?? (await swarm.inspect());
        // on its way, while others are asking too
        await clock.sleep(SERVICE_ANSWER_MS, never);
        if (answer.ok) version = answer.value.version;
        return answer;
      },
      rollout: createServiceUpdate(
        { update: async (fingerprint) => world.engineDown ?? swarm.update(version, fingerprint) },
        clock,
      ),
    };
  }

  function createSimulatedContainer(name: string): Container {
    return {
      async inspect() {
        if (answerMs > 0) await clock.sleep(answerMs, never);
        const answer = world.engineDown ?? lookUp(name);
        world.afterInspection?.();
        return answer;
      },
      async signalHangup(id): Promise<EngineAnswer<undefined>> {
        if (withId(id) === undefined) return fix.engineFailure({ cause: 'container_missing' });
        world.hangUps += 1;
        world.beyondHangUps.push(world.sets.beyondSignals(world.files));
        if (world.engineDown === undefined) world.sets.hangUp(world.files);
        return world.engineDown ?? world.onHangUp();
      },
      async restart(id): Promise<EngineAnswer<undefined>> {
        if (world.engineDown !== undefined) return world.engineDown;
        const broker = withId(id);
        if (broker?.state === undefined) return fix.engineFailure({ cause: 'container_missing' });
        const call = world.restartCall;
        asked.push(readable());
        world.asks.push({
          atMs: clock.elapsedMs(),
          files: readable(),
          loaded: broker.loaded,
          broker: broker.state,
          call,
          othersWell: [...brokers.values()].every((other) => other === broker || isWell(other)),
        });
        if (call === 'refused') return fix.engineFailure({ cause: 'permission_denied' });
        await clock.sleep(RESTART_MS, never);
        if (call === 'stops_and_fails') {
          const finishedAt = new Date(clock.now().wallMs).toISOString();
          broker.state = {
            ...broker.state,
            up: false,
            status: 'exited',
            finishedAt,
            finishedAtMs: clock.now().wallMs,
          };
          return fix.engineFailure({ cause: 'engine_error', mayHaveHappened: true });
        }
        if (call !== 'lost') {
          start(broker);
          const { loaded } = broker;
          restarts.push({ atMs: clock.elapsedMs(), loaded, ...(several && { container: name }) });
        }
        if (call === 'works') return { ok: true, value: undefined };
        return fix.engineFailure({ cause: 'connection_lost', mayHaveHappened: true });
      },
    };
  }

  /** The live directory for one watcher: one that is killed does nothing to it any more. */
  function whileAlive(alive: <T>(value: T) => Promise<T>): LiveSets {
    const { sets } = world.live;
    const act = async <T>(work: () => Promise<T>) => {
      await alive(undefined);
      return alive(await work());
    };
    return {
      observe: (nowMonoMs) => act(() => sets.observe(nowMonoMs)),
      takeOver: () => act(sets.takeOver),
      promote: (set) => act(() => sets.promote(set)),
      rollBack: (set) => act(() => sets.rollBack(set)),
      rememberProven: () => act(sets.rememberProven),
    };
  }

  const presentedLeaf = async () => world.presented;

  /** A broker whose listener is looked at, as the wiring does it. */
  function comparedBroker(
    broker: Signallable & Pick<Broker, 'inspect'>,
    restart: Rollout,
    alive: <T>(value: T) => Promise<T>,
  ): Broker {
    const presented = async (): Promise<Presented> =>
      alive(
        world.presented === undefined
          ? ({ ok: false, problem: 'presents no certificate: ECONNREFUSED' } as const)
          : ({
              ok: true,
              leaf: world.presented,
              subject: 'CN=mqtt.example.com',
              notAfterMs: fix.EPOCH_MS,
            } as const),
      );
    const where = 'mqtts://broker:8883';
    const proved = withListenerProof(restart, {
      clock,
      settings,
      look: async () => ({ where, presented: await presented() }),
    });
    const signal = { broker, clock, settings, sight: () => world.bridges, presentedLeaf };
    return { inspect: broker.inspect, rollout: createSignalFirst(signal, proved), presented };
  }

  /** A broker whose configuration names its sets, as the wiring does it. */
  function brokerOfSets(
    broker: Signallable & Pick<Broker, 'inspect'>,
    restart: Rollout,
    alive: <T>(value: T) => Promise<T>,
  ): Broker {
    const look = async (address: HostPort) =>
      alive(world.sets.look(address, first?.state?.status === 'running'));
    const { sight } = world.sets;
    return {
      inspect: broker.inspect,
      rollout: createSetsRollout({ broker, clock, settings, sight, look }, restart),
      presentedBy: (sets) => lookAtListeners(look, sets),
    };
  }

  async function lookAround(number: number): Promise<WatchersSeen> {
    await clock.sleep(LOOK_MS, never);
    const others = [...running].filter((other) => other !== number);
    const { place } = watcherProcess(number);
    if (place.kind !== 'process') throw new Error('a watcher of this world is a process');
    return {
      own: { process: place, container: undefined },
      others: others.flatMap((other) => sight?.(number, other) ?? []),
    };
  }

  function launch(): { stop(): Promise<void>; kill(): void; hang(): void } {
    const number = launched;
    launched += 1;
    running.add(number);
    const stop = new AbortController();
    let isKilled = false;
    const alive = <T>(value: T): Promise<T> =>
      isKilled ? new Promise<T>(() => undefined) : Promise.resolve(value);
    const list: BrokerList = {
      first: { kind: 'found', names },
      list: async () => alive({ ok: true, value: { kind: 'found', names } } as const),
      of(name) {
        const simulated = createSimulatedContainer(name);
        const container: Container = {
          inspect: async () => {
            world.inspections += 1;
            return alive(await simulated.inspect());
          },
          restart: async (id, seconds) => {
            if (number * apartMs > 0) await clock.sleep(number * apartMs, never);
            return alive(await simulated.restart(id, seconds));
          },
          signalHangup: async (id) => alive(await simulated.signalHangup(id)),
        };
        if (service !== undefined) {
          const { inspect, rollout } = serviceBroker(service);
          return { inspect: async (options) => alive(await inspect(options)), rollout };
        }
        const unit = asUnitWith && asUnit(container, systemd, asUnitWith, alive);
        const broker = unit ?? container;
        const restart = unit
          ? createUnitRestart(unit, clock, settings)
          : createRestart(container, clock, settings);
        if (settings.mosquittoConf !== undefined) return brokerOfSets(broker, restart, alive);
        // one address for several brokers speaks for none of them
        if (brokerUrl === undefined || several !== undefined)
          return { inspect: broker.inspect, rollout: restart };
        if (isComparedAt(settings, name)) return comparedBroker(broker, restart, alive);
        const signal = { broker, clock, settings, sight: () => world.bridges, presentedLeaf };
        return { inspect: broker.inspect, rollout: createSignalFirst(signal, restart) };
      },
    };
    let hint: (() => void) | undefined;
    let operator: ((request: OperatorRequest) => void) | undefined;
    const watcher = startWatcher(
      {
        settings,
        clock: { now: clock.now, sleep: async (ms, signal) => alive(await clock.sleep(ms, signal)) },
        certFiles: { observe: async () => alive(world.files) },
        liveSets: twoPhases ? whileAlive(alive) : undefined,
        createFileEvents: (onHint) => {
          hint = onHint;
          hints.add(onHint);
          return { arm: async () => undefined, trouble: () => undefined, close: () => hints.delete(onHint) };
        },
        onRequest: (listener) => {
          operator = listener;
          operators.add(listener);
        },
        brokers: list,
        bridgeListeners:
          brokerUrl === undefined
            ? []
            : [
                {
                  // one address for several brokers speaks for all of them
                  container: several === undefined ? settings.targetLabel : undefined,
                  open: () => undefined,
                  sight: () => (settings.mosquittoConf === undefined ? world.bridges : world.sets.sight()),
                  close: async () => undefined,
                },
              ],
        runProbe: settings.probeEnabled ? runProbe : undefined,
        findWatchers: sight && (async () => alive(await lookAround(number))),
        lot: `lot ${number}`,
        stateFile: withStateFile ? stateFile : undefined,
        publish: (publication) => {
          if (!isKilled) record(publication);
        },
      },
      stop.signal,
    );

    return {
      stop: async () => {
        stop.abort();
        running.delete(number);
        await clock.advance(60_000);
        await watcher.ended;
      },
      kill: () => {
        isKilled = true;
        running.delete(number);
        if (hint !== undefined) hints.delete(hint);
        if (operator !== undefined) operators.delete(operator);
      },
      hang: () => {
        isKilled = true;
      },
    };
  }

  const runProbe: RunProbe = async ({ signal, onPhase, ofLive }) => {
    const files = ofLive ? readable() : world.files;
    if (files.kind !== 'complete') return undefined;
    world.probes += 1;
    const verdict = world.verdict(files);
    if (verdict.ok || verdict.phase !== 'files') {
      onPhase('tcp');
      await clock.sleep(PROBE_MS, signal);
    }
    return signal.aborted ? undefined : verdict;
  };

  const stateFile = {
    load: async () =>
      world.stateProblem === undefined
        ? ({ ok: true, states: world.states } as const)
        : ({ ok: false, problem: world.stateProblem } as const),
    save: async (states: PersistedStates, others: PersistedStates = new Map()) => {
      world.states = new Map([
        ...others,
        ...(world.stateProblem === undefined ? world.states : []),
        ...states,
      ]);
      world.stateProblem = undefined;
      return { ok: true } as const;
    },
  };

  function record(publication: Publication) {
    publications.push(publication);
    for (const { event, details } of publication.say) lines.push({ atMs: clock.elapsedMs(), event, details });
  }

  return world;
}
