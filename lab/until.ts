/** Waiting for an effect instead of sleeping: every wait has a deadline and says what it waited for. */

import { setTimeout as sleep } from 'node:timers/promises';

export interface Patience {
  /** 45 s unless told: a machine that is busy with other tests starts a program in several seconds */
  readonly withinMs?: number;
  /** 20 ms unless told */
  readonly everyMs?: number;
  /** what to show beside the failure: a log, what was seen instead */
  readonly otherwise?: () => string;
}

/** Looks again and again until there is something to return; throws at the deadline. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { withinMs = 45_000, everyMs = 20, otherwise }: Patience = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() >= deadline) {
      const instead = otherwise === undefined ? '' : `\n${otherwise()}`;
      throw new Error(`waited ${withinMs / 1_000} s in vain for ${what}${instead}`);
    }
    await sleep(everyMs);
  }
}

/** Lets time pass in which nothing may happen; `why` explains the length to the reader. */
export async function quietly(ms: number, _why: string): Promise<void> {
  await sleep(ms);
}
