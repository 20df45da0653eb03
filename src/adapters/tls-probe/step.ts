/** The result of a probe phase, and the one way in which a phase waits: with a deadline, cancellable. */

import type { ProbeCause } from '../../core/model/probe.ts';
import { startDeadline } from '../../system/timer.ts';

/** Why a probe failed, before the phase and the sightings are added. */
export interface Fault {
  readonly cause: ProbeCause;
  readonly hint: string;
  readonly error: string;
  readonly file?: string;
  readonly keyUnreadable?: true;
}

/** A phase's outcome. A failure without a fault was cancelled from outside. */
export type Step<T> = { readonly ok: true; readonly value: T } | FailedStep;
export type FailedStep = { readonly ok: false; readonly fault: Fault | undefined };

export interface Limit {
  /** how long to wait at most, in milliseconds */
  readonly ms: number;
  readonly signal: AbortSignal;
}

const CANCELLED: FailedStep = { ok: false, fault: undefined };

export function passed<T>(value: T): Step<T> {
  return { ok: true, value };
}

export function failed(fault: Fault): FailedStep {
  return { ok: false, fault };
}

/**
 * Waits until the work that `begin` starts calls `done` (or `broke`, to reject), the time is over, or the signal is
 * aborted. Owns the deadline and the listener on the signal; calls the function that `begin` returned exactly once when
 * the wait is over, so that it removes its own listeners. Also rejects with what `begin` throws.
 */
export function within<T>(
  limit: Limit,
  onTimeout: () => Step<T>,
  begin: (done: (step: Step<T>) => void, broke: (error: unknown) => void) => () => void,
): Promise<Step<T>> {
  return new Promise((resolve, reject) => {
    let over = false;
    let stop: (() => void) | undefined;
    const finish = (settle: () => void) => {
      if (over) return;
      over = true;
      deadline.end();
      limit.signal.removeEventListener('abort', cancel);
      stop?.();
      settle();
    };
    const done = (step: Step<T>) => finish(() => resolve(step));
    const broke = (error: unknown) => finish(() => reject(error));
    const cancel = () => done(CANCELLED);
    const deadline = startDeadline(() => done(onTimeout()), limit.ms);
    limit.signal.addEventListener('abort', cancel);
    if (limit.signal.aborted) return cancel();
    try {
      const stopBegun = begin(done, broke);
      if (over) stopBegun();
      else stop = stopBegun;
    } catch (error) {
      broke(error);
    }
  });
}

/** {@link within} for work that cannot be interrupted: a late result is dropped. */
export function withinPromise<T>(
  limit: Limit,
  onTimeout: () => Step<T>,
  work: () => Promise<Step<T>>,
): Promise<Step<T>> {
  return within(limit, onTimeout, (done, broke) => {
    work().then(done, broke);
    return () => undefined;
  });
}
