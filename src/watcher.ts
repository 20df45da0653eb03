/** The loop: observe once, decide purely, act last, publish the result. */

import type { CertFiles } from './adapters/cert-files.ts';
import type { Clock } from './adapters/clock.ts';
import type { Engine } from './adapters/engine.ts';
import type { FileEvents } from './adapters/file-events.ts';
import type { StateFile } from './adapters/state-file.ts';
import { announce, type SaidConditions } from './core/announce.ts';
import { type Decision, decide, type ProbeStep } from './core/decide.ts';
import type { Announcement, Condition } from './core/events.ts';
import { brokerIsInQuestion, isDueForGlance, type View } from './core/facts.ts';
import * as memories from './core/memory.ts';
import type { ProbePhase, ProbeVerdict } from './core/probe.ts';
import type { Deed, Publication } from './core/publication.ts';
import { brokerAdopted, restartEnded, restartTriggered } from './core/restart-events.ts';
import type { Settings } from './core/settings.ts';
import type { RestartBroker } from './restart.ts';
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
  readonly engine: Engine;
  readonly restartBroker: RestartBroker;
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

/** Starts the loop. It ends when `signal` aborts, after a restart that is under way. */
export function startWatcher(parts: WatcherParts, signal: AbortSignal): Watcher {
  const { settings, clock, certFiles, engine, restartBroker, publish } = parts;
  const wake = createWake(clock);
  const fileEvents = parts.createFileEvents(wake.hint);
  let memory = memories.createMemory(clock.now(), undefined);
  let said: SaidConditions = new Map();
  let conditions: readonly Condition[] = [];
  let stateTrouble: string | undefined;
  let savedState = '';
  let probing:
    | { readonly identity: string; readonly abort: AbortController; readonly ended: Promise<void> }
    | undefined;
  let isRestarting = false;

  async function run() {
    await loadState();
    while (!signal.aborted) {
      const lookMonoMs = clock.now().monoMs;
      const nextLookMonoMs = await cycle().catch(failCycle);
      await wake.sleepUntil(nextLookMonoMs, lookMonoMs + CLOSEST_LOOKS_MS, signal);
    }
    fileEvents.close();
    probing?.abort.abort();
    await probing?.ended;
  }

  /** One walk through the diagram; returns the monotonic moment of the next. */
  async function cycle(): Promise<number> {
    const view = await observe();
    if (signal.aborted) return 0;
    const decision = decide(view);
    conditions = decision.transient ? conditions : decision.conditions;
    say(conditions, { view, decision });
    let nextLookMonoMs = decision.nextLookMonoMs;
    for (const step of decision.steps) {
      if (signal.aborted) return 0;
      if (step.kind === 'probe') startProbe(step);
      if (step.kind === 'adopt') await adopt(step);
      if (step.kind === 'restart') {
        await restart(step);
        nextLookMonoMs = clock.now().monoMs;
      }
    }
    return nextLookMonoMs;
  }

  async function observe(): Promise<View> {
    await fileEvents.arm();
    const files = await certFiles.observe(clock.now().monoMs);
    const seen = clock.now();
    memory = memories.rememberFiles(memory, files, seen);
    await saveState();
    if (probing !== undefined && probing.identity !== files.identity) probing.abort.abort();
    const view = { now: seen, files, memory, settings };
    if (brokerIsInQuestion(view)) {
      const answer = await engine.inspect({ signal });
      memory = memories.rememberBroker(memory, files, answer, clock.now(), settings);
    } else if (isDueForGlance(view)) {
      const answer = await engine.inspect({ signal, timeoutMs: GLANCE_TIMEOUT_MS });
      memory = memories.rememberGlance(memory, answer, clock.now());
    }
    return { now: clock.now(), files, memory, settings };
  }

  function failCycle(error: unknown): number {
    const message = messageOf(error);
    const hint = 'the watcher goes on; if this stays, please report it with this line';
    say([...conditions, { event: 'cycle_failed', subject: message, details: { message, hint } }]);
    return clock.now().monoMs + settings.checkIntervalMs;
  }

  /** Publishes a cycle, with those of the conditions that are news. */
  function say(current: readonly Condition[], cycleOf?: Publication['cycle']) {
    const { wallMs, monoMs } = clock.now();
    const announced = announce(said, [...current, ...degradations()], monoMs);
    said = announced.said;
    publish({ wallMs, say: announced.say, ...(cycleOf && { cycle: cycleOf }) });
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

  async function restart(step: Extract<Decision['steps'][number], { kind: 'restart' }>) {
    const previousRestartMonoMs = memory.lastRestartMonoMs;
    tell(restartTriggered(memory, step.set, settings), { kind: 'restart_asked' });
    memory = memories.rememberRestartIntent(memory, clock.now());
    isRestarting = true;
    await saveState();
    const outcome = await restartBroker(step.broker);
    const now = clock.now();
    memory = memories.rememberRestart(memory, step.set, outcome, previousRestartMonoMs, now, settings);
    tell(restartEnded(outcome, step.set, now, settings), { kind: 'restart_ended', outcome });
    await saveState();
    isRestarting = false;
  }

  async function adopt(step: Extract<Decision['steps'][number], { kind: 'adopt' }>) {
    tell(brokerAdopted(memory, step, settings));
    memory = memories.rememberApplied(memory, step);
    await saveState();
  }

  /** Probes beside the loop, so that it costs a rotation no time; one at a time. */
  function startProbe(step: ProbeStep) {
    const { runProbe } = parts;
    if (runProbe === undefined) return;
    const before = probing;
    const abort = new AbortController();
    memory = memories.rememberProbeStart(memory, step.identity);
    const ended = (async () => {
      before?.abort.abort();
      await before?.ended;
      const verdict = abort.signal.aborted
        ? undefined
        : await runProbe({ signal: abort.signal, nowMs: clock.now().wallMs, onPhase });
      memory = memories.rememberProbeEnd(memory, step, verdict, clock.now());
      if (verdict !== undefined) tell([], { kind: 'probe_ended', verdict });
      if (probing?.abort === abort) probing = undefined;
      wake.hint();
    })();
    probing = { identity: step.identity, abort, ended };

    function onPhase(phase: ProbePhase) {
      if (phase === 'files' || memory.probe?.filesPassed === true) return;
      memory = memories.rememberFilesPassed(memory, step.identity);
      wake.hint();
    }
  }

  async function loadState() {
    const read = await parts.stateFile?.load();
    if (read?.ok === false) stateTrouble = read.problem;
    if (read?.ok === true) memory = memories.createMemory(clock.now(), read.state);
    savedState = stateKey(memory);
  }

  async function saveState() {
    if (parts.stateFile === undefined || stateKey(memory) === savedState) return;
    const saving = stateKey(memory);
    const written = await parts.stateFile.save(memories.toPersist(memory, clock.now()));
    stateTrouble = written.ok ? undefined : written.problem;
    if (written.ok) savedState = saving;
  }

  return { ended: run(), isRestarting: () => isRestarting };
}

/** What the state file holds of a memory, without the wall clock's jitter. */
function stateKey({ applied, strayedAtMs, stoppedByUs, lastRestartMonoMs }: memories.Memory): string {
  return JSON.stringify([applied, strayedAtMs, stoppedByUs, lastRestartMonoMs]);
}

function degraded(part: string, message: string, settings: Settings): Condition {
  const hint =
    part === 'file_events'
      ? `changes are found by polling every ${settings.checkIntervalMs / 1_000} s all the same`
      : 'the watcher goes on without it; after a restart of the watcher it asks the engine what the broker has loaded';
  return { event: 'watch_degraded', about: part, subject: message, details: { part, message, hint } };
}
