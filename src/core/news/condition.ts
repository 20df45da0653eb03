/** A state that currently holds and is worth reporting, as opposed to an action that has just been taken. */

import type { Announcement, Details, EventName } from './events.ts';

/**
 * Reported when it begins and when `subject` changes; `details`, `message` and `hint` may change freely. `about`
 * distinguishes two conditions of one event.
 */
export interface Condition {
  readonly event: EventName;
  readonly about?: string;
  readonly subject: string;
  readonly details: Details;
  /** one sentence for people; the few events without one get theirs from their details */
  readonly message?: string;
  /** what to try */
  readonly hint?: string | undefined;
}

/** A condition with one sentence that describes it. */
export type Statement = Condition & { readonly message: string };

/** The condition as a log line: its sentence and hint come last. */
export function announcementOf({ event, details, message, hint }: Condition): Announcement {
  return {
    event,
    details: {
      ...details,
      ...(message !== undefined && { message }),
      ...(hint !== undefined && { hint }),
    },
  };
}
