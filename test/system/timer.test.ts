import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LONGEST_TIMER_MS, startTimer } from '../../src/system/timer.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a timer', () => {
  it.each([
    [0, 0],
    [-5, 0],
    [0.2, 1],
    [1_500, 1_500],
    [LONGEST_TIMER_MS, LONGEST_TIMER_MS],
    [LONGEST_TIMER_MS + 1, LONGEST_TIMER_MS],
    [Number.POSITIVE_INFINITY, LONGEST_TIMER_MS],
  ])('of %d ms fires after %d ms, and not before', (ms, expected) => {
    const fire = vi.fn();
    startTimer(fire, ms);
    if (expected > 0) vi.advanceTimersByTime(expected - 1);
    if (expected > 0) expect(fire).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fire).toHaveBeenCalledTimes(1);
  });
});
