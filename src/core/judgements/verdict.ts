/** What a judgement returns where a walk through the diagram ends; the reason and the boxes come from the diagram. */

import type { BrokerStep, PromoteStep } from '../model/step.ts';
import type { Condition } from '../news/condition.ts';

export interface Verdict {
  /** in one sentence, for people */
  readonly sentence: string;
  readonly conditions?: readonly Condition[];
  readonly step?: BrokerStep | PromoteStep;
  /** the files are being written at this moment: what held before still counts as reported */
  readonly transient?: boolean;
  /** a changed set is waiting to be applied */
  readonly pending?: boolean;
  /** monotonic milliseconds at which the verdict may change without outside input */
  readonly untilMonoMs?: number | undefined;
}

/** Returns a verdict, or undefined to let the walk continue. */
export type Judgement<Situation> = (situation: Situation) => Verdict | undefined;
