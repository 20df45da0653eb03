/** The end of the process, at once: also while the kernel or the resolver holds one of its threads. */

import { isSea } from 'node:sea';

/** As the first argument of the executable: end with the code in the second, and do nothing else. Internal. */
export const LEAVE = '--leave';

/** Requests that hold a thread until they are answered: name resolution, and files on a mount that is dead. */
const HOLDING = new Set(['GetAddrInfoReqWrap', 'FSReqPromise', 'FSReqCallback']);

/**
 * Ends the process with this exit code. `process.exit` waits for every thread of libuv's pool, and getaddrinfo(3)
 * cannot be cancelled: with a dead name server that takes ten seconds and more. So a process that is held puts
 * another in its place (execve(2)), under the same pid, which ends at once.
 */
export function leave(code: number): never {
  if (process.getActiveResourcesInfo().some((resource) => HOLDING.has(resource))) {
    const [program = ''] = process.argv;
    const args = isSea() ? [LEAVE, String(code)] : ['--eval', `process.exit(${code})`];
    try {
      process.execve?.(process.execPath, [program, ...args], {});
    } catch {
      // late is better than never
    }
  }
  process.exit(code);
}
