/** Time spans as systemd prints them: `1min 30s`. systemd.time(7) */

const UNIT_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
};

/** Milliseconds; undefined for `infinity` and for what is no span. */
export function parseTimeSpan(text: string): number | undefined {
  const words = text.split(' ');
  const parts = words.map((word) => {
    const [, count = '', unit = ''] = /^(\d+(?:\.\d+)?)(us|ms|s|min|h|d|w|month|y)$/.exec(word) ?? [];
    return count === '' ? Number.NaN : Number(count) * (UNIT_MS[unit] ?? Number.NaN);
  });
  const sum = text === '0' ? 0 : parts.reduce((total, ms) => total + ms, 0);
  return Number.isNaN(sum) ? undefined : sum;
}
