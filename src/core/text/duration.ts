/** Durations as Go writes them (`time.ParseDuration`, `time.Duration.String`), in milliseconds. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, the micro sign
  μs: 1e-3, // U+03BC, the Greek letter
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const TERM = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;

/** Go's time.Duration is an int64 of nanoseconds. */
const MAX_MS = 2 ** 63 / 1e6;

/** Milliseconds of a Go duration such as `300ms`, `1m30s`, `1.5h` or `0`; undefined if it is not one. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const unsigned = text.replace(/^[+-]/, '');
  if (unsigned === '0') return 0;
  if (unsigned === '') return undefined;
  let total = 0;
  TERM.lastIndex = 0;
  while (TERM.lastIndex < unsigned.length) {
    const term = TERM.exec(unsigned);
    if (term === null) return undefined;
    total += Number(term[1]) * (UNIT_MS[term[2] ?? ''] ?? Number.NaN);
  }
  return total < MAX_MS ? sign * total : undefined;
}

/** A time limit in a sentence: `8 s`, `0.25 s`; to the hundredth, because what is left of one may be any number. */
export function formatSeconds(ms: number): string {
  return `${Number((ms / 1_000).toFixed(2))} s`;
}

/** A duration for people: `0s`, `300ms`, `10s`, `1m30s`, `26h0m0s`; never negative, rounded to a useful precision. */
export function formatDuration(ms: number): string {
  if (ms <= 0) return '0s';
  if (ms < 1_000) return `${Math.max(1, Math.round(ms))}ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))}s`;
  const seconds = Math.round(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours}h${minutes % 60}m${seconds % 60}s` : `${minutes}m${seconds % 60}s`;
}
