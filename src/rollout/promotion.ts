/** Changes the live directory of a two-phase rotation: the counterpart of a rollout to a broker. */

import type { LiveSets } from '../adapters/live-directory/live-directory.ts';
import type { PromotionFailure, PromotionOutcome } from '../core/model/live.ts';
import type { LiveStep, PromoteStep, RollBackStep } from '../core/model/step.ts';

export type PromotionEvent =
  | { readonly kind: 'promoted'; readonly step: PromoteStep }
  | { readonly kind: 'rolled_back'; readonly step: RollBackStep }
  /** the existing set was taken over into the layout, or it was recorded that a broker is well with the live set */
  | { readonly kind: 'recorded' }
  /** the files have changed since the decision: the next look determines how */
  | { readonly kind: 'outdated' }
  | { readonly kind: 'failed'; readonly step: LiveStep; readonly failure: PromotionFailure };

/** Carries out one change, completely or not at all. It never throws. */
export async function changeLiveSets(live: LiveSets, step: LiveStep): Promise<PromotionEvent> {
  const outcome = await carryOut(live, step);
  if (outcome.kind === 'failed') return { ...outcome, step };
  if (outcome.kind === 'outdated') return outcome;
  switch (step.kind) {
    case 'promote':
      return { kind: 'promoted', step };
    case 'roll_back':
      return { kind: 'rolled_back', step };
    default:
      return { kind: 'recorded' };
  }
}

function carryOut(live: LiveSets, step: LiveStep): Promise<PromotionOutcome> {
  switch (step.kind) {
    case 'take_over':
      return live.takeOver();
    case 'promote':
      return live.promote(step.set);
    case 'roll_back':
      return live.rollBack(step.set);
    case 'prove':
      return live.rememberProven();
  }
}
