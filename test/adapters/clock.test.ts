import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/adapters/clock.ts';

const never = new AbortController().signal;

/** Whether the promise is settled by what has happened so far. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  const pending = Symbol();
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('now', () => {
  it('says the time of day', () => {
    const [before, { wallMs }, after] = [Date.now(), systemClock.now(), Date.now()];
    expect([wallMs >= before, wallMs <= after]).toEqual([true, true]);
  });

  it('says a monotonic time that a jump of the time of day does not touch', () => {
    const before = systemClock.now().monoMs;
    vi.spyOn(Date, 'now').mockReturnValueOnce(0);
    const { wallMs, monoMs } = systemClock.now();
    vi.restoreAllMocks();
    expect([wallMs, monoMs >= before]).toEqual([0, true]);
  });
});

describe('sleep', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('lasts as long as it was asked to', async () => {
    const sleep = systemClock.sleep(1_000, never);
    vi.advanceTimersByTime(999);
    const early = await isDone(sleep);
    vi.advanceTimersByTime(1);
    expect([early, await isDone(sleep)]).toEqual([false, true]);
  });

  it('is rounded up, so that whoever wakes is never too early', async () => {
    const sleep = systemClock.sleep(10.1, never);
    vi.advanceTimersByTime(10);
    expect(await isDone(sleep)).toBe(false);
  });

  it.each([0, -1, -1e12])('of %d ms ends with the next turn', async (ms) => {
    const sleep = systemClock.sleep(ms, never);
    vi.advanceTimersByTime(1);
    expect(await isDone(sleep)).toBe(true);
  });

  it.each([2 ** 31, 1e12, Number.POSITIVE_INFINITY])(
    'of %d ms, longer than any timer, does not end at once',
    async (ms) => {
      const sleep = systemClock.sleep(ms, never);
      vi.advanceTimersByTime(86_400_000);
      expect(await isDone(sleep)).toBe(false);
    },
  );

  it('ends at once when it is interrupted', async () => {
    const abort = new AbortController();
    const sleep = systemClock.sleep(1_000, abort.signal);
    abort.abort();
    expect(await isDone(sleep)).toBe(true);
  });

  it('does not begin if it was interrupted before', async () => {
    expect(await isDone(systemClock.sleep(1_000, AbortSignal.abort()))).toBe(true);
  });

  it('leaves no timer behind when it is interrupted', () => {
    const abort = new AbortController();
    void systemClock.sleep(1_000, abort.signal);
    abort.abort();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no listener on the signal', () => {
    const { signal } = new AbortController();
    void systemClock.sleep(1_000, signal);
    vi.advanceTimersByTime(1_000);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
