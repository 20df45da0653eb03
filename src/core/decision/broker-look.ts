/** When a broker is looked at although no rotation depends on it. */

import { isSteady } from '../model/broker.ts';
import { comparesSetsAt, isComparedAt } from '../model/settings.ts';
import { earlyLookAt, type Situation, startLookAt } from '../situation.ts';

/** A broker that is well is looked at this often if its state is displayed, any other more often. */
const LOOK_MS = 60_000;
const CLOSER_LOOK_MS = 10_000;

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
