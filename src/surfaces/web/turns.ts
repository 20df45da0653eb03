/**
 * Gives way to the loop's own work: work for clients is done one job after another, and for at most a quarter of the
 * time, however much there is of it.
 */

import { monotonicMs } from '../../system/monotonic.ts';
import { startTimer } from '../../system/timer.ts';
export interface Turns {
  /**
   * Runs this job when its turn comes: at once if nothing else waits. It must not reject, and must not wait for
   * anything external.
   */
  add(job: () => Promise<void>): void;
  /** No further job is started. */
  close(): void;
}

/** How long jobs run in one go: the loop's own work has to wait at most that long, plus one job. */
const SLICE_MS = 2;
/** The rest after work, as a multiple of its duration. Time in which the processor was taken away counts as work. */
const REST = 3;
/** The longest rest, so that others are answered even if single jobs take long because the processor is busy. */
const LONGEST_REST_MS = 200;

export function createTurns(): Turns {
  const waiting: (() => Promise<void>)[] = [];
  let isWorking = false;
  let timer: NodeJS.Timeout | undefined;
  let restsUntilMs = 0;

  async function work(): Promise<void> {
    timer = undefined;
    isWorking = true;
    const sinceMs = monotonicMs();
    let tookMs = 0;
    for (
      let job = waiting.shift();
      job !== undefined;
      job = tookMs < SLICE_MS ? waiting.shift() : undefined
    ) {
      await job();
      tookMs = monotonicMs() - sinceMs;
    }
    restsUntilMs = sinceMs + tookMs + Math.min(tookMs * REST, LONGEST_REST_MS);
    isWorking = false;
    if (waiting.length > 0) arrange();
  }

  /** A rest needs no timer if no job waits. */
  function arrange(): void {
    if (isWorking || timer !== undefined) return;
    const restMs = restsUntilMs - monotonicMs();
    if (restMs <= 0) void work();
    else timer = startTimer(work, restMs);
  }

  return {
    add(job) {
      waiting.push(job);
      arrange();
    },
    close() {
      clearTimeout(timer);
      waiting.length = 0;
    },
  };
}
