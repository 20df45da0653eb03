/** Lets the loop sleep until a moment, or until something happens that is worth a look. */

import type { Clock } from '../adapters/clock.ts';

export interface Wake {
  /** Something has happened: ends the present sleep, or the next one at once. */
  hint(): void;
  /** Sleeps until `atMonoMs`, a hint, or `signal`. Hints take effect at `earliestMonoMs` at the earliest. */
  sleepUntil(atMonoMs: number, earliestMonoMs: number, signal: AbortSignal): Promise<void>;
}

export function createWake(clock: Clock): Wake {
  let isHinted = false;
  let interrupt: (() => void) | undefined;

  async function sleep(untilMonoMs: number, signal: AbortSignal) {
    await clock.sleep(untilMonoMs - clock.now().monoMs, signal);
  }

  /** A separate controller for each sleep: AbortSignal.any would attach every one to a signal that lives for years. */
  async function sleepUntilHint(untilMonoMs: number, signal: AbortSignal) {
    const woken = new AbortController();
    const wakeUp = () => woken.abort();
    signal.addEventListener('abort', wakeUp, { once: true });
    interrupt = wakeUp;
    if (!signal.aborted) await sleep(untilMonoMs, woken.signal);
    interrupt = undefined;
    signal.removeEventListener('abort', wakeUp);
  }

  return {
    hint() {
      isHinted = true;
      interrupt?.();
    },
    async sleepUntil(atMonoMs, earliestMonoMs, signal) {
      if (!isHinted) await sleepUntilHint(atMonoMs, signal);
      if (isHinted) await sleep(Math.min(atMonoMs, earliestMonoMs), signal);
      isHinted = false;
    },
  };
}
