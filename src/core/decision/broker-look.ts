/** When a broker is looked at: because a decision depends on it, to prepare one, or for display. */

import { isSteady } from '../model/broker.ts';
import { wasRolledBack } from '../model/live.ts';
import { comparesSetsAt, isComparedAt } from '../model/settings.ts';
import {
  acceptedSituation,
  quietSince,
  type Situation,
  setSituation,
  stableAt,
  startLookAt,
} from '../situation.ts';

/** A broker that is well is looked at this often if its state is displayed, any other more often. */
const LOOK_MS = 60_000;
const CLOSER_LOOK_MS = 10_000;

/**
 * Whether the engine has to be asked about the broker before a decision: a valid, stable set that the broker may not
 * have loaded, and no failure of the engine whose pause has not ended yet.
 */
export function brokerIsInQuestion(situation: Situation): boolean {
  const accepted = acceptedSituation(situation);
  return isInQuestion(situation) || (accepted !== undefined && isInQuestion(accepted));
}

function isInQuestion(situation: Situation): boolean {
  const { now, files, site, memory } = situation;
  if (stableAt(situation) > now.monoMs || !isInDoubt(situation)) return false;
  const last = memory.standing;
  const isTimeToAsk = now.monoMs >= (last?.askAgainMonoMs ?? 0) || site.requests.look;
  return last === undefined || last.identity !== files.identity || isTimeToAsk;
}

/** Whether the files are a valid set that the broker may not have loaded, stable or not. */
function isInDoubt(situation: Situation): boolean {
  const { now, files, site, memory } = situation;
  if (files.kind !== 'complete') return false;
  const { isChanged, isToBePromoted } = setSituation(situation, files);
  if (isToBePromoted && site.live !== undefined && wasRolledBack(site.live.seen, files)) return false;
  const isValid =
    files.sets !== undefined || (files.leaf.notBeforeMs <= now.wallMs && now.wallMs < files.leaf.notAfterMs);
  return isValid && (isChanged || memory.divergedAtMs !== undefined || memory.stoppedByUs !== undefined);
}

/** Monotonic milliseconds, early in the stability window, at which what its end needs is prepared. */
export function preparationAt(situation: Situation): number {
  return quietSince(situation) + Math.min(1_000, situation.settings.stabilityWindowMs / 10);
}

/**
 * Monotonic milliseconds of a look at the broker early in the stability window of a set that it may not have loaded;
 * undefined: none is due, or it has been looked at since the files changed. The runtime gives up the code of what has not
 * run for long. What asks the engine is compiled again by this look, and so does not delay the one that the window ends
 * with; and a broker that does not run is known to be down before that.
 */
export function earlyLookAt(situation: Situation): number | undefined {
  const { now, memory } = situation;
  if (stableAt(situation) <= now.monoMs || !isInDoubt(situation)) return undefined;
  const isLookedAt = memory.lastAnswer !== undefined && memory.lastAnswer.at.monoMs >= quietSince(situation);
  return isLookedAt ? undefined : preparationAt(situation);
}

/**
 * Whether the broker should be looked at again although no rotation depends on it: after a restart, early in the
 * stability window, and when its state is displayed.
 */
export function isDueForLook(view: Situation): boolean {
  const { now, site, memory, settings } = view;
  const startLookMonoMs = startLookAt(view);
  if (startLookMonoMs !== undefined) return now.monoMs >= startLookMonoMs;
  if (isEarlyLookDue(view)) return true;
  const isShown = settings.metricsEnabled || settings.statusTopic !== undefined || hasListener(view);
  if (!isShown && !isBeingProven(view)) return false;
  if (memory.lastAnswer === undefined || site.requests.look) return true;
  const { answer, at } = memory.lastAnswer;
  const isCalm = answer.ok && isSteady(answer.value, at.wallMs);
  return now.monoMs >= at.monoMs + (isCalm ? LOOK_MS : CLOSER_LOOK_MS);
}

/**
 * Whether its listeners are looked at too, which shows in the broker's log: not early in the stability window. Those of
 * several sets may be many: the first time that a decision about these files depends on it they are, and then at
 * intervals.
 */
export function areListenersDue(view: Situation, isInQuestion: boolean): boolean {
  const { now, files, site, memory } = view;
  const { presentedBy, standing } = memory;
  if (!isInQuestion && isEarlyLookDue(view)) return false;
  if (presentedBy === undefined || site.requests.look) return true;
  if (isInQuestion && standing?.identity !== files.identity) return true;
  return now.monoMs >= presentedBy.at.monoMs + CLOSER_LOOK_MS;
}

function isEarlyLookDue(view: Situation): boolean {
  return view.now.monoMs >= (earlyLookAt(view) ?? Number.POSITIVE_INFINITY);
}

/** What a listener of it presents is compared with a set. */
function hasListener({ settings, name, files }: Situation): boolean {
  if (isComparedAt(settings, name)) return true;
  return (
    comparesSetsAt(settings, name) && files.sets?.some(({ listensAt }) => listensAt !== undefined) === true
  );
}

/** It runs with a set that was promoted, and no broker has been seen to be well with that set yet. */
function isBeingProven({ site, memory }: Situation): boolean {
  if (site.live === undefined) return false;
  const { files, edition, isProven } = site.live.seen;
  if (edition === undefined || isProven || files.kind !== 'complete') return false;
  return memory.applied?.fingerprint === files.fingerprint;
}
