/** The two clocks of the machine, and waiting by the monotonic one. */

import type { Moment } from '../core/model/files.ts';
import { monotonicMs } from '../system/monotonic.ts';
import { startTimer } from '../system/timer.ts';

export interface Clock {
  now(): Moment;
  /** Resolves after `ms` (24.8 days at most), or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: monotonicMs() }),

  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = startTimer(done, ms);
      signal.addEventListener('abort', done, { once: true });
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
    }),
};
