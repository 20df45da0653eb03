/** The one place where a timer is started, because Node fires a timer at once if its delay is too long. */

/** 31 bits of milliseconds, 24.8 days; `setTimeout` treats longer delays as 1 ms. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Calls `run` once after `ms`, at once if that is negative, and after 24.8 days at the latest. */
export function startTimer(run: () => void, ms: number): NodeJS.Timeout {
  return setTimeout(run, Math.min(Math.max(0, Math.ceil(ms)), LONGEST_TIMER_MS));
}

export interface Deadline {
  /** It is no longer waited for. */
  end(): void;
}

/**
 * Calls `run` once after `ms`, when what had arrived by then has been read. A process that was held up over one socket
 * finds its timers over before it reads the others, and would take an answer that lies there for silence.
 */
export function startDeadline(run: () => void, ms: number): Deadline {
  let reading: NodeJS.Immediate | undefined;
  // the sockets are read before this immediate is called, in the same turn of the event loop
  const timer = startTimer(() => (reading = setImmediate(run)), ms);
  return {
    end() {
      clearTimeout(timer);
      clearImmediate(reading);
    },
  };
}
