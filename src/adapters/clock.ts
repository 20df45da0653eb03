/** The two clocks of the machine, and waiting by the monotonic one. */

import { performance } from 'node:perf_hooks';
import type { Moment } from '../core/observation.ts';

export interface Clock {
  now(): Moment;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** setTimeout takes 31 bits of milliseconds; a longer sleep would end at once. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: performance.now() }),

  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(done, Math.min(Math.max(0, Math.ceil(ms)), LONGEST_SLEEP_MS));
      signal.addEventListener('abort', done, { once: true });
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
    }),
};
