/** The rest of a long time, for people: one number and its unit, rounded down. */

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

export interface TimeLeft {
  readonly count: number;
  /** `day`, or `days` of several */
  readonly unit: string;
}

/** In the largest unit that fits at least once: 36 hours are 1 day, 90 minutes 1 hour; 0 seconds if nothing is left. */
export function timeLeft(ms: number): TimeLeft {
  const [name, unitMs] = UNITS.find(([, each]) => ms >= each) ?? UNITS[3];
  const count = Math.max(0, Math.floor(ms / unitMs));
  return { count, unit: count === 1 ? name : `${name}s` };
}
