/** Tests that measure how long something takes. */

import { describe } from 'vitest';
import { type Need, skipped } from './needs.ts';

/**
 * Options of tests that measure how long something takes. Other work of the machine can delay one attempt by more than
 * the bound; what is too slow in three attempts is too slow.
 */
export const MEASURED = { retry: 2 } as const;

/** A group of tests that measure: one after the other, beside no other test of the file. Skipped, and says why, if it must be. */
export function describeMeasured(need: Need, title: string, body: () => void): void {
  describe.skipIf(!need.ok)(`${title}${skipped(need)}`, MEASURED, body);
}
