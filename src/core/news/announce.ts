/** Decides which conditions are worth a log line now: an uneventful day produces a quiet log. */

import { announcementOf, type Condition } from './condition.ts';
import { type Announcement, EVENTS, type EventName } from './events.ts';

/** A problem that persists is reported again after this time. */
export const REPEAT_MS = 3_600_000;

interface Said {
  readonly subject: string;
  readonly atMonoMs: number;
}

/** What has been reported of the conditions that still hold. */
export type SaidConditions = ReadonlyMap<string, Said>;

export interface Saying extends Announcement {
  /** the condition has just begun or changed; false: a reminder of an old one */
  readonly isNew: boolean;
}

/**
 * Compares the conditions that hold now with those already reported. New and changed ones are due; warnings and errors
 * that persist are due again every {@link REPEAT_MS}. A condition that no longer holds is forgotten, so it is reported
 * again when it returns.
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
    if (due) say.push({ ...announcementOf(condition), isNew });
    next.set(key, before === undefined || due ? { subject: condition.subject, atMonoMs: nowMonoMs } : before);
  }
  return { say, said: next };
}

function isProblem(event: EventName): boolean {
  const { level } = EVENTS[event];
  return level === 'warn' || level === 'error';
}
