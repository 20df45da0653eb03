/**
 * What the operator requests by a signal: kept for the next look, and rate-limited, so that a flood of signals costs
 * nothing.
 */

import type { Clock } from '../adapters/clock.ts';
import { fullAllowance, type Rate, refilled, spent } from '../core/memory/allowance.ts';
import type { OperatorRequest } from '../core/model/request.ts';

/** Calls the listener with each request, for as long as the process lives. */
export type Listen = (listener: (request: OperatorRequest) => void) => void;

/** Each may cause a look, a probe and a log line. */
const RATE: Rate = { most: 3, everyMs: 10_000 };

export interface Requests {
  /** The requests since the last call, each once. Requests that come too fast are returned a little later, once. */
  take(): readonly OperatorRequest[];
  close(): void;
}

/** `onHint` is called when there is a request to take. */
export function createRequests(listen: Listen, clock: Clock, onHint: () => void): Requests {
  const closed = new AbortController();
  const asked = new Set<OperatorRequest>();
  let allowance = fullAllowance(RATE, clock.now().monoMs);
  let isReady = false;

  listen((request) => {
    const isFirst = asked.size === 0;
    asked.add(request);
    if (isFirst) void makeReady();
  });

  async function makeReady() {
    allowance = refilled(allowance, RATE, clock.now().monoMs);
    if (allowance.left === 0) {
      await clock.sleep(allowance.sinceMonoMs + RATE.everyMs - clock.now().monoMs, closed.signal);
      allowance = refilled(allowance, RATE, clock.now().monoMs);
    }
    if (closed.signal.aborted) return;
    allowance = spent(allowance);
    isReady = true;
    onHint();
  }

  return {
    take() {
      if (!isReady) return [];
      const taken = [...asked];
      asked.clear();
      isReady = false;
      return taken;
    },
    close: () => closed.abort(),
  };
}
