/** What the loop hands to the surfaces: one value per cycle, and one for each action. */

import type { Decision } from '../decision/decide.ts';
import type { RestartOutcome } from '../model/broker.ts';
import type { ProbeVerdict } from '../model/probe.ts';
import type { Saying } from '../news/announce.ts';
import type { Announcement } from '../news/events.ts';
import type { Situation } from '../situation.ts';

/** An action that was taken, as a value to count and to draw. */
export type Fact =
  | { readonly kind: 'restart_asked' }
  /** it is not made after all */
  | { readonly kind: 'restart_dropped' }
  | { readonly kind: 'restart_ended'; readonly container: string; readonly outcome: RestartOutcome }
  | { readonly kind: 'reload_ended'; readonly container: string; readonly proven: boolean }
  | { readonly kind: 'promotion_ended'; readonly result: PromotionResult }
  | { readonly kind: 'probe_ended'; readonly verdict: ProbeVerdict };

/** The outcome for a set in a two-phase rotation. */
export const PROMOTION_RESULTS = ['promoted', 'failed', 'rolled_back'] as const;
export type PromotionResult = (typeof PROMOTION_RESULTS)[number];

/** A decision, and the situation of every broker in restart order. */
export interface Cycle {
  readonly decision: Decision;
  readonly situations: readonly Situation[];
}

/** One cycle, or one action in it, with what is to be reported about it. */
export interface Publication {
  readonly wallMs: number;
  readonly say: readonly (Saying | Announcement)[];
  /** present once per cycle, with what the decision is based on */
  readonly cycle?: Cycle;
  readonly fact?: Fact;
}
