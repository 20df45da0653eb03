/**
 * The right to change the live directory: a directory in it, which also holds everything unfinished. Whoever takes the
 * lock away from a process that was killed, stopped or is slow takes the unfinished along, so that every rename by
 * which that process would still change something fails.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../../system/errors.ts';
import { isAlive } from '../../system/lock-file.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import { startTimer } from '../../system/timer.ts';

const LOCK = '..lock';

/** A lock that was taken away and is being removed. */
export const TAKEN_AWAY = /^\.\.lock-[0-9a-f]{16}$/;

/** A change takes milliseconds. One that takes longer than this may be made by another process instead. */
const LONGEST_HOLD_MS = 2_000;
const BETWEEN_TRIES_MS = 20;

/**
 * Does `work` while no other process changes the live directory. `workDir` is where everything is made that is then
 * renamed into place. Waits for another holder, but not for long. Rejects if the work does, or if nothing can be
 * written.
 */
export async function withLock<T>(certDir: string, work: (workDir: string) => Promise<T>): Promise<T> {
  const lock = join(certDir, LOCK);
  const workDir = await acquire(lock);
  try {
    return await work(workDir);
  } finally {
    // ours alone: the lock may be somebody else's by now, and then it is not empty
    await rm(workDir, { recursive: true, force: true }).catch(() => undefined);
    await rmdir(lock).catch(() => undefined);
  }
}

async function acquire(lock: string): Promise<string> {
  const endMs = monotonicMs() + LONGEST_HOLD_MS;
  for (;;) {
    const workDir = await make(lock);
    if (workDir !== undefined) return workDir;
    if (monotonicMs() >= endMs || (await wasLeft(lock))) await takeAway(lock);
    else await new Promise<void>((resolve) => startTimer(resolve, BETWEEN_TRIES_MS));
  }
}

/** Undefined: another process has it. */
async function make(lock: string): Promise<string | undefined> {
  try {
    await mkdir(lock, 0o700);
    const workDir = join(lock, `${ownerOf(process.pid)}${randomBytes(8).toString('hex')}`);
    await mkdir(workDir);
    return workDir;
  } catch (error) {
    // the lock was there, or was taken away or released between the two calls
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') {
      await mayBeMissing(lock, error);
      return undefined;
    }
    await rmdir(lock).catch(() => undefined);
    throw error;
  }
}

/** Without the live directory itself, there is nothing to wait for. */
async function mayBeMissing(lock: string, error: unknown): Promise<void> {
  if (codeOf(error) === 'ENOENT') await readdir(join(lock, '..'));
}

function ownerOf(pid: number): string {
  return `${encodeURIComponent(hostname())} ${pid} `;
}

/** Left by a process of this host that has ended, or by a predecessor in this container, which had our pid. */
async function wasLeft(lock: string): Promise<boolean> {
  try {
    const [name = ''] = await readdir(lock);
    const pid = Number(/ (\d+) [0-9a-f]{16}$/.exec(name)?.[1] ?? 0);
    return pid > 0 && name.startsWith(ownerOf(pid)) && (pid === process.pid || !isAlive(pid));
  } catch {
    // it has gone, or is no directory: then it is waited for
    return false;
  }
}

async function takeAway(lock: string): Promise<void> {
  const away = `${lock}-${randomBytes(8).toString('hex')}`;
  try {
    await rename(lock, away);
  } catch (error) {
    // it was released, or another process was faster
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  // another user may have made it: then it stays, and is in nobody's way
  await rm(away, { recursive: true, force: true }).catch(() => undefined);
}
