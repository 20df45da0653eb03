/** The end of the process, at once: also while the kernel or the resolver holds one of its threads. */

import { isSea } from 'node:sea';

/** As the first argument: end with the code in the second, and do nothing else. Internal, see {@link leave}. */
const LEAVE = '--leave';

/** Requests that hold a thread until they are answered: name resolution, and files on a mount that is dead. */
const HOLDING = new Set(['GetAddrInfoReqWrap', 'FSReqPromise', 'FSReqCallback']);

/**
 * Ends the process with this exit code. `process.exit` waits for every thread of libuv's pool, and getaddrinfo(3)
 * cannot be cancelled: with a dead name server that takes ten seconds and more. So a process that is held puts
 * another in its place (execve(2)), under the same pid, which ends at once.
 */
export function leave(code: number): never {
  if (process.getActiveResourcesInfo().some((resource) => HOLDING.has(resource))) {
    const [program = '', main = ''] = process.argv;
    const self = isSea() ? [program] : [program, main];
    try {
      process.execve?.(process.execPath, [...self, LEAVE, String(code)], {});
    } catch {
      // late is better than never
    }
  }
  process.exit(code);
}

/** Ends the process if it was started by {@link leave}. To be called before anything else. */
export function leaveIfTold(argv: readonly string[]): void {
  const [first, code] = argv;
  if (first === LEAVE) process.exit(Number(code));
}
