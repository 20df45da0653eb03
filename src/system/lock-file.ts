/** A lock file, for work that only one process may do at a time. */

import { constants } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './errors.ts';
import { close, lstat, open, readText, remove, write } from './file-calls.ts';
import { monotonicMs } from './monotonic.ts';
import { startTimer } from './timer.ts';

/** Work under a lock takes milliseconds. A lock that stays longer was left by a process that was killed. */
const LONGEST_HOLD_MS = 2_000;
const BETWEEN_TRIES_MS = 20;

/**
 * Does `work` while a lock file exists at `path`, and then removes it. Waits for another holder, but for two seconds at
 * most: a lock prevents lost updates and is worth no more than that. If none can be created, the work is done without
 * one. Rejects only if the work does.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const isHeld = await acquire(path);
  try {
    return await work();
  } finally {
    if (isHeld) await remove(path).catch(() => undefined);
  }
}

async function acquire(path: string): Promise<boolean> {
  const endMs = monotonicMs() + LONGEST_HOLD_MS;
  for (;;) {
    const made = await make(path);
    if (made !== 'taken') return made === 'made';
    if (monotonicMs() >= endMs || (await isLeftOver(path))) {
      await remove(path).catch(() => undefined);
      return (await make(path)) === 'made';
    }
    await new Promise<void>((resolve) => startTimer(resolve, BETWEEN_TRIES_MS));
  }
}

/** The file contains its owner. */
async function make(path: string): Promise<'made' | 'taken' | 'impossible'> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  let file: number | undefined;
  try {
    file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    await write(file, owner());
    return 'made';
  } catch (error) {
    if (file === undefined) return codeOf(error) === 'EEXIST' ? 'taken' : 'impossible';
    // a full disk: others would wait for a lock without an owner
    await remove(path).catch(() => undefined);
    return 'impossible';
  } finally {
    if (file !== undefined) await close(file);
  }
}

function owner(pid = process.pid): string {
  return `${hostname()} ${pid}\n`;
}

/** Left by a process of this host that has ended, or by a predecessor in this container, which had our pid. */
async function isLeftOver(path: string): Promise<boolean> {
  try {
    // never read anything that only looks like a lock, and could block the reader
    const stats = await lstat(path);
    if (!stats.isFile() || stats.size > 1_000) return false;
    const text = await readText(path);
    const pid = Number(/ (\d+)\n$/.exec(text)?.[1] ?? 0);
    return pid > 0 && text === owner(pid) && (pid === process.pid || !isAlive(pid));
  } catch {
    // it has gone: the next attempt will succeed
    return false;
  }
}

/** Whether a process with this pid runs on this host, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}
