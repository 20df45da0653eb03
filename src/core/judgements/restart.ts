/** Judgements of a set that could be applied: whether the broker may be restarted now. */

import { PREDECESSOR_MS } from '../memory/memory.ts';
import { type EngineFailure, isLeftAlone } from '../model/broker.ts';
import { asksUpstream } from '../model/settings.ts';
import type { Statement } from '../news/condition.ts';
import type { SetSituation, Situation } from '../situation.ts';
import { formatDuration } from '../text/duration.ts';
import { timestamp } from '../text/timestamp.ts';
import { rollStopped } from './peers.ts';
import { signalOf } from './signal.ts';
import type { Verdict } from './verdict.ts';

export function inCooldown({
  now,
  readyAtMonoMs,
  isLoaded,
  broker,
  files,
  settings,
}: SetSituation): Verdict | undefined {
  if (now.monoMs >= readyAtMonoMs) return undefined;
  // somebody else has restarted it in the meantime: nothing is left to wait for
  if (isLoaded && broker?.ok === true) return undefined;
  if (isLoaded) {
    const sentence = 'the broker has these certificates, and the cooldown of its last restart runs';
    return { sentence, untilMonoMs: readyAtMonoMs };
  }
  const waitMs = readyAtMonoMs - now.monoMs;
  const suppressed: Statement = {
    event: 'restart_suppressed_cooldown',
    subject: files.fingerprint,
    details: {
      fingerprint: files.fingerprint,
      cooldown: formatDuration(settings.cooldownMs),
      remaining_seconds: Math.ceil(waitMs / 1_000),
      not_before: timestamp(now.wallMs + waitMs),
    },
    message: `the last restart is too recent; the broker is restarted in ${formatDuration(waitMs)}`,
  };
  return {
    sentence: 'a changed set waits for the cooldown to pass',
    conditions: [suppressed],
    pending: true,
    untilMonoMs: readyAtMonoMs,
  };
}

export function probePending({
  settings,
  isPairUnknown,
  isLoaded,
  isAccepted,
  verdict,
}: SetSituation): Verdict | undefined {
  const awaitsVerdict =
    isAccepted !== true && settings.probeEnabled && settings.probeGate !== 'off' && verdict === undefined;
  if (!isPairUnknown && !awaitsVerdict) return undefined;
  const sentence = asksUpstream(settings)
    ? 'the upstream is being probed with this set'
    : 'key and certificate of this set are being compared';
  return { sentence, pending: !isLoaded };
}

export function probeHolds({ holding, files, settings }: SetSituation): Verdict | undefined {
  if (holding === undefined) return undefined;
  const { cause, error, hint } = holding;
  const held: Statement = {
    event: 'restart_held',
    subject: `${files.fingerprint} ${cause}`,
    details: { fingerprint: files.fingerprint, gate: settings.probeGate, cause, error },
    message: `the restart is held because the probe failed (${cause}); it is released as soon as the probe passes`,
    hint,
  };
  return { sentence: held.message, conditions: [held], pending: true };
}

export function restartDisabled({
  name,
  files,
  settings,
  isToBePromoted,
}: SetSituation): Verdict | undefined {
  if (settings.restartEnabled || isToBePromoted) return undefined;
  const disabled: Statement = {
    event: 'restart_disabled',
    subject: files.fingerprint,
    details: { container: name, fingerprint: files.fingerprint },
    message: `${name} would be restarted now, but ENABLE_RESTART is false`,
    hint: 'restart the broker by hand to load the new certificates',
  };
  return { sentence: disabled.message, conditions: [disabled], pending: true };
}

/** With several brokers, the first that fails stops the roll. */
export function engineFailed(situation: SetSituation): Verdict | undefined {
  const { name, broker, memory, peers, isToBePromoted } = situation;
  if (broker === undefined || broker.ok || isToBePromoted) return undefined;
  const failed = restartFailed(situation, broker);
  const problem = `could not be restarted: ${broker.problem}`;
  return {
    sentence: failed.message,
    conditions: [
      failed,
      ...(peers === undefined ? [] : [rollStopped({ container: name, problem, hint: broker.hint }, peers)]),
    ],
    pending: true,
    untilMonoMs: memory.standing?.askAgainMonoMs,
  };
}

function restartFailed({ now, name, memory }: Situation, failure: EngineFailure): Statement {
  const { cause, problem, hint } = failure;
  const nextTryMs = Math.max(0, (memory.standing?.askAgainMonoMs ?? now.monoMs) - now.monoMs);
  return {
    event: 'restart_failed',
    subject: cause,
    details: {
      container: name,
      cause,
      error: problem,
      next_try: timestamp(now.wallMs + nextTryMs),
      next_try_seconds: Math.ceil(nextTryMs / 1_000),
    },
    message: `${name} could not be restarted: ${problem}`,
    hint,
  };
}

/** Nothing else is done to a broker until the outcome of its last restart is known. */
export function brokerStarting({ name, memory }: SetSituation): Verdict | undefined {
  const { start } = memory;
  if (start === undefined) return undefined;
  return {
    sentence: `${name} has been restarted and is up; it is not known yet whether it is well`,
    pending: true,
    untilMonoMs: start.healthyByMonoMs,
  };
}

export function watcherJustStarted({ site, memory, now }: SetSituation): Verdict | undefined {
  const overAtMonoMs = site.started.monoMs + PREDECESSOR_MS;
  if (memory.applied !== undefined || memory.lastRestart !== undefined || now.monoMs >= overAtMonoMs)
    return undefined;
  return {
    sentence: 'the watcher has just started; a restart by its predecessor may still be under way',
    pending: true,
    untilMonoMs: overAtMonoMs,
  };
}

/** The last guard: another broker is not well. */
export function rollIsStopped(situation: SetSituation): Verdict | undefined {
  const { peers, isToBePromoted } = situation;
  if (peers?.problem === undefined || (isToBePromoted && !isToBeRestarted(situation))) return undefined;
  const stopped = rollStopped(peers.problem, peers);
  const complaint = peers.problem.isPassing === true ? [] : [stopped];
  return {
    sentence: stopped.message,
    conditions: [...failureBefore(situation), ...complaint],
    pending: true,
  };
}

/**
 * Whether only another broker's problem keeps this one from being restarted; otherwise that problem does not block a
 * promotion.
 */
function isToBeRestarted({ broker, settings }: SetSituation): boolean {
  return settings.restartEnabled && broker?.ok === true && !isLeftAlone(broker.value);
}

/**
 * The failure of the previous attempt stays reported, so that the same failure of this attempt is not reported again.
 */
function failureBefore(situation: SetSituation): Statement[] {
  const { files, memory } = situation;
  const last = memory.lastRestart;
  const isRepeated = last?.outcome.kind === 'not_done' && last.fingerprint === files.fingerprint;
  return isRepeated ? [restartFailed(situation, last.outcome.failure)] : [];
}

export function restart(situation: SetSituation): Verdict | undefined {
  const { name, broker, files } = situation;
  if (broker?.ok !== true) return undefined;
  return {
    sentence: `the certificates have changed; ${name} is restarted`,
    conditions: failureBefore(situation),
    step: {
      kind: 'restart',
      container: name,
      set: files,
      broker: broker.value,
      signal: signalOf(situation, broker.value),
    },
    pending: true,
  };
}
