/** Pauses between attempts that fail. */

/**
 * Milliseconds to wait after the `failures`-th failure in a row (1 or more): `firstMs`, doubled with each further
 * failure, never more than `longestMs`. A `longestMs` below `firstMs` counts as `firstMs`.
 */
export function backoffMs(failures: number, firstMs: number, longestMs: number): number {
  // beyond 2^30 no pause of this program is shorter than its longest
  return Math.min(firstMs * 2 ** Math.min(failures - 1, 30), Math.max(firstMs, longestMs));
}
