/** When a broker has sent all that it retains: MQTT has no message for that. */

import { monotonicMs } from '../../system/monotonic.ts';
import { startTimer } from '../../system/timer.ts';

/** A broker is done when it has sent nothing for this long; the second value is the longest wait for that. */
const QUIET_MS = 300;
const AT_MOST_MS = 30_000;

export interface Settling {
  /** The subscription is made: the broker begins to send. */
  begin(): void;
  /** A retained message has arrived. */
  heard(): void;
  hasSettled(): boolean;
  /** Milliseconds since {@link Settling.begin}; undefined before it. */
  subscribedForMs(): number | undefined;
  stop(): void;
}

/** Calls `onSettled` once. `isBehind` says whether data has arrived that has not been read completely. */
export function createSettling(isBehind: () => boolean, onSettled: () => void): Settling {
  let subscribedMs: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isSettled = false;

  const forMs = () => monotonicMs() - (subscribedMs ?? monotonicMs());

  function settle() {
    if (isBehind() && forMs() < AT_MOST_MS) {
      timer?.refresh();
      return;
    }
    isSettled = true;
    onSettled();
  }

  return {
    begin() {
      subscribedMs = monotonicMs();
      timer = startTimer(settle, QUIET_MS);
    },
    heard() {
      if (forMs() < AT_MOST_MS) timer?.refresh();
    },
    hasSettled: () => isSettled,
    subscribedForMs: () => (subscribedMs === undefined ? undefined : forMs()),
    stop: () => clearTimeout(timer),
  };
}
