/** The clock that cannot be set. */

/**
 * Milliseconds with fractions since some moment before the start, CLOCK_MONOTONIC of clock_gettime(2).
 * `performance.now()` returns the same, but also loads all the code for performance measurement.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}
