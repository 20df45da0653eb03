/** How the memory of one broker changes with what is observed of it. */

import { type BridgeSight, sameSight } from '../model/bridge.ts';
import { type BrokerState, conditionOf, type EngineAnswer, isLeftAlone } from '../model/broker.ts';
import type { FilesObservation, Moment } from '../model/files.ts';
import type { Presented } from '../model/presented.ts';
import { hasFailedSince, isUpdateComplete } from '../model/service.ts';
import type { Settings } from '../model/settings.ts';
import { backoffMs } from '../text/backoff.ts';
import { noNews, withNews } from './bridge-news.ts';
import {
  type BrokerMemory,
  hasSet,
  marksOf,
  PREDECESSOR_MS,
  type RequestedUpdate,
  type SiteMemory,
} from './memory.ts';
import { onMonotonicClock, type PersistedState } from './persisted.ts';
import { followStart } from './start.ts';
/**
 * For a broker that has just been found. A last restart that lies in the future, because the clock was set back, counts
 * as having been made just now.
 */
export function createBrokerMemory(now: Moment, persisted: PersistedState | undefined): BrokerMemory {
  const last = persisted?.lastRestartAtMs;
  return {
    applied: persisted?.applied,
    divergedAtMs: persisted?.divergedAtMs,
    lastRestartMonoMs: last === undefined ? undefined : onMonotonicClock(last, now),
    predecessor: undefined,
    standing: undefined,
    lastAnswer: undefined,
    bridges: undefined,
    presented: undefined,
    presentedBy: undefined,
    start: undefined,
    updating: undefined,
    failedUpdate: undefined,
    failedTries: 0,
    stoppedByUs: persisted?.stoppedByUs,
    startAtOnce: false,
    lastRestart: undefined,
    yielding: undefined,
    isAlone: true,
  };
}

/**
 * Updates this broker's memory from a look at the files; `site` is from before the look. The files cease to be the
 * applied set at their ctime, if that says so, otherwise at the earliest after the last look. If the broker was
 * restarted since that look, it is not known which of the two sets it loaded.
 */
export function rememberDivergence(
  memory: BrokerMemory,
  { sighting }: Pick<SiteMemory, 'sighting'>,
  files: FilesObservation,
  now: Moment,
): BrokerMemory {
  const isUnchanged = sighting?.identity === files.identity && files.kind !== 'changing';
  const looked = isUnchanged ? memory : { ...memory, failedTries: 0 };
  const { applied, divergedAtMs, lastRestartMonoMs = 0 } = memory;
  const isApplied = files.kind === 'complete' && hasSet(applied, files);
  if (applied === undefined || divergedAtMs !== undefined || isApplied) return looked;
  const lastLookMonoMs = sighting?.lookMonoMs ?? now.monoMs;
  return {
    ...looked,
    applied: lastRestartMonoMs > lastLookMonoMs ? { ...applied, startedAt: undefined } : applied,
    divergedAtMs:
      files.kind === 'complete' ? files.newestCtimeMs : now.wallMs - (now.monoMs - lastLookMonoMs),
  };
}

/**
 * Remembers the engine's answer about the broker. If no earlier restart is known, a start that was not the container's
 * first, before our own start or soon after it, may have been made by our predecessor: the cooldown counts from it.
 */
export function rememberStandingAnswer(
  memory: BrokerMemory,
  { started, cycles }: Pick<SiteMemory, 'started' | 'cycles'>,
  files: FilesObservation,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
  settings: Settings,
): BrokerMemory {
  // a broker that is ours to start is looked at right before that: somebody else may have started it first
  const isOurs =
    answer.ok && answer.value.kind !== 'service' && answer.value.finishedAt === memory.stoppedByUs;
  const hasFailed = !answer.ok || (isLeftAlone(answer.value) && !isOurs);
  // a stopped broker reads the files when it is started; one that resumes does not, so its restart is not delayed
  const mayGoOn = answer.ok && conditionOf(answer.value) !== 'stopped';
  const failedTries = memory.failedTries + (hasFailed && !mayGoOn ? 1 : 0);
  const pauseMs = backoffMs(mayGoOn ? 1 : failedTries, settings.checkIntervalMs, settings.cooldownMs);
  const askAgainMonoMs = now.monoMs + (hasFailed ? pauseMs : 0);
  return {
    ...memory,
    failedTries,
    start: memory.start && followStart(memory.start, answer, now),
    standing: { answer, identity: files.identity, askAgainMonoMs, cycle: cycles },
    lastAnswer: { answer, at: now },
    updating: memory.updating && followUpdate(memory.updating, answer, now),
    failedUpdate: failedUpdateOf(memory, files, answer),
    predecessor: predecessorsRestart(memory, started, answer, now),
  };
}

function followUpdate(
  updating: RequestedUpdate,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
): RequestedUpdate {
  if (!answer.ok || answer.value.kind !== 'service') return updating;
  const isComplete = isUpdateComplete(answer.value, updating.set.fingerprint);
  return { ...updating, completeMonoMs: isComplete ? (updating.completeMonoMs ?? now.monoMs) : undefined };
}

function failedUpdateOf(
  { failedUpdate }: BrokerMemory,
  files: FilesObservation,
  answer: EngineAnswer<BrokerState>,
): BrokerMemory['failedUpdate'] {
  if (files.kind !== 'complete') return failedUpdate;
  const { fingerprint, newestCtimeMs } = files;
  const service = answer.ok && answer.value.kind === 'service' ? answer.value : undefined;
  if (service?.update !== undefined && hasFailedSince(service, newestCtimeMs)) {
    return { fingerprint, update: service.update };
  }
  return failedUpdate?.fingerprint === fingerprint ? failedUpdate : undefined;
}

/**
 * Remembers an answer that was requested for display. No judgement of this broker reads it, but a broker that is not
 * well keeps the others of a roll waiting.
 */
export function rememberLastAnswer(
  memory: BrokerMemory,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
): BrokerMemory {
  return {
    ...memory,
    start: memory.start && followStart(memory.start, answer, now),
    lastAnswer: { answer, at: now },
  };
}

/**
 * A set that the configuration has named since restarts nothing: it is remembered as it is found. One that it names no
 * more is kept in mind, because a configuration that is being written may lack it for a moment.
 */
export function rememberNames(memory: BrokerMemory, files: FilesObservation): BrokerMemory {
  const { applied } = memory;
  if (applied?.sets === undefined || files.kind !== 'complete') return memory;
  const { sets } = applied;
  const found = Object.entries(marksOf(files) ?? {}).filter(([name]) => !(name in sets));
  if (found.length === 0) return memory;
  return { ...memory, applied: { ...applied, sets: { ...sets, ...Object.fromEntries(found) } } };
}

/** Remembers what its listener has presented; undefined: it was not looked at. */
export function rememberPresented(
  memory: BrokerMemory,
  seen: Presented | undefined,
  at: Moment,
): BrokerMemory {
  return seen === undefined ? memory : { ...memory, presented: { seen, at } };
}

/** Remembers what the listeners of several sets have presented; undefined: they were not looked at. */
export function rememberPresentedBy(
  memory: BrokerMemory,
  all: Readonly<Record<string, Presented>> | undefined,
  at: Moment,
): BrokerMemory {
  if (all === undefined) return memory;
  const before = memory.presentedBy?.seen ?? {};
  const seenNow = Object.entries(all).map(([name, seen]) => {
    return [name, { seen, hasAnswered: seen.ok || before[name]?.hasAnswered === true }] as const;
  });
  return { ...memory, presentedBy: { seen: Object.fromEntries(seenNow), at } };
}

/** Placed on the monotonic clock once, when it is first seen: the wall clock may be set at any time after that. */
function predecessorsRestart(
  { predecessor, lastRestartMonoMs }: BrokerMemory,
  started: Moment,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
): BrokerMemory['predecessor'] {
  if (lastRestartMonoMs !== undefined || !answer.ok) return predecessor;
  // for a service, its labels record this
  if (answer.value.kind === 'service' || answer.value.finishedAtMs === undefined) return predecessor;
  const { startedAt, startedAtMs } = answer.value;
  // it may have been killed while its restart was under way; any later start was made by somebody else
  const latestMs = started.wallMs + PREDECESSOR_MS;
  if (startedAtMs === undefined || startedAtMs > latestMs || startedAt === predecessor?.startedAt)
    return predecessor;
  return { startedAt, monoMs: onMonotonicClock(startedAtMs, now) };
}

/**
 * Remembers what the broker reports of its bridges; undefined: there is no address, or no longer one, to connect to.
 */
export function rememberBridges(
  memory: BrokerMemory,
  sight: BridgeSight | undefined,
  now: Moment,
  { verifyTimeoutMs }: Settings,
): BrokerMemory {
  if (sight === undefined) return memory.bridges === undefined ? memory : { ...memory, bridges: undefined };
  const before = memory.bridges;
  const isSame = before !== undefined && sameSight(before.sight, sight);
  const wasLost =
    before?.sight.ok === false && sight.ok && now.monoMs - before.sinceMonoMs >= verifyTimeoutMs;
  const lapses = (before?.lapses ?? 0) + (wasLost ? 1 : 0);
  const isLive = sight.ok && sight.lastLive > (before?.live?.message ?? 0);
  // each is reported again after a restart, and after its state was reported as unknown
  const spell = `since ${memory.lastRestartMonoMs ?? 'the start'} ${lapses}`;
  return {
    ...memory,
    bridges: {
      sight,
      sinceMonoMs: isSame ? before.sinceMonoMs : now.monoMs,
      live: isLive ? { message: sight.lastLive, atMonoMs: now.monoMs } : before?.live,
      lapses,
      leftOut: sight.ok ? sight.leftOut : before?.leftOut,
      news: withNews(before?.news ?? noNews(now.monoMs), sight, spell, now.monoMs),
    },
  };
}
