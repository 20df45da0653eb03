/** When to search for other watchers of the same broker. */

import { YIELD_LOOK_MS } from '../judgements/rivals.ts';
import type { LookAroundStep } from '../model/step.ts';
import type { Situation } from '../situation.ts';
import { preparationAt } from './broker-look.ts';
import type { Reason } from './diagram.ts';
import type { Judged } from './judge.ts';

/** During a long wait, another watcher may start: the search is repeated after this time. */
const AROUND_MS = 60_000;

/** Verdicts that end at a known moment, which is the same for all watchers. */
const ENDS_BY_ITSELF: ReadonlySet<Reason> = new Set([
  'not_stable',
  'in_cooldown',
  'outside_window',
  'restart_splayed',
]);

/** Whether a search is due now, or the monotonic milliseconds of the next; neither if none is scheduled. */
export interface LookAroundDue {
  readonly step?: LookAroundStep;
  readonly atMonoMs?: number;
}

/**
 * Whether a search is due: once for a changed set while it waits, so that the search does not delay the restart;
 * repeatedly during a long wait, and at each look while another watcher goes first.
 */
export function lookAroundDue(
  situation: Situation,
  { pending, reason }: Pick<Judged, 'pending' | 'reason'>,
): LookAroundDue {
  const { now, files, site, settings } = situation;
  const { watchers } = site;
  const isOfUse = pending === true && settings.restartEnabled && settings.target.kind !== 'service';
  if (!isOfUse || files.kind !== 'complete' || watchers?.running === true) return {};
  const atMonoMs =
    watchers?.identity === files.identity && watchers.atMonoMs !== undefined
      ? watchers.atMonoMs + pauseBetweenLooks(reason)
      : preparationAt(situation);
  if (now.monoMs < atMonoMs) return { atMonoMs };
  return { step: { kind: 'look_around', identity: files.identity } };
}

function pauseBetweenLooks(reason: Reason): number {
  if (reason === 'another_watcher') return YIELD_LOOK_MS;
  return ENDS_BY_ITSELF.has(reason) ? AROUND_MS : Number.POSITIVE_INFINITY;
}
