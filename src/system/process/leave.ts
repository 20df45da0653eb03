/** Ends the process at once, even while the kernel or the resolver holds one of its threads. */

import { isSea } from 'node:sea';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../monotonic.ts';

/** As the first argument of the executable: end with the code in the second, and do nothing else. Internal. */
export const LEAVE = '--leave';

/** Requests that hold a thread until they are answered: name resolution, and files on a mount that does not respond. */
const HOLDING = new Set(['GetAddrInfoReqWrap', 'FSReqPromise', 'FSReqCallback']);

/** A working file system answers long before this. */
const GRACE_MS = 100;
const LOOK_AGAIN_MS = 5;

/** This is valid even if the file has been replaced by the next version, or deleted, since the start. */
const THIS_PROGRAM = '/proc/self/exe';

/**
 * Ends the process with this exit code. `process.exit` waits for all threads of libuv's pool, and getaddrinfo(3)
 * cannot be cancelled: with a name server that does not answer that takes ten seconds and more. So a process that is
 * held replaces itself with another one (execve(2)), under the same pid, which ends at once.
 */
export async function leave(code: number): Promise<never> {
  const isHeld = () => process.getActiveResourcesInfo().some((resource) => HOLDING.has(resource));
  const untilMs = monotonicMs() + GRACE_MS;
  while (isHeld() && monotonicMs() < untilMs) await sleep(LOOK_AGAIN_MS);
  if (isHeld()) {
    const [program = ''] = process.argv;
    const args = isSea() ? [LEAVE, String(code)] : ['--eval', `process.exit(${code})`];
    try {
      process.execve?.(THIS_PROGRAM, [program, ...args], {});
    } catch {
      // the slow exit below is better than none
    }
  }
  process.exit(code);
}
