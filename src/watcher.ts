/** The loop: observe once, decide purely, act last, publish the result. */

import type { CertFiles } from './adapters/cert-files.ts';
import type { Clock } from './adapters/clock.ts';
import type { CallOptions } from './adapters/engine/http.ts';
import type { FileEvents } from './adapters/file-events.ts';
import type { StateFile } from './adapters/state-file.ts';
import type { BridgeSource, BrokerParts, Brokers, ContainerWay, ServiceWay } from './brokers.ts';
import { announce, type SaidConditions } from './core/announce.ts';
import type { Decision, ProbeStep } from './core/decide.ts';
import type { Announcement, Condition } from './core/events.ts';
import { brokerIsInQuestion, isDueForGlance, type View } from './core/facts.ts';
import * as memories from './core/memory.ts';
import type { Moment } from './core/observation.ts';
import type { ProbePhase, ProbeVerdict } from './core/probe.ts';
import type { CycleReport, Deed, Publication } from './core/publication.ts';
import {
  brokerAdopted,
  reloadCompleted,
  reloadInsufficient,
  reloadTriggered,
  restartEnded,
  restartTriggered,
} from './core/restart-events.ts';
import { decideRoll } from './core/roll.ts';
import type { Settings } from './core/settings.ts';
import { createReload } from './reload.ts';
import { messageOf } from './system/errors.ts';
import { createWake } from './wake.ts';

export type { Deed, Publication } from './core/publication.ts';

/** One probe with the files as they lie there; undefined if it was cancelled. It never throws. */
export type RunProbe = (options: {
  readonly signal: AbortSignal;
  readonly nowMs: number;
  readonly onPhase: (phase: ProbePhase) => void;
}) => Promise<ProbeVerdict | undefined>;

export interface WatcherParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly certFiles: CertFiles;
  readonly createFileEvents: (onHint: () => void) => FileEvents;
  readonly brokers: Brokers;
  /** where to listen for what brokers say of their bridges */
  readonly bridgeSources: readonly BridgeSource[];
  /** undefined: probes are disabled */
  readonly runProbe: RunProbe | undefined;
  /** undefined: nothing outlives the process */
  readonly stateFile: StateFile | undefined;
  readonly publish: (publication: Publication) => void;
}

export interface Watcher {
  /** resolves when the loop has ended after `signal` */
  readonly ended: Promise<void>;
  /** a restart is under way and must be finished first */
  isRestarting(): boolean;
}

/** File events within this time of the last look wait for its end, so that a busy writer costs little. */
const CLOSEST_LOOKS_MS = 100;

/** An engine that is slow to show the broker must not hold up the look at the files for long. */
const GLANCE_TIMEOUT_MS = 1_000;

type RestartStep = Extract<Decision['steps'][number], { kind: 'restart' }>;
type Conclusion = Omit<Extract<Decision['steps'][number], { kind: 'conclude' }>, 'kind'>;

/** Who has lost a race for a service looks at it again after this time. */
const OUTRUN_MS = 250;

/** A broker, and what is remembered of it. */
interface Watched extends BrokerParts {
  /** with the name of this one as `container` */
  readonly settings: Settings;
  memory: memories.Memory;
}

/** Starts the loop. It ends when `signal` aborts, after a restart that is under way. */
export function startWatcher(parts: WatcherParts, signal: AbortSignal): Watcher {
  const { settings, clock, certFiles, brokers, publish } = parts;
  const wake = createWake(clock);
  const fileEvents = parts.createFileEvents(wake.hint);
  let watched: readonly Watched[] = [];
  /** of brokers that have not come to light yet */
  const persisted = new Map<string, memories.PersistedState>();
  let said: SaidConditions = new Map();
  let conditions: readonly Condition[] = [];
  let stateTrouble: string | undefined;
  let savedState = '';
  let probing:
    | { readonly identity: string; readonly abort: AbortController; readonly ended: Promise<void> }
    | undefined;
  let isRestarting = false;
  const bridgeWatches = parts.bridgeSources.map((source) => ({ source, watch: source.watch(wake.hint) }));

  async function run() {
    await loadState();
    while (!signal.aborted) {
      const lookMonoMs = clock.now().monoMs;
      const nextLookMonoMs = await cycle().catch(failCycle);
      await wake.sleepUntil(nextLookMonoMs, lookMonoMs + CLOSEST_LOOKS_MS, signal);
    }
    fileEvents.close();
    await Promise.all(bridgeWatches.map(({ watch }) => watch.close()));
    probing?.abort.abort();
    await probing?.ended;
  }

  /** One walk through the diagram; returns the monotonic moment of the next. */
  async function cycle(): Promise<number> {
    const views = await observe();
    if (signal.aborted) return 0;
    const { lead, decision } = decideRoll(views);
    conditions = decision.transient ? conditions : decision.conditions;
    say(conditions, { view: lead, decision, brokers: views });
    let nextLookMonoMs = decision.nextLookMonoMs;
    for (const step of decision.steps) {
      if (signal.aborted) return 0;
      if (step.kind === 'probe') startProbe(step);
      if (step.kind === 'adopt') await adopt(step);
      if (step.kind === 'conclude') {
        conclude(step, named(step.container).memory.lastRestartMonoMs);
        await saveState();
      }
      if (step.kind === 'restart') {
        nextLookMonoMs = await restart(step);
      }
    }
    return nextLookMonoMs;
  }

  async function observe(): Promise<readonly View[]> {
    await fileEvents.arm();
    const files = await certFiles.observe(clock.now().monoMs);
    const seen = clock.now();
    rememberOfAll((memory) => memories.rememberFiles(memory, files, seen));
    hearOfBridges();
    await saveState();
    if (probing !== undefined && probing.identity !== files.identity) probing.abort.abort();
    const view = ({ memory, settings }: Watched, now: Moment): View => ({ now, files, memory, settings });
    if (watched.some((broker) => brokerIsInQuestion(view(broker, seen)))) {
      await listBrokers({ signal });
      // before one is restarted, all of them are looked at
      await Promise.all(watched.map((broker) => look(broker, view(broker, seen), { signal })));
    } else if (watched.some((broker) => isDueForGlance(view(broker, seen)))) {
      const options = { signal, timeoutMs: GLANCE_TIMEOUT_MS };
      await listBrokers(options);
      const due = watched.filter((broker) => isDueForGlance(view(broker, seen)));
      await Promise.all(due.map((broker) => look(broker, view(broker, seen), options)));
    }
    const now = clock.now();
    return watched.map((broker) => view(broker, now));
  }

  /** Asks the engine about one broker: for a decision if one hangs on it, or else to show it. */
  async function look(broker: Watched, view: View, options: CallOptions) {
    const isInQuestion = brokerIsInQuestion(view);
    const answer = await broker.inspect(options);
    broker.memory = isInQuestion
      ? memories.rememberBroker(broker.memory, view.files, answer, clock.now(), broker.settings)
      : memories.rememberGlance(broker.memory, answer, clock.now());
  }

  /** Where the engine does not say, the brokers stay those that they were, and looking at each says why. */
  async function listBrokers(options: CallOptions) {
    const answer = await brokers.list(options);
    if (answer.ok) watch(answer.value);
  }

  function watch(names: readonly string[]) {
    const now = clock.now();
    const [sibling] = watched;
    watched = names.map((container) => {
      const known = watched.find((broker) => broker.settings.container === container);
      if (known !== undefined) return known;
      const state = persisted.get(container);
      persisted.delete(container);
      const memory =
        sibling === undefined
          ? memories.createMemory(now, state)
          : memories.memoryOfAnother(sibling.memory, now, state);
      return { ...brokers.of(container), settings: { ...settings, container }, memory };
    });
  }

  /** What is so of the files and the upstream, every broker's memory takes in. */
  function rememberOfAll(change: (memory: memories.Memory) => memories.Memory) {
    for (const broker of watched) broker.memory = change(broker.memory);
  }

  function failCycle(error: unknown): number {
    const message = messageOf(error);
    const hint = 'the watcher goes on; if this stays, please report it with this line';
    say([...conditions, { event: 'cycle_failed', subject: message, details: { message, hint } }]);
    return clock.now().monoMs + settings.checkIntervalMs;
  }

  /** Publishes a cycle, with those of the conditions that are news. */
  function say(current: readonly Condition[], report?: CycleReport) {
    const { wallMs, monoMs } = clock.now();
    const announced = announce(said, [...current, ...degradations()], monoMs);
    said = announced.said;
    publish({ wallMs, say: announced.say, ...(report && { cycle: report }) });
  }

  function tell(announcements: readonly Announcement[], deed?: Deed) {
    publish({ wallMs: clock.now().wallMs, say: announcements, ...(deed && { deed }) });
  }

  function degradations(): Condition[] {
    const troubles = { file_events: fileEvents.trouble(), state_file: stateTrouble };
    return Object.entries(troubles).flatMap(([part, message]) =>
      message === undefined ? [] : [degraded(part, message, settings)],
    );
  }

  /** An address that speaks for all brokers is heard for the first of them. */
  function hearOfBridges() {
    const now = clock.now();
    for (const [index, broker] of watched.entries()) {
      const { container } = broker.settings;
      const heard = bridgeWatches.find(({ source }) =>
        source.container === undefined ? index === 0 : source.container === container,
      );
      broker.memory = memories.rememberBridges(broker.memory, heard?.watch.sight(), now);
    }
  }

  /** Tries the gentle way where it may be enough. Resolves with true if no restart has to follow. */
  async function reload(
    { container, set, broker: before, signalFirst }: RestartStep,
    { engine }: ContainerWay,
  ): Promise<boolean> {
    const broker = named(container);
    const heard = bridgeWatches.find(({ source }) => source.container === container);
    if (!signalFirst || heard === undefined) return false;
    const { source, watch } = heard;
    const { settings } = broker;
    const reloadBroker = createReload({ ...source, engine, clock, settings, sight: watch.sight });
    tell([reloadTriggered(broker.memory, set, broker.settings)], { kind: 'restart_asked' });
    const began = clock.now();
    broker.memory = memories.rememberRestartIntent(broker.memory, began);
    await saveState();
    const outcome = await reloadBroker(before, set);
    const now = clock.now();
    const tookMs = now.monoMs - began.monoMs;
    const deed = { kind: 'reload_ended', container, proven: outcome.kind !== 'unproven' } as const;
    if (outcome.kind === 'unproven') {
      tell([reloadInsufficient(set, outcome.why, tookMs, broker.settings)], deed);
      return false;
    }
    if (outcome.kind === 'proven') {
      broker.memory = memories.rememberReload(broker.memory, set, outcome.broker, now);
      tell([reloadCompleted(set, outcome.proof, tookMs, broker.settings)], deed);
    } else tell([], deed);
    await saveState();
    return true;
  }

  /** Resolves with the monotonic moment at which it is worth looking again. */
  async function restart(step: RestartStep): Promise<number> {
    const { way } = named(step.container);
    if (way.kind === 'service') return update(step, way);
    isRestarting = true;
    const previousRestartMonoMs = named(step.container).memory.lastRestartMonoMs;
    if (!(await reload(step, way))) await restartContainer(step, way, previousRestartMonoMs);
    isRestarting = false;
    return clock.now().monoMs;
  }

  /** Asks for the update of a service. It goes on by itself; the cycles that follow look at it. */
  async function update({ container, set }: RestartStep, way: ServiceWay): Promise<number> {
    const broker = named(container);
    const began = clock.now();
    const answer = await way.update(set.fingerprint);
    const now = clock.now();
    if (answer.ok) {
      tell(restartTriggered(broker.memory, set, broker.settings), { kind: 'restart_asked' });
      broker.memory = memories.rememberUpdate(broker.memory, set, now);
    } else if (answer.cause === 'out_of_sequence') {
      broker.memory = memories.rememberOutrun(broker.memory);
      return now.monoMs + OUTRUN_MS;
    } else {
      const timing = { tookMs: now.monoMs - began.monoMs, answeredMonoMs: now.monoMs };
      const outcome = { kind: 'not_done', failure: answer, ...timing } as const;
      conclude({ container, set, outcome }, broker.memory.lastRestartMonoMs);
    }
    await saveState();
    return clock.now().monoMs;
  }

  /** Takes in how a restart, or the update of a service, has ended, and tells it. */
  function conclude({ container, set, outcome }: Conclusion, previousRestartMonoMs: number | undefined) {
    const broker = named(container);
    const { memory } = broker;
    const now = clock.now();
    broker.memory = memories.rememberRestart(
      memory,
      set,
      outcome,
      previousRestartMonoMs,
      now,
      broker.settings,
    );
    tell(restartEnded(outcome, set, now, broker.settings), { kind: 'restart_ended', container, outcome });
  }

  /** One that does not happen lets the cooldown of the restart before it count again. */
  async function restartContainer(
    step: RestartStep,
    way: ContainerWay,
    previousRestartMonoMs: number | undefined,
  ) {
    const broker = named(step.container);
    tell(restartTriggered(broker.memory, step.set, broker.settings), { kind: 'restart_asked' });
    broker.memory = memories.rememberRestartIntent(broker.memory, clock.now());
    await saveState();
    const outcome = await way.restart(step.broker);
    conclude({ ...step, outcome }, previousRestartMonoMs);
    await saveState();
  }

  async function adopt(step: Extract<Decision['steps'][number], { kind: 'adopt' }>) {
    const broker = named(step.container);
    tell(brokerAdopted(broker.memory, step, broker.settings));
    broker.memory = memories.rememberApplied(broker.memory, step);
    await saveState();
  }

  function named(container: string): Watched {
    const broker = watched.find((each) => each.settings.container === container);
    if (broker === undefined) throw new Error(`no broker is called ${container}`);
    return broker;
  }

  /** Probes beside the loop, so that it costs a rotation no time; one at a time. */
  function startProbe(step: ProbeStep) {
    const { runProbe } = parts;
    if (runProbe === undefined) return;
    const before = probing;
    const abort = new AbortController();
    let hasPassedFiles = false;
    rememberOfAll((memory) => memories.rememberProbeStart(memory, step.identity));
    const ended = (async () => {
      before?.abort.abort();
      await before?.ended;
      const verdict = abort.signal.aborted
        ? undefined
        : await runProbe({ signal: abort.signal, nowMs: clock.now().wallMs, onPhase });
      const now = clock.now();
      rememberOfAll((memory) => memories.rememberProbeEnd(memory, step, verdict, now));
      if (verdict !== undefined) tell([], { kind: 'probe_ended', verdict });
      if (probing?.abort === abort) probing = undefined;
      wake.hint();
    })();
    probing = { identity: step.identity, abort, ended };

    function onPhase(phase: ProbePhase) {
      if (phase === 'files' || hasPassedFiles) return;
      hasPassedFiles = true;
      rememberOfAll((memory) => memories.rememberFilesPassed(memory, step.identity));
      wake.hint();
    }
  }

  async function loadState() {
    const read = await parts.stateFile?.load();
    if (read?.ok === false) stateTrouble = read.problem;
    if (read?.ok === true) for (const [container, state] of read.states) persisted.set(container, state);
    watch(brokers.first);
    savedState = stateKey();
  }

  async function saveState() {
    if (parts.stateFile === undefined || stateKey() === savedState) return;
    const saving = stateKey();
    const now = clock.now();
    const states = watched.map(
      ({ settings, memory }) => [settings.container, memories.toPersist(memory, now)] as const,
    );
    const written = await parts.stateFile.save(new Map(states));
    stateTrouble = written.ok ? undefined : written.problem;
    if (written.ok) savedState = saving;
  }

  /** What the state file holds, without the wall clock's jitter. */
  function stateKey(): string {
    return JSON.stringify(
      watched.map(({ settings, memory: { applied, strayedAtMs, stoppedByUs, lastRestartMonoMs } }) => {
        return [settings.container, applied, strayedAtMs, stoppedByUs, lastRestartMonoMs];
      }),
    );
  }

  return { ended: run(), isRestarting: () => isRestarting };
}

function degraded(part: string, message: string, settings: Settings): Condition {
  const hint =
    part === 'file_events'
      ? `changes are found by polling every ${settings.checkIntervalMs / 1_000} s all the same`
      : 'the watcher goes on without it; after a restart of the watcher it asks the engine what the broker has loaded';
  return { event: 'watch_degraded', about: part, subject: message, details: { part, message, hint } };
}
