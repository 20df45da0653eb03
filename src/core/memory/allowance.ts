/** A rate limit: a burst of a few, and then one per interval. */

export interface Rate {
  /** size of the burst */
  readonly most: number;
  /** interval after which one more is allowed */
  readonly everyMs: number;
}

export interface Allowance {
  readonly left: number;
  /** monotonic milliseconds from which the interval to the next one is counted */
  readonly sinceMonoMs: number;
}

export function fullAllowance({ most }: Rate, nowMonoMs: number): Allowance {
  return { left: most, sinceMonoMs: nowMonoMs };
}

/** The allowance, with what has accrued by now. */
export function refilled(
  { left, sinceMonoMs }: Allowance,
  { most, everyMs }: Rate,
  nowMonoMs: number,
): Allowance {
  const gained = Math.floor((nowMonoMs - sinceMonoMs) / everyMs);
  if (left + gained >= most) return { left: most, sinceMonoMs: nowMonoMs };
  return { left: left + gained, sinceMonoMs: sinceMonoMs + gained * everyMs };
}

/** The allowance reduced by one; there has to be one left. */
export function spent({ left, sinceMonoMs }: Allowance): Allowance {
  return { left: left - 1, sinceMonoMs };
}
