/** Changes the live directory of a two-phase rotation, and remembers and publishes the outcome. */

import type { Clock } from '../adapters/clock.ts';
import type { LiveSets } from '../adapters/live-directory/live-directory.ts';
import * as memories from '../core/memory/live.ts';
import type { Settings } from '../core/model/settings.ts';
import type { LiveStep } from '../core/model/step.ts';
import { setPromoted, setRolledBack } from '../core/news/live.ts';
import { changeLiveSets, type PromotionEvent } from '../rollout/promotion.ts';
import type { Publisher } from './publish.ts';
import type { State } from './state.ts';

export interface PromoterParts {
  readonly settings: Settings;
  readonly clock: Clock;
  /** undefined: the agent writes to the live directory itself */
  readonly liveSets?: LiveSets | undefined;
}

export interface Promoter {
  /** Resolves with the monotonic moment at which to look again, if the live directory has been changed. */
  carryOut(step: LiveStep): Promise<number | undefined>;
}

export function createPromoter(
  { settings, clock, liveSets }: PromoterParts,
  state: State,
  publisher: Publisher,
): Promoter {
  async function record(event: PromotionEvent): Promise<number | undefined> {
    const now = clock.now();
    switch (event.kind) {
      case 'promoted': {
        const { set } = event.step;
        state.rememberSite(memories.rememberPromotionSuccess);
        for (const broker of state.brokers()) broker.memory = memories.rememberPromoted(broker.memory, set);
        publisher.publishFact([setPromoted(event.step)], { kind: 'promotion_ended', result: 'promoted' });
        await state.save();
        return now.monoMs;
      }
      case 'rolled_back':
        state.rememberSite(memories.rememberPromotionSuccess);
        for (const broker of state.brokers()) broker.memory = memories.rememberRolledBack(broker.memory);
        publisher.publishFact([setRolledBack(event.step)], {
          kind: 'promotion_ended',
          result: 'rolled_back',
        });
        await state.save();
        return now.monoMs;
      case 'recorded':
        return now.monoMs;
      case 'outdated':
        return undefined;
      case 'failed':
        state.rememberSite((site) => memories.rememberPromotionFailure(site, event.failure, now, settings));
        // a change that is only recorded is no promotion
        if (event.step.kind === 'promote' || event.step.kind === 'roll_back')
          publisher.publishFact([], { kind: 'promotion_ended', result: 'failed' });
        return now.monoMs;
    }
  }

  return {
    carryOut: async (step) =>
      liveSets === undefined ? undefined : record(await changeLiveSets(liveSets, step)),
  };
}
