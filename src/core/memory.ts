/**
 * What the watcher remembers from one cycle to the next, and how each thing that happens changes it. Every
 * function here takes a memory and returns a new one.
 */

import { type BridgeMemory, type BridgeSight, sameSight } from './bridge.ts';
import { type BrokerState, type EngineAnswer, isLeftStopped, type RestartOutcome } from './broker.ts';
import type { CertificateSet, FilesObservation, Moment } from './observation.ts';
import { type ProbeFailure, type ProbeVerdict, setCannotWork, standingRejection } from './probe.ts';
import { hasFailedSince, type ServiceUpdate } from './service.ts';
import type { Settings } from './settings.ts';

/** The set that the broker is known to have loaded, or has been restarted for. */
export interface Applied {
  readonly fingerprint: string;
  /** the engine's `StartedAt` of the start that loaded it; undefined if that start was never seen */
  readonly startedAt: string | undefined;
  /** when its client certificate expires, milliseconds since the epoch; undefined if it was never seen */
  readonly notAfterMs?: number | undefined;
  /** its CA certificates, see {@link authoritiesOf}; undefined if they were never seen */
  readonly authorities?: string | undefined;
}

/** The CA certificates of a set as a text to compare: a listener takes up new ones only when it is started. */
export function authoritiesOf({ authorities }: CertificateSet): string {
  return authorities
    .map(({ sha256 }) => sha256.slice(0, 16))
    .toSorted()
    .join(' ');
}

/** The probe of one set, as far as it has come. */
export interface ProbeProgress {
  readonly identity: string;
  /** nothing speaks against the files: key and certificate belong together, as far as they may be read */
  readonly filesPassed: boolean;
  readonly running: boolean;
  /** the last verdict on this very set */
  readonly verdict: ProbeVerdict | undefined;
  /** monotonic milliseconds of that verdict */
  readonly verdictAtMs: number | undefined;
  /** the proof that the upstream refuses this very set; it stands until a probe proves the contrary */
  readonly rejection: ProbeFailure | undefined;
}

/** Of one broker, and of the files and the upstream, which are the same for all brokers. */
export interface Memory {
  /** when the watcher started */
  readonly started: Moment;
  readonly cycles: number;
  /** the last look at the files, and since when they have been seen as they are */
  readonly sighting:
    | { readonly identity: string; readonly sinceMonoMs: number; readonly lookMonoMs: number }
    | undefined;
  readonly applied: Applied | undefined;
  /** when something else than `applied` came to lie on disk, by the wall clock; a broker started later may run with that */
  readonly strayedAtMs: number | undefined;
  /** monotonic milliseconds of the last restart that may have reached the broker; negative: before the start */
  readonly lastRestartMonoMs: number | undefined;
  /** where nobody remembers one: the latest start of the broker that may have been our predecessor's doing */
  readonly predecessor: { readonly startedAt: string; readonly monoMs: number } | undefined;
  /** the engine's last answer, for which set, and when it is worth asking again */
  readonly broker:
    | {
        readonly answer: EngineAnswer<BrokerState>;
        readonly identity: string;
        readonly askAgainMonoMs: number;
      }
    | undefined;
  /** the engine's last answer of all, whatever it was asked for, as told to people */
  readonly glance: { readonly answer: EngineAnswer<BrokerState>; readonly at: Moment } | undefined;
  /** what is heard of its bridges, where somebody listens */
  readonly bridges: BridgeMemory | undefined;
  /** the update of a service that this watcher has asked for, until its end has been told */
  readonly updating: { readonly set: CertificateSet; readonly atMonoMs: number } | undefined;
  /** the update of a service that was seen to fail for the set on disk; the next update makes the swarm forget it */
  readonly failedUpdate: { readonly fingerprint: string; readonly update: ServiceUpdate } | undefined;
  /** the sets that have lain on disk here, by their fingerprints, the latest last */
  readonly seen: readonly string[];
  /** how often in a row the pending restart could not be done */
  readonly fruitless: number;
  /** `FinishedAt` of a broker that our own failed restart left stopped */
  readonly stoppedByUs: string | undefined;
  /** the last restart, as told to people */
  readonly lastRestart:
    | { readonly outcome: RestartOutcome; readonly at: Moment; readonly fingerprint: string }
    | undefined;
  readonly probe: ProbeProgress | undefined;
  /** the last verdict of all, whatever set it was made with, as told to people */
  readonly lastVerdict:
    | { readonly verdict: ProbeVerdict; readonly fingerprint: string; readonly at: Moment }
    | undefined;
}

/**
 * After the predecessor of a watcher without a state file was killed, its restart may still be under way
 * and the broker not stopped yet. A broker needs well under this time to stop.
 */
export const PREDECESSOR_MS = 2_000;

/** What outlives the process of each broker, by its name, where a state file is configured. */
export type PersistedStates = ReadonlyMap<string, PersistedState>;

export interface PersistedState {
  readonly applied: Applied | undefined;
  /** see {@link Memory} */
  readonly strayedAtMs: number | undefined;
  /** see {@link Memory} */
  readonly stoppedByUs: string | undefined;
  /** wall clock, milliseconds since the epoch */
  readonly lastRestartAtMs: number | undefined;
}

/** A new memory. A last restart in the future of a clock that was set back counts as having been just now. */
export function createMemory(now: Moment, persisted: PersistedState | undefined): Memory {
  const last = persisted?.lastRestartAtMs;
  return {
    started: now,
    cycles: 0,
    sighting: undefined,
    applied: persisted?.applied,
    strayedAtMs: persisted?.strayedAtMs,
    lastRestartMonoMs: last === undefined ? undefined : onMonotonicClock(last, now),
    predecessor: undefined,
    broker: undefined,
    glance: undefined,
    bridges: undefined,
    updating: undefined,
    failedUpdate: undefined,
    seen: [],
    fruitless: 0,
    stoppedByUs: persisted?.stoppedByUs,
    lastRestart: undefined,
    probe: undefined,
    lastVerdict: undefined,
  };
}

/** The memory of a broker that has come to light beside this one: of what all of them share, it knows the same. */
export function memoryOfAnother(memory: Memory, now: Moment, persisted: PersistedState | undefined): Memory {
  const { started, cycles, sighting, seen, probe, lastVerdict } = memory;
  return { ...createMemory(now, persisted), started, cycles, sighting, seen, probe, lastVerdict };
}

/** What a state file has to keep of this memory. */
export function toPersist(memory: Memory, now: Moment): PersistedState {
  const last = memory.lastRestartMonoMs;
  return {
    applied: memory.applied,
    strayedAtMs: memory.strayedAtMs,
    stoppedByUs: memory.stoppedByUs,
    lastRestartAtMs: last === undefined ? undefined : Math.round(now.wallMs - (now.monoMs - last)),
  };
}

/**
 * Takes in a look at the files. Unchanged files have been stable since they were first seen so. A set seen
 * for the first time is credited with the age that its newest ctime shows, but, unless this is the first
 * look of all, never with more than the time since the last look: it was different then.
 */
export function rememberFiles(memory: Memory, files: FilesObservation, now: Moment): Memory {
  const before = memory.sighting;
  const unchanged = before?.identity === files.identity && files.kind !== 'changing';
  const sinceMonoMs = unchanged ? before.sinceMonoMs : now.monoMs - credit(files, now, before?.lookMonoMs);
  return {
    ...memory,
    cycles: memory.cycles + 1,
    sighting: { identity: files.identity, sinceMonoMs, lookMonoMs: now.monoMs },
    ...excursion(memory, files, now),
    seen: withSeen(memory.seen, files),
    probe: memory.probe?.identity === files.identity ? memory.probe : undefined,
    fruitless: unchanged ? memory.fruitless : 0,
  };
}

const KEPT_SETS = 8;

function withSeen(seen: readonly string[], files: FilesObservation): readonly string[] {
  if (files.kind !== 'complete' || seen.at(-1) === files.fingerprint) return seen;
  return [...seen.filter((each) => each !== files.fingerprint), files.fingerprint].slice(-KEPT_SETS);
}

/**
 * Notes when the files cease to be the applied set: by their ctime, or else at the earliest after the last
 * look. If the broker was restarted since that look, nobody knows whether it found the set or what came after.
 */
function excursion(
  memory: Memory,
  files: FilesObservation,
  now: Moment,
): Pick<Memory, 'applied' | 'strayedAtMs'> {
  const { applied, strayedAtMs, sighting, lastRestartMonoMs = 0 } = memory;
  const isApplied = files.kind === 'complete' && files.fingerprint === applied?.fingerprint;
  if (applied === undefined || strayedAtMs !== undefined || isApplied) {
    return { applied, strayedAtMs };
  }
  const lastLookMonoMs = sighting?.lookMonoMs ?? now.monoMs;
  return {
    applied: lastRestartMonoMs > lastLookMonoMs ? { ...applied, startedAt: undefined } : applied,
    strayedAtMs: files.kind === 'complete' ? files.newestCtimeMs : now.wallMs - (now.monoMs - lastLookMonoMs),
  };
}

function credit(files: FilesObservation, now: Moment, lastLookMonoMs: number | undefined): number {
  if (files.kind !== 'complete') return 0;
  const age = Math.max(0, now.wallMs - files.newestCtimeMs);
  return lastLookMonoMs === undefined ? age : Math.min(age, now.monoMs - lastLookMonoMs);
}

/**
 * Takes in the engine's answer about the broker. Without news of an earlier restart, a start that was not the
 * container's first, before our own or soon after it, may be our predecessor's doing: the cooldown counts from it.
 */
export function rememberBroker(
  memory: Memory,
  files: FilesObservation,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
  settings: Settings,
): Memory {
  // a broker that is ours to start is looked at right before that: somebody may have been faster
  const isOurs = answer.ok && answer.value.finishedAt === memory.stoppedByUs;
  const isFruitless = !answer.ok || (isLeftStopped(answer.value) && !isOurs);
  const fruitless = memory.fruitless + (isFruitless ? 1 : 0);
  const askAgainMonoMs = now.monoMs + (isFruitless ? backoff(fruitless, settings) : 0);
  return {
    ...memory,
    fruitless,
    broker: { answer, identity: files.identity, askAgainMonoMs },
    glance: { answer, at: now },
    failedUpdate: failedUpdateOf(memory, files, answer),
    predecessor: predecessorsRestart(memory, answer, now),
  };
}

function failedUpdateOf(
  { failedUpdate }: Memory,
  files: FilesObservation,
  answer: EngineAnswer<BrokerState>,
): Memory['failedUpdate'] {
  if (files.kind !== 'complete') return failedUpdate;
  const { fingerprint, newestCtimeMs } = files;
  const service = answer.ok ? answer.value.service : undefined;
  if (service?.update !== undefined && hasFailedSince(service, newestCtimeMs)) {
    return { fingerprint, update: service.update };
  }
  return failedUpdate?.fingerprint === fingerprint ? failedUpdate : undefined;
}

/** Takes in an answer that was asked for only to be shown: nothing is decided by it. */
export function rememberGlance(memory: Memory, answer: EngineAnswer<BrokerState>, now: Moment): Memory {
  return { ...memory, glance: { answer, at: now } };
}

/** Placed on the monotonic clock once, when it is first seen: the wall clock may be set at any time after that. */
function predecessorsRestart(
  { predecessor, lastRestartMonoMs, started }: Memory,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
): Memory['predecessor'] {
  if (lastRestartMonoMs !== undefined || !answer.ok || answer.value.finishedAtMs === undefined)
    return predecessor;
  const { startedAt, startedAtMs } = answer.value;
  // it may have been killed with its restart on the way; what comes later is somebody else's doing
  const latestMs = started.wallMs + PREDECESSOR_MS;
  if (startedAtMs === undefined || startedAtMs > latestMs || startedAt === predecessor?.startedAt)
    return predecessor;
  return { startedAt, monoMs: onMonotonicClock(startedAtMs, now) };
}

/** The check interval, doubled each time up to the cooldown. */
function backoff(fruitless: number, settings: Settings): number {
  const longest = Math.max(settings.cooldownMs, settings.checkIntervalMs);
  return Math.min(settings.checkIntervalMs * 2 ** Math.min(fruitless - 1, 30), longest);
}

/** The broker is known to run with this set: it was started after the set was last changed. */
export function rememberApplied(memory: Memory, applied: Applied): Memory {
  return {
    ...memory,
    applied,
    strayedAtMs: undefined,
    broker: undefined,
    fruitless: 0,
    stoppedByUs: undefined,
  };
}

/** A restart is about to be asked for: from here on it may reach the broker, and the cooldown runs. */
export function rememberRestartIntent(memory: Memory, now: Moment): Memory {
  return { ...memory, lastRestartMonoMs: now.monoMs };
}

/**
 * Takes in how a restart ended. One that certainly did not happen starts no cooldown, so the moment of the
 * one before it counts again, and is tried again later; one whose answer was lost is not repeated before
 * the cooldown has passed and the broker has been looked at again.
 */
export function rememberRestart(
  memory: Memory,
  set: CertificateSet,
  outcome: RestartOutcome,
  previousRestartMonoMs: number | undefined,
  now: Moment,
  settings: Settings,
): Memory {
  const seen = answerOf(outcome);
  const told: Memory = {
    ...memory,
    updating: undefined,
    lastRestart: { outcome, at: now, fingerprint: set.fingerprint },
    glance: seen === undefined ? memory.glance : { answer: seen, at: now },
  };
  if (outcome.kind === 'not_done') {
    const fruitless = memory.fruitless + 1;
    const askAgainMonoMs = now.monoMs + backoff(fruitless, settings);
    return {
      ...told,
      fruitless,
      lastRestartMonoMs: previousRestartMonoMs,
      broker: { answer: outcome.failure, identity: set.identity, askAgainMonoMs },
    };
  }
  const counted: Memory = {
    ...told,
    lastRestartMonoMs: outcome.answeredMonoMs,
    broker: undefined,
    fruitless: 0,
  };
  if (outcome.kind === 'uncertain') {
    const left = outcome.broker;
    return { ...counted, stoppedByUs: left !== undefined && !left.up ? left.finishedAt : undefined };
  }
  return rememberApplied(counted, {
    fingerprint: set.fingerprint,
    startedAt: outcome.broker?.startedAt,
    notAfterMs: set.leaf.notAfterMs,
    authorities: authoritiesOf(set),
  });
}

/** The engine has taken up an update of the service for this set; it goes on by itself, and the cooldown counts from here. */
export function rememberUpdate(memory: Memory, set: CertificateSet, now: Moment): Memory {
  return {
    ...memory,
    updating: { set, atMonoMs: now.monoMs },
    lastRestartMonoMs: now.monoMs,
    broker: undefined,
    fruitless: 0,
  };
}

/** Somebody else has changed the service first: what was known of it is out of date. */
export function rememberOutrun(memory: Memory): Memory {
  return { ...memory, broker: undefined };
}

/** The broker has been signalled, and has proved to run with this set since; the cooldown counts from here. */
export function rememberReload(
  memory: Memory,
  set: CertificateSet,
  broker: BrokerState,
  now: Moment,
): Memory {
  const reloaded: Memory = {
    ...memory,
    lastRestartMonoMs: now.monoMs,
    glance: { answer: { ok: true, value: broker }, at: now },
  };
  return rememberApplied(reloaded, {
    fingerprint: set.fingerprint,
    startedAt: broker.startedAt,
    notAfterMs: set.leaf.notAfterMs,
    authorities: authoritiesOf(set),
  });
}

/** Takes in what is heard of the broker's bridges; undefined: nobody listens for them, or no longer. */
export function rememberBridges(memory: Memory, sight: BridgeSight | undefined, now: Moment): Memory {
  if (sight === undefined) return memory.bridges === undefined ? memory : { ...memory, bridges: undefined };
  const before = memory.bridges;
  const isSame = before !== undefined && sameSight(before.sight, sight);
  return { ...memory, bridges: { sight, sinceMonoMs: isSame ? before.sinceMonoMs : now.monoMs } };
}

/** What the engine said last during a restart. */
function answerOf(outcome: RestartOutcome): EngineAnswer<BrokerState> | undefined {
  if (outcome.kind === 'not_done') return outcome.failure;
  return outcome.broker && { ok: true, value: outcome.broker };
}

/** A probe of this set has been started; an earlier verdict on the same set stays until the next. */
export function rememberProbeStart(memory: Memory, identity: string): Memory {
  const before = memory.probe?.identity === identity ? memory.probe : undefined;
  return {
    ...memory,
    probe: {
      identity,
      running: true,
      filesPassed: before?.filesPassed ?? false,
      verdict: before?.verdict,
      verdictAtMs: before?.verdictAtMs,
      rejection: before?.rejection,
    },
  };
}

/** The running probe has found that key and certificate belong together and has gone on to the network. */
export function rememberFilesPassed(memory: Memory, identity: string): Memory {
  if (memory.probe?.identity !== identity) return memory;
  return { ...memory, probe: { ...memory.probe, filesPassed: true } };
}

/** The probe of this set has ended; without a verdict it was cancelled. A verdict on a set of the past is dropped. */
export function rememberProbeEnd(
  memory: Memory,
  probed: { readonly identity: string; readonly fingerprint: string },
  verdict: ProbeVerdict | undefined,
  now: Moment,
): Memory {
  const { probe } = memory;
  if (probe?.identity !== probed.identity) return memory;
  if (verdict === undefined) return { ...memory, probe: { ...probe, running: false } };
  return {
    ...memory,
    probe: {
      identity: probe.identity,
      running: false,
      filesPassed: !setCannotWork(verdict),
      verdict,
      verdictAtMs: now.monoMs,
      rejection: standingRejection(probe.rejection, verdict),
    },
    lastVerdict: { verdict, fingerprint: probed.fingerprint, at: now },
  };
}

/** A wall-clock time of the past on the monotonic clock; one in the future counts as now. */
function onMonotonicClock(wallMs: number, now: Moment): number {
  return now.monoMs - Math.max(0, now.wallMs - wallMs);
}
