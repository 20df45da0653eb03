import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { createWake } from '../../src/watcher/wake.ts';

/** A wake, and a way to say how many milliseconds a sleep of it took. */
function fixture() {
  const clock = createFakeClock();
  const wake = createWake(clock);
  const stop = new AbortController();
  const startMs = clock.now().monoMs;
  const woken: number[] = [];
  const sleep = (atMs: number, earliestMs: number) => {
    const slept = wake.sleepUntil(startMs + atMs, startMs + earliestMs, stop.signal);
    return slept.then(() => woken.push(clock.elapsedMs()));
  };
  return { clock, wake, stop, sleep, woken };
}

describe('sleepUntil', () => {
  it('ends at its moment, and not before', async () => {
    const { clock, sleep, woken } = fixture();
    void sleep(5_000, 100);
    await clock.advance(4_999);
    const early = [...woken];
    await clock.advance(1);
    expect([early, woken]).toEqual([[], [5_000]]);
  });

  it('starts one timer where nothing happens: each wakes the whole process', async () => {
    const { clock, sleep } = fixture();
    const started = vi.spyOn(clock, 'sleep');
    void sleep(5_000, 100);
    await clock.advance(10_000);
    expect(started).toHaveBeenCalledTimes(1);
  });

  it('ends with a hint', async () => {
    const { clock, wake, sleep, woken } = fixture();
    void sleep(5_000, 100);
    await clock.advance(1_234);
    wake.hint();
    await clock.advance(10_000);
    expect(woken).toEqual([1_234]);
  });

  it('hears a hint that comes too soon at the earliest moment', async () => {
    const { clock, wake, sleep, woken } = fixture();
    void sleep(5_000, 100);
    await clock.advance(1);
    wake.hint();
    await clock.advance(10_000);
    expect(woken).toEqual([100]);
  });

  it('hears a hint from before it began', async () => {
    const { clock, wake, sleep, woken } = fixture();
    wake.hint();
    void sleep(5_000, 100);
    await clock.advance(10_000);
    expect(woken).toEqual([100]);
  });

  it('takes many hints for one', async () => {
    const { clock, wake, sleep, woken } = fixture();
    for (let times = 0; times < 10; times++) wake.hint();
    void sleep(1_000, 100).then(() => sleep(2_000, 200));
    await clock.advance(10_000);
    expect(woken).toEqual([100, 2_000]);
  });

  it('keeps a hint for the next sleep that comes between two', async () => {
    const { clock, wake, sleep, woken } = fixture();
    await Promise.all([sleep(1_000, 100), clock.advance(1_000)]);
    wake.hint();
    void sleep(5_000, 1_100);
    await clock.advance(10_000);
    expect(woken).toEqual([1_000, 1_100]);
  });

  it('does not take a hint that it has heard for another', async () => {
    const { clock, wake, sleep, woken } = fixture();
    void sleep(1_000, 100).then(() => sleep(5_000, 300));
    await clock.advance(200);
    wake.hint();
    await clock.advance(10_000);
    expect(woken).toEqual([200, 5_000]);
  });

  it('ends at its moment also if that lies before the earliest moment for a hint', async () => {
    const { clock, sleep, woken } = fixture();
    void sleep(50, 100);
    await clock.advance(10_000);
    expect(woken).toEqual([50]);
  });

  it('of a moment that has passed ends at once', async () => {
    const { clock, sleep, woken } = fixture();
    void sleep(-5_000, 100);
    await clock.advance(0);
    expect(woken).toEqual([0]);
  });

  it.each([
    ['before a hint may be heard', 50],
    ['later', 2_000],
  ])('ends at once when it is told to stop: %s', async (_, ms) => {
    const { clock, stop, sleep, woken } = fixture();
    void sleep(5_000, 100);
    await clock.advance(ms);
    stop.abort();
    await clock.advance(10_000);
    expect(woken).toEqual([ms]);
  });

  it('does not begin after it was told to stop', async () => {
    const { clock, stop, sleep, woken } = fixture();
    stop.abort();
    void sleep(5_000, 100);
    await clock.advance(0);
    expect(woken).toEqual([0]);
  });

  it('leaves no listener on the signal, however often it sleeps', async () => {
    const { clock, stop, sleep } = fixture();
    for (let times = 1; times <= 20; times++) {
      await Promise.all([sleep(times * 1_000, 100), clock.advance(1_000)]);
    }
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });
});
