/** Decides which conditions are worth a line now: a quiet day is a quiet log. */

import { type Announcement, type Condition, EVENTS, type EventName } from './events.ts';

/** A problem that stays is said again after this time. */
export const REPEAT_MS = 3_600_000;

interface Said {
  readonly subject: string;
  readonly atMonoMs: number;
}

/** What has been said of the conditions that still hold. */
export type SaidConditions = ReadonlyMap<string, Said>;

export interface Saying extends Announcement {
  /** the condition has just begun or changed, as against a reminder of an old one */
  readonly isNew: boolean;
}

/**
 * Compares the conditions that hold now with those already said. New and changed ones are to be said;
 * warnings and errors that stay are to be said again every {@link REPEAT_MS}. What no longer holds is
 * forgotten, so it is news when it comes back.
 */
export function announce(
  said: SaidConditions,
  conditions: readonly Condition[],
  nowMonoMs: number,
): { readonly say: readonly Saying[]; readonly said: SaidConditions } {
  const say: Saying[] = [];
  const next = new Map<string, Said>();
  for (const condition of conditions) {
    const key = `${condition.event} ${condition.about ?? ''}`;
    const before = said.get(key);
    const isNew = before?.subject !== condition.subject;
    const due = isNew || (isProblem(condition.event) && nowMonoMs - before.atMonoMs >= REPEAT_MS);
    if (due) say.push({ event: condition.event, details: condition.details, isNew });
    next.set(key, before === undefined || due ? { subject: condition.subject, atMonoMs: nowMonoMs } : before);
  }
  return { say, said: next };
}

function isProblem(event: EventName): boolean {
  const { level } = EVENTS[event];
  return level === 'warn' || level === 'error';
}
