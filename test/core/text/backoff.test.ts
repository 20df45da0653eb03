import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../../src/core/text/backoff.ts';

describe('the pause after a failure', () => {
  it('begins with the first and doubles up to the longest', () => {
    expect([1, 2, 3, 4, 5].map((failures) => backoffMs(failures, 5, 30))).toEqual([5, 10, 20, 30, 30]);
  });

  it('is never shorter than the first', () => {
    expect(backoffMs(3, 5, 1)).toBe(5);
  });

  it('stays the longest however often it fails', () => {
    expect(backoffMs(10_000, 5, 300)).toBe(300);
  });
});
