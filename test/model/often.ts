/** A window for restarts that comes often enough for a history of minutes. */

import type { RestartWindow } from '../../src/core/model/calendar.ts';

const MINUTE_MS = 60_000;
const OPEN_MINUTES = 4;
const EVERY_MINUTES = 10;

/** So long after any moment it has been open. */
export const OFTEN_MS = EVERY_MINUTES * MINUTE_MS;

export const OFTEN: RestartWindow = {
  text: 'the first four minutes of every ten',
  timeZone: 'UTC',
  rules: Array.from({ length: 1_440 / EVERY_MINUTES }, (_, index) => ({
    days: [0, 1, 2, 3, 4, 5, 6],
    fromMinute: index * EVERY_MINUTES,
    toMinute: index * EVERY_MINUTES + OPEN_MINUTES,
  })),
};

/** A call that is decided on in the last moment of a window comes a little later. */
const ON_ITS_WAY_MS = 1_000;

/**
 * Whether a call at this time of a world, which begins at noon, was allowed by {@link OFTEN}. Clocks of histories jump by
 * whole hours, which changes nothing.
 */
export function isAllowed(atMs: number): boolean {
  return [atMs, atMs - ON_ITS_WAY_MS].some((ms) => (ms / MINUTE_MS) % EVERY_MINUTES < OPEN_MINUTES);
}
