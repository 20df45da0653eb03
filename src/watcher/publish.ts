/** What the loop publishes: the only caller of `parts.publish`. */

import type { Clock } from '../adapters/clock.ts';
import type { Decision } from '../core/decision/decide.ts';
import { announce, type SaidConditions } from '../core/news/announce.ts';
import type { Condition } from '../core/news/condition.ts';
import type { Announcement } from '../core/news/events.ts';
import type { Situation } from '../core/situation.ts';
import type { Cycle, Fact, Publication } from '../core/status/cycle.ts';
import { messageOf } from '../system/errors.ts';

export type Publish = (publication: Publication) => void;

export interface Publisher {
  /** Publishes a cycle, with those of its conditions that are new. */
  publishCycle(
    situations: readonly Situation[],
    decision: Decision,
    degradations: readonly Condition[],
  ): void;
  /** Publishes something that was done. */
  publishFact(announcements: readonly Announcement[], fact?: Fact): void;
  /** Publishes what was wrong before the first cycle. */
  publishDegradations(degradations: readonly Condition[]): void;
  /** Publishes that a cycle has ended in an unexpected error. */
  publishFailure(error: unknown, degradations: readonly Condition[]): void;
}

export function createPublisher(publish: Publish, clock: Clock): Publisher {
  let said: SaidConditions = new Map();
  let conditions: readonly Condition[] = [];

  function publishConditions(current: readonly Condition[], cycle?: Cycle) {
    const { wallMs, monoMs } = clock.now();
    const announced = announce(said, current, monoMs);
    said = announced.said;
    publish({ wallMs, say: announced.say, ...(cycle && { cycle }) });
  }

  return {
    publishCycle(situations, decision, degradations) {
      // while files are being written, what held before still counts as reported
      conditions = decision.transient ? conditions : decision.conditions;
      publishConditions([...conditions, ...degradations], { decision, situations });
    },

    publishDegradations(degradations) {
      publishConditions(degradations);
    },

    publishFact(announcements, fact) {
      publish({ wallMs: clock.now().wallMs, say: announcements, ...(fact && { fact }) });
    },

    publishFailure(error, degradations) {
      const message = messageOf(error);
      const hint = 'the watcher continues; if this persists, please report it and include this line';
      const failed: Condition = { event: 'cycle_failed', subject: message, details: {}, message, hint };
      publishConditions([...conditions, failed, ...degradations]);
    },
  };
}
