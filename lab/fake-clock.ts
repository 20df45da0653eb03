/**
 * A clock that only the test moves. `advance` wakes sleepers one by one in the order of their time, and lets
 * everything that follows from each of them happen before time goes on.
 *
 *     const clock = createFakeClock();
 *     const slept = clock.sleep(10_000, signal);
 *     await clock.advance(9_999); // still asleep
 *     await clock.advance(1); // awake
 */

import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../src/adapters/clock.ts';
import type { Moment } from '../src/core/model/files.ts';
import { at } from './core-fixtures.ts';

export interface FakeClock extends Clock {
  /** Lets `ms` pass on both clocks, waking on the way whoever's time has come. */
  advance(ms: number): Promise<void>;
  /** Lets time pass only as far as the next sleeper, and wakes it. Nothing happens if nobody sleeps. */
  advanceToNext(): Promise<void>;
  /** Sets the wall clock forward or back; the monotonic clock and the sleepers do not notice. */
  jumpWall(ms: number): void;
  /** Milliseconds that have passed on the monotonic clock since the clock was made. */
  elapsedMs(): number;
  /** The moments of the monotonic clock at which the present sleepers wake, earliest first. */
  wakeTimes(): readonly number[];
}

export interface FakeClockOptions {
  /** `at(0)` of core-fixtures unless told */
  readonly start?: Moment;
  /**
   * Lets happen what follows from a sleeper's waking. One turn of the event loop unless told, which is enough
   * for any chain of promises; whoever works with real files or sockets has to wait for those here.
   */
  readonly settle?: () => Promise<unknown>;
}

interface Sleeper {
  readonly atMonoMs: number;
  readonly wake: () => void;
}

/** So many sleepers in a row without time passing are a loop that never sleeps. */
const SPIN_LIMIT = 10_000;

export function createFakeClock({
  start = at(0),
  settle = () => setImmediate(),
}: FakeClockOptions = {}): FakeClock {
  let { wallMs, monoMs } = start;
  // in the order in which they went to sleep
  const sleepers = new Set<Sleeper>();

  function next(): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (earliest === undefined || sleeper.atMonoMs < earliest.atMonoMs) earliest = sleeper;
    }
    return earliest;
  }

  function moveTo(atMonoMs: number) {
    const passed = Math.max(0, atMonoMs - monoMs);
    monoMs += passed;
    wallMs += passed;
  }

  async function runUntil(endMonoMs: number): Promise<void> {
    let wokenInPlace = 0;
    await settle();
    for (let sleeper = next(); sleeper !== undefined && sleeper.atMonoMs <= endMonoMs; sleeper = next()) {
      wokenInPlace = sleeper.atMonoMs > monoMs ? 0 : wokenInPlace + 1;
      if (wokenInPlace > SPIN_LIMIT) throw new Error('something sleeps for no time at all, again and again');
      moveTo(sleeper.atMonoMs);
      sleeper.wake();
      await settle();
    }
    moveTo(endMonoMs);
  }

  return {
    now: () => ({ wallMs, monoMs }),

    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const sleeper: Sleeper = { atMonoMs: monoMs + Math.max(0, ms), wake };
        sleepers.add(sleeper);
        signal.addEventListener('abort', wake, { once: true });
        function wake() {
          sleepers.delete(sleeper);
          signal.removeEventListener('abort', wake);
          resolve();
        }
      }),

    advance: (ms) => runUntil(monoMs + ms),

    advanceToNext: async () => {
      await settle();
      const sleeper = next();
      if (sleeper !== undefined) await runUntil(sleeper.atMonoMs);
    },

    jumpWall: (ms) => {
      wallMs += ms;
    },

    elapsedMs: () => monoMs - start.monoMs,
    wakeTimes: () => [...sleepers].map(({ atMonoMs }) => atMonoMs).sort((a, b) => a - b),
  };
}
