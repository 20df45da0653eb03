/**
 * Requests an address at intervals for as long as the loop is alive: the service that monitors it raises the alarm when
 * the requests stop.
 */

import type { Delivery } from '../../core/model/delivery.ts';
import { backoffMs } from '../../core/text/backoff.ts';
import type { Time } from './courier.ts';
import type { Trouble } from './trouble.ts';

export interface HeartbeatParts {
  readonly time: Time;
  readonly intervalMs: number;
  /** always ends, and never rejects */
  readonly beat: (signal: AbortSignal) => Promise<Delivery>;
  readonly isAlive: () => boolean;
  readonly trouble: Trouble;
}

const FIRST_PAUSE_MS = 1_000;

/** A loop that is not alive is checked again after this time, so that the alarm ends soon after it recovers. */
const LONGEST_LOOK_MS = 10_000;

/** Beats at once, and until `signal` aborts. */
export async function keepBeating(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  const { time, intervalMs, beat, isAlive, trouble } = parts;
  let failures = 0;
  while (!signal.aborted) {
    const startMonoMs = time.now().monoMs;
    let pauseMs = Math.min(LONGEST_LOOK_MS, intervalMs);
    if (isAlive()) {
      const answer = await beat(signal);
      if (signal.aborted) return;
      failures = answer.ok ? 0 : failures + 1;
      pauseMs = answer.ok
        ? intervalMs - (time.now().monoMs - startMonoMs)
        : Math.min(intervalMs, backoffMs(failures, FIRST_PAUSE_MS, intervalMs));
      if (answer.ok) trouble.worked();
      else trouble.failed(answer, pauseMs);
    }
    await time.sleep(Math.max(0, pauseMs), signal);
  }
}
