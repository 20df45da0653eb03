/** How the memory of one broker changes with what is done to it. */

import type { BrokerState, BrokerUp, EngineAnswer, RestartOutcome } from '../model/broker.ts';
import type { CertificateSet, Moment } from '../model/files.ts';
import type { Settings } from '../model/settings.ts';
import { backoffMs } from '../text/backoff.ts';
import { type Applied, type BrokerMemory, loaded, type SiteMemory } from './memory.ts';
import { beginStart } from './start.ts';
/** The broker is known to run with this set: it was started after the set was last changed. */
export function rememberApplied(memory: BrokerMemory, applied: Applied): BrokerMemory {
  return {
    ...memory,
    applied: withOthers(memory, applied),
    divergedAtMs: undefined,
    standing: undefined,
    failedTries: 0,
    stoppedByUs: undefined,
  };
}

/** As many sets as are kept in mind that the configuration names no more. */
const MOST_SETS = 100;

/** A configuration that is being written may lack a set for a moment, whose rotation must not be lost. */
function withOthers({ applied: before }: BrokerMemory, applied: Applied): Applied {
  const { sets, parts } = applied;
  if (sets === undefined) return applied;
  const others = Object.entries(before?.sets ?? {}).filter(([name]) => !(name in sets));
  if (Object.keys(sets).length + others.length > MOST_SETS) return applied;
  const names = others.map(([name]) => name);
  const ofOthers = Object.entries(before?.parts ?? {}).filter(([name]) => names.includes(name));
  return {
    ...applied,
    sets: { ...Object.fromEntries(others), ...sets },
    parts: { ...Object.fromEntries(ofOthers), ...parts },
  };
}

/**
 * Somebody else has started the broker for this set. If that happened while this watcher was running, another watcher
 * probably exists: with the next set this one waits a moment before it acts. If it has let another one go first, that
 * restart counts like its own, and the cooldown counts from it.
 */
export function rememberAdopted(
  memory: BrokerMemory,
  { sighting, started }: Pick<SiteMemory, 'sighting' | 'started'>,
  applied: Applied & { readonly startedAt: string },
  now: Moment,
): BrokerMemory {
  const { yielding, isAlone, lastRestartMonoMs } = memory;
  const isNews = memory.applied !== undefined && memory.applied.fingerprint !== applied.fingerprint;
  const isOthersDoing = isNews && Date.parse(applied.startedAt) > started.wallMs;
  const hasYielded = yielding !== undefined && yielding.identity === sighting?.identity;
  return {
    ...rememberApplied(memory, applied),
    isAlone: isAlone && !isOthersDoing,
    lastRestartMonoMs: hasYielded ? now.monoMs : lastRestartMonoMs,
  };
}

/** Another watcher goes first with this set; counted from the first time. */
export function rememberYield(memory: BrokerMemory, identity: string, now: Moment): BrokerMemory {
  if (memory.yielding?.identity === identity) return memory;
  return { ...memory, yielding: { identity, sinceMonoMs: now.monoMs } };
}

/**
 * A restart is about to be requested: from now on it may reach the broker, and the cooldown runs. For a unit that has
 * failed its start limit is reset first, after which it looks as if somebody had stopped it: it is ours to start.
 */
export function rememberRestartIntent(memory: BrokerMemory, before: BrokerState, now: Moment): BrokerMemory {
  const hasFailed = before.kind === 'unit' && before.active === 'failed';
  return {
    ...memory,
    lastRestartMonoMs: now.monoMs,
    stoppedByUs: hasFailed ? before.finishedAt : memory.stoppedByUs,
  };
}

/**
 * Remembers how a restart ended. A restart that certainly did not happen starts no cooldown, so the time of the one
 * before it counts again, and is retried later; one whose answer was lost is not repeated before the cooldown has
 * passed and the broker has been looked at again.
 */
export function rememberRestart(
  memory: BrokerMemory,
  set: CertificateSet,
  outcome: RestartOutcome,
  previousRestartMonoMs: number | undefined,
  now: Moment,
  settings: Settings,
): BrokerMemory {
  const seen = answerOf(outcome);
  const told: BrokerMemory = {
    ...memory,
    start: undefined,
    updating: undefined,
    lastRestart: { outcome, at: now, fingerprint: set.fingerprint },
    lastAnswer: seen === undefined ? memory.lastAnswer : { answer: seen, at: now },
  };
  if (outcome.kind === 'not_done') {
    const failedTries = memory.failedTries + 1;
    const askAgainMonoMs = now.monoMs + backoffMs(failedTries, settings.checkIntervalMs, settings.cooldownMs);
    return {
      ...told,
      failedTries,
      lastRestartMonoMs: previousRestartMonoMs,
      standing: { answer: outcome.failure, identity: set.identity, askAgainMonoMs, cycle: undefined },
    };
  }
  // what it has loaded has been known since it came up, and the files on disk may have changed since
  if (memory.start !== undefined) return told;
  const counted: BrokerMemory = {
    ...told,
    startAtOnce: false,
    lastRestartMonoMs: outcome.answeredMonoMs,
    standing: undefined,
    failedTries: 0,
  };
  if (outcome.kind === 'uncertain') {
    const left = outcome.broker;
    const isLeftDown = left !== undefined && left.kind !== 'service' && !left.up && left.finishedAt !== '';
    return { ...counted, stoppedByUs: isLeftDown ? left.finishedAt : undefined };
  }
  return rememberApplied(
    { ...counted, isAlone: !isStartedAgain(outcome, now) },
    appliedBy(outcome.broker?.startedAt, set),
  );
}

/** What a broker has loaded that was started for this set. */
function appliedBy(startedAt: string | undefined, set: CertificateSet): Applied {
  return { ...loaded(set), startedAt };
}

/** A restart has brought the broker up: it has loaded the set. Whether it is well is still to be seen. */
export function rememberUp(
  memory: BrokerMemory,
  set: CertificateSet,
  up: BrokerUp,
  now: Moment,
  settings: Settings,
): BrokerMemory {
  const isUp: BrokerMemory = {
    ...memory,
    start: beginStart(set, up, now, settings.verifyTimeoutMs),
    startAtOnce: false,
    lastRestartMonoMs: up.answeredMonoMs,
    lastAnswer: { answer: { ok: true, value: up.broker }, at: now },
  };
  return rememberApplied(isUp, appliedBy(up.broker.startedAt, set));
}

/** The engine answers a restart when the broker is started; a later start was made by somebody else. */
const LATE_START_MS = 250;

function isStartedAgain(outcome: RestartOutcome, now: Moment): boolean {
  if (outcome.kind !== 'verified') return false;
  // systemd has done it by itself
  if (outcome.broker.kind === 'unit' && outcome.broker.restartCount > 0) return false;
  const answeredAtMs = now.wallMs - (now.monoMs - outcome.answeredMonoMs);
  return (outcome.broker.startedAtMs ?? 0) > answeredAtMs + LATE_START_MS;
}

/**
 * The engine has accepted an update of the service for this set; the update proceeds without the watcher, and the
 * cooldown counts from here.
 */
export function rememberUpdate(memory: BrokerMemory, set: CertificateSet, now: Moment): BrokerMemory {
  return {
    ...memory,
    updating: { set, atMonoMs: now.monoMs, completeMonoMs: undefined },
    lastRestartMonoMs: now.monoMs,
    standing: undefined,
    failedTries: 0,
  };
}

/** Somebody else has changed the service first: what was known of it is out of date. */
export function rememberLostRace(memory: BrokerMemory): BrokerMemory {
  return { ...memory, standing: undefined };
}

/** The broker has been signalled, and has since proved that it runs with this set; the cooldown counts from here. */
export function rememberReload(
  memory: BrokerMemory,
  set: CertificateSet,
  broker: BrokerState,
  now: Moment,
): BrokerMemory {
  const reloaded: BrokerMemory = {
    ...memory,
    lastRestartMonoMs: now.monoMs,
    lastAnswer: { answer: { ok: true, value: broker }, at: now },
  };
  return rememberApplied(reloaded, appliedBy(broker.startedAt, set));
}

/** The engine's last answer during a restart. */
function answerOf(outcome: RestartOutcome): EngineAnswer<BrokerState> | undefined {
  if (outcome.kind === 'not_done') return outcome.failure;
  return outcome.broker && { ok: true, value: outcome.broker };
}
