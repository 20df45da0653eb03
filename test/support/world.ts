/**
 * A simulated gateway for scenario tests: certificate files, a container engine with its broker and an
 * upstream, all on a fake clock. The loop and the core in it are the real ones.
 */

import type { Engine } from '../../src/adapters/engine.ts';
import type { BrokerParts, Brokers } from '../../src/brokers.ts';
import type { BridgeSight } from '../../src/core/bridge.ts';
import type { BrokerState, EngineAnswer, EngineFailure } from '../../src/core/broker.ts';
import type { EventName } from '../../src/core/events.ts';
import type { PersistedStates } from '../../src/core/memory.ts';
import type { CertificateSet, FilesObservation } from '../../src/core/observation.ts';
import type { ProbeVerdict } from '../../src/core/probe.ts';
import type { BrokerUrl, Settings } from '../../src/core/settings.ts';
import { createRestart } from '../../src/restart.ts';
import { type Publication, type RunProbe, startWatcher } from '../../src/watcher.ts';
import * as fix from './core-fixtures.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import type { SimulatedService } from './simulated-service.ts';

const RESTART_MS = 300;
const PROBE_MS = 2_100;
const SERVICE_ANSWER_MS = 5;

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
  /** where several worlds share their time */
  readonly clock?: FakeClock;
  /** several brokers, by their names */
  readonly brokers?: readonly string[];
}

/** One broker of a world. */
interface SimulatedBroker {
  state: BrokerState | undefined;
  /** what it has read at its last start */
  loaded: string | undefined;
  /** what becomes of it after its next start */
  nextStart: Partial<BrokerState>;
}

export type World = ReturnType<typeof createWorld>;

/** A world in which a broker has been running for an hour and no certificates lie on disk. */
export function createWorld({
  settings: change,
  withoutFileEvents = false,
  withStateFile = false,
  brokerUrl,
  service,
  clock = createFakeClock(),
  brokers: several,
}: WorldOptions = {}) {
  const settings = fix.settings({
    ...change,
    ...(service && { target: { kind: 'service', name: 'eclipse-mosquitto' } }),
    ...(brokerUrl && { brokerUrls: [brokerUrl] }),
    ...(several && { container: several.join(', '), target: { kind: 'containers', names: several } }),
  });
  const names = several ?? [settings.container];
  const brokers = new Map(
    names.map((name): [string, SimulatedBroker] => [
      name,
      { state: fix.broker(-3_600_000), loaded: undefined, nextStart: {} },
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
    /** the broker, or the first of several */
    get broker(): BrokerState | undefined {
      return first.state;
    },
    set broker(state: BrokerState | undefined) {
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
    get nextStart(): Partial<BrokerState> {
      return first.nextStart;
    },
    set nextStart(state: Partial<BrokerState>) {
      first.nextStart = state;
    },
    brokerCalled,
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
      readonly broker: BrokerState;
      readonly call: string;
      /** every other broker runs at that moment */
      readonly othersUp: boolean;
    }[],
    probes: 0,
    /** what the broker says of its bridges */
    bridges: { ok: true, bridges: [] } as BridgeSight,
    /** says it */
    hearBridges(sight: BridgeSight) {
      world.bridges = sight;
      for (const hint of hints) hint();
    },
    /** the certificate that its TLS listener presents */
    presented: undefined as string | undefined,
    /** what a SIGHUP does, and answers */
    onHangUp: (): EngineAnswer<undefined> => ({ ok: true, value: undefined }),
    hangUps: 0,
    /** how often the engine was asked about the broker */
    inspections: 0,
    states: new Map() as PersistedStates,

    elapsedMs: () => clock.elapsedMs(),
    advance: (ms: number) => clock.advance(ms),
    events: (...names: EventName[]) => lines.filter(({ event }) => names.includes(event)),
    lastDecision: () => publications.findLast(({ cycle }) => cycle !== undefined)?.cycle?.decision,

    /** Puts the set called `name` on disk, changed at this moment. */
    write(name: string, set: Partial<CertificateSet> = {}) {
      world.put(fix.set(name, clock.now().wallMs - fix.EPOCH_MS, set));
    },
    put(files: FilesObservation) {
      world.files = { ...files, identity: `${files.identity} #${clock.elapsedMs()}` };
      if (!withoutFileEvents) for (const hint of hints) hint();
    },
    /** Somebody starts or restarts the broker, or one of several, by hand. */
    startByHand(name?: string) {
      start(name === undefined ? first : brokerCalled(name));
    },
    /** Starts a watcher; what it returns kills it, as SIGKILL does: whatever it waits for never comes. */
    startWatcher: launch,
  };

  function brokerCalled(name: string): SimulatedBroker {
    const broker = brokers.get(name);
    if (broker === undefined) throw new Error(`no broker is called ${name}`);
    return broker;
  }

  function start(broker: SimulatedBroker) {
    const { wallMs } = clock.now();
    broker.loaded = world.files.kind === 'complete' ? world.files.fingerprint : undefined;
    const startedAt = new Date(wallMs).toISOString();
    const finished = { finishedAt: startedAt, finishedAtMs: wallMs };
    broker.state = {
      ...(broker.state ?? fix.broker(0)),
      ...finished,
      up: true,
      status: 'running',
      exitCode: 0,
      startedAt,
      startedAtMs: wallMs,
      ...broker.nextStart,
    };
  }

  /** As the adapter: an update is made of the last inspection. */
  function serviceParts(swarm: SimulatedService): BrokerParts {
    let version = 0;
    return {
      async inspect() {
        world.inspections += 1;
        const answer = world.engineDown ?? (await swarm.inspect());
        // on its way, while others are asking too
        await clock.sleep(SERVICE_ANSWER_MS, never);
        if (answer.ok) version = answer.value.service?.version ?? 0;
        return answer;
      },
      way: {
        kind: 'service',
        update: async (fingerprint) => world.engineDown ?? swarm.update(version, fingerprint),
      },
    };
  }

  function createSimulatedEngine(name: string): Engine {
    const broker = brokerCalled(name);
    return {
      async inspect() {
        if (world.engineDown !== undefined) return world.engineDown;
        if (broker.state === undefined) return fix.engineFailure({ cause: 'container_missing' });
        return { ok: true, value: broker.state };
      },
      async hangUp(): Promise<EngineAnswer<undefined>> {
        world.hangUps += 1;
        return world.engineDown ?? world.onHangUp();
      },
      async restart(): Promise<EngineAnswer<undefined>> {
        if (world.engineDown !== undefined) return world.engineDown;
        if (broker.state === undefined) return fix.engineFailure({ cause: 'container_missing' });
        const call = world.restartCall;
        asked.push(world.files);
        world.asks.push({
          atMs: clock.elapsedMs(),
          files: world.files,
          loaded: broker.loaded,
          broker: broker.state,
          call,
          othersUp: [...brokers.values()].every((other) => other === broker || other.state?.up === true),
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

  function launch(): { stop(): Promise<void>; kill(): void } {
    const stop = new AbortController();
    let isKilled = false;
    const alive = <T>(value: T): Promise<T> =>
      isKilled ? new Promise<T>(() => undefined) : Promise.resolve(value);
    const list: Brokers = {
      first: names,
      list: async () => alive({ ok: true, value: names } as const),
      of(name) {
        const simulated = createSimulatedEngine(name);
        const engine: Engine = {
          inspect: async () => {
            world.inspections += 1;
            return alive(await simulated.inspect());
          },
          restart: async (seconds) => alive(await simulated.restart(seconds)),
          hangUp: async () => alive(await simulated.hangUp()),
        };
        if (service !== undefined) {
          const { inspect, way } = serviceParts(service);
          return { inspect: async (options) => alive(await inspect(options)), way };
        }
        const restart = createRestart(engine, clock, settings);
        return { inspect: engine.inspect, way: { kind: 'container', engine, restart } };
      },
    };
    let hint: (() => void) | undefined;
    const watcher = startWatcher(
      {
        settings,
        clock: { now: clock.now, sleep: async (ms, signal) => alive(await clock.sleep(ms, signal)) },
        certFiles: { observe: async () => alive(world.files) },
        createFileEvents: (onHint) => {
          hint = onHint;
          hints.add(onHint);
          return { arm: async () => undefined, trouble: () => undefined, close: () => hints.delete(onHint) };
        },
        brokers: list,
        bridgeSources:
          brokerUrl === undefined
            ? []
            : [
                {
                  // one address for several brokers speaks for all of them
                  container: several === undefined ? settings.container : undefined,
                  url: brokerUrl,
                  watch: () => ({ sight: () => world.bridges, close: async () => undefined }),
                  presentedLeaf: async () => world.presented,
                },
              ],
        runProbe: settings.probeEnabled ? runProbe : undefined,
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
        await clock.advance(60_000);
        await watcher.ended;
      },
      kill: () => {
        isKilled = true;
        if (hint !== undefined) hints.delete(hint);
      },
    };
  }

  const runProbe: RunProbe = async ({ signal, onPhase }) => {
    const { files } = world;
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
    load: async () => ({ ok: true, states: world.states }) as const,
    save: async (states: PersistedStates) => {
      world.states = states;
      return { ok: true } as const;
    },
  };

  function record(publication: Publication) {
    publications.push(publication);
    for (const { event, details } of publication.say) lines.push({ atMs: clock.elapsedMs(), event, details });
  }

  return world;
}
