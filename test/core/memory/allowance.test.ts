import { describe, expect, it } from 'vitest';
import { type Allowance, fullAllowance, refilled, spent } from '../../../src/core/memory/allowance.ts';

const RATE = { most: 3, everyMs: 1_000 };

/** What is left after all has been used up at 0, at these moments. */
function leftAt(...moments: number[]): number[] {
  let allowance: Allowance = spent(spent(spent(fullAllowance(RATE, 0))));
  return moments.map((moment) => {
    allowance = refilled(allowance, RATE, moment);
    return allowance.left;
  });
}

describe('an allowance', () => {
  it('is used up by as many as it has', () => {
    expect(leftAt(0)).toEqual([0]);
  });

  it('gains one each time that its time has passed', () => {
    expect(leftAt(999, 1_000, 1_999, 2_000)).toEqual([0, 1, 1, 2]);
  });

  it('gains no more than it can have, however long nothing happens', () => {
    expect(leftAt(1_000_000)).toEqual([3]);
  });

  it('loses no part of a time that is counted in several looks', () => {
    expect(leftAt(600, 1_200, 1_800, 2_400)).toEqual([0, 1, 1, 2]);
  });
});
