/** When to connect again: with growing pauses, except while a broker is known to be on its way back. */

import { monotonicMs } from '../../system/monotonic.ts';
import { startTimer } from '../../system/timer.ts';

/** The pause before the next attempt; it doubles each time, until a connection has lasted. */
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const LASTING_MS = 10_000;

/** The same while the broker is expected; an attempt that takes longer may have gone to where the broker was before. */
const EXPECTING_PAUSE_MS = 200;
const EXPECTING_CONNECT_MS = 500;

export interface Attempts {
  /** The connection has ended, or there was none: calls `attempt` again after a pause. */
  again(listenedForMs: number): void;
  /** For this time there are no long pauses, beginning with the current one. */
  expect(forMs: number): void;
  /** How long the next attempt may take to connect; undefined: as long as any. */
  connectMs(): number | undefined;
  stop(): void;
}

export function createAttempts(attempt: () => void): Attempts {
  let pauseMs = SHORTEST_PAUSE_MS;
  let expectedUntilMs = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;

  const isExpected = () => monotonicMs() < expectedUntilMs;

  function wait(ms: number) {
    clearTimeout(timer);
    timer = startTimer(() => {
      timer = undefined;
      attempt();
    }, ms);
  }

  return {
    again(listenedForMs) {
      if (listenedForMs >= LASTING_MS) pauseMs = SHORTEST_PAUSE_MS;
      if (isExpected()) return wait(EXPECTING_PAUSE_MS);
      wait(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    },
    expect(forMs) {
      expectedUntilMs = monotonicMs() + forMs;
      if (timer !== undefined && isExpected()) wait(EXPECTING_PAUSE_MS);
    },
    connectMs: () => (isExpected() ? EXPECTING_CONNECT_MS : undefined),
    stop: () => clearTimeout(timer),
  };
}
