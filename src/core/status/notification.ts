/** Which notifications are due: they follow from the assessment and from what was sent before. Pure. */

import type { Moment } from '../model/files.ts';
import type { NotifyLevel } from '../model/settings.ts';
import type { Part } from '../news/events.ts';
import type { Finding } from './assess.ts';
import { assessmentAt } from './liveness.ts';
import type { Snapshot } from './snapshot.ts';

/** What a receiver was last notified of. */
export type Told = { readonly level: 'ok' } | ToldProblem;

export interface ToldProblem {
  readonly level: NotifyLevel;
  readonly cause: Finding['cause'];
  readonly about: Part;
  readonly sentence: string;
  /** since when there has been this problem, wall clock */
  readonly sinceMs: number;
  /** causes that have been notified since all was well, this one among them; the newest last */
  readonly causes: readonly string[];
}

/** Something to send once: a problem that is new or worse, or that all is well again. */
export interface Notification {
  readonly now: Told;
  /** what was notified before it */
  readonly before: Told;
  /** the overall state; below the level that is notified, a warning counts as no problem, too */
  readonly status: 'ok' | NotifyLevel;
  readonly sentence: string;
  /** what to try */
  readonly advice: string;
  readonly atMs: number;
}

/** A receiver that was never notified assumes that all is well. */
export const TOLD_NOTHING: Told = { level: 'ok' };

const RANK = { ok: 0, warning: 1, critical: 2 } as const;

/** No more causes than these are expected to alternate. */
export const KEPT_CAUSES = 16;

/**
 * Whether a watcher that has just started has not looked yet at what its predecessor reported: that no problem has been
 * found does not mean that it is over.
 */
export function isStillUnknown(told: Told, { settings, lastProbe, brokers }: Snapshot): boolean {
  if (told.level === 'ok') return false;
  switch (told.about) {
    case 'certificates':
    case 'upstream':
      return settings.probeEnabled && settings.upstream !== undefined && lastProbe === undefined;
    case 'broker':
      // without metrics the broker is inspected only when a decision depends on it
      return settings.metricsEnabled && brokers.some((broker) => !broker.seen && !broker.engineFailure);
    case 'bridge':
      return settings.brokerUrls.length > 0 && brokers.some(({ bridges }) => bridges === undefined);
    case 'watcher':
      return false;
  }
}

/**
 * The notification that is due at this moment; undefined if there is none. One is due when the level rises, when a
 * problem gets a cause that has not been notified since all was well, and when no problem of `least` or worse is left.
 * A lower level is not notified, nor is a recurring cause: two that alternate would raise the alarm every minute.
 */
export function notificationDue(
  told: Told,
  snapshot: Snapshot,
  least: NotifyLevel,
  now: Moment,
): Notification | undefined {
  const { level, sentence, advice, findings } = assessmentAt(snapshot, now);
  // nothing has been observed yet
  if (level === 'unknown') return undefined;
  const due = (next: Told) => ({
    now: next,
    before: told,
    status: level,
    sentence,
    advice,
    atMs: now.wallMs,
  });
  const [worst] = findings;
  if (worst === undefined || RANK[worst.level] < RANK[least]) {
    return told.level === 'ok' ? undefined : due({ level: 'ok' });
  }
  const { cause, about } = worst;
  const causes = told.level === 'ok' ? [] : told.causes;
  const isWorse = RANK[worst.level] > RANK[told.level];
  if (!isWorse && causes.includes(cause)) return undefined;
  const sinceMs = told.level !== 'ok' && told.cause === cause ? told.sinceMs : now.wallMs;
  const known = [...causes.filter((each) => each !== cause), cause].slice(-KEPT_CAUSES);
  return due({ level: worst.level, cause, about, sentence, sinceMs, causes: known });
}
