import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareOf } from '../../src/config/splay.ts';

describe('shareOf', () => {
  it('is always the same for a host', () => {
    expect(shareOf('gateway-0042')).toBe(shareOf('gateway-0042'));
  });

  it('lies in [0, 1) for every name', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(shareOf(name)).toBeGreaterThanOrEqual(0);
        expect(shareOf(name)).toBeLessThan(1);
      }),
    );
  });

  it('spreads a fleet evenly, however alike its names are', () => {
    const tenths = new Array<number>(10).fill(0);
    for (let host = 0; host < 10_000; host++) {
      const tenth = Math.floor(shareOf(`gateway-${host}`) * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(Math.min(...tenths)).toBeGreaterThan(850);
    expect(Math.max(...tenths)).toBeLessThan(1_150);
  });
});
