/** What to do to the live directory of a two-phase rotation apart from a promotion, and when. */

import { proven, rollBackOf, takeOverAt } from '../judgements/roll-back.ts';
import type { LiveStep } from '../model/step.ts';
import { bridgesSettledAt } from '../news/bridges.ts';
import type { Situation } from '../situation.ts';

/** One step at a time: the directory is looked at again right after it. */
export function liveStepOf(situations: readonly Situation[]): LiveStep | undefined {
  const [first] = situations;
  if (first?.site.live === undefined) return undefined;
  for (const situation of situations) {
    const back = rollBackOf(situation);
    if (back !== undefined) return back;
  }
  const atMonoMs = takeOverAt(first);
  if (atMonoMs !== undefined && atMonoMs <= first.now.monoMs) return { kind: 'take_over' };
  return situations.map(proven).find((step) => step !== undefined);
}

/** Monotonic milliseconds at which something may have changed in the live directory without outside input. */
export function liveTimes(situation: Situation): readonly (number | undefined)[] {
  const { site, now } = situation;
  if (site.live === undefined) return [];
  const { files } = site.live.seen;
  return [
    takeOverAt(situation),
    site.live.failed?.askAgainMonoMs,
    files.kind === 'complete' ? now.monoMs + (files.leaf.notAfterMs - now.wallMs) : undefined,
    bridgesSettledAt(situation),
  ];
}
