/**
 * The signals that the program handles, from its first moment on: this is imported before everything else, because a
 * process without a handler dies of SIGHUP and SIGUSR1 or, as PID 1, ignores SIGTERM.
 */

import type { OperatorRequest } from '../../core/model/request.ts';

const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort(name));

/** Aborts with the name of the signal that tells the program to end. */
export const stopSignal = stop.signal;

const REQUESTS = { SIGHUP: 'look', SIGUSR1: 'restart' } as const satisfies Record<string, OperatorRequest>;

let listener: ((request: OperatorRequest) => void) | undefined;
/** requests from before there was a listener */
const early = new Set<OperatorRequest>();

for (const name of ['SIGUSR1', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (listener === undefined) early.add(REQUESTS[name]);
    else listener(REQUESTS[name]);
  });
}

/**
 * From now on each request goes to this one listener, and earlier ones at once. A command that runs once needs none.
 */
export function onRequest(listen: (request: OperatorRequest) => void): void {
  listener = listen;
  for (const request of early) listen(request);
  early.clear();
}
