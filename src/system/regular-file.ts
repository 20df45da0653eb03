/** Reads small regular files without ever being blocked by something that only looks like one. */

import { type BigIntStats, constants } from 'node:fs';
import { codeOf, messageOf } from './errors.ts';
import { close, open, read, statBig, statOpen } from './file-calls.ts';

/** A certificate file larger than this is a mistake. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** What distinguishes two states of a file without reading it. */
export interface FileIdentity {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export type FileProblemKind =
  | 'missing'
  | 'not_a_regular_file'
  | 'empty'
  | 'too_large'
  | 'unreadable'
  | 'link_loop'
  | 'io_error';

export interface FileProblem {
  readonly ok: false;
  readonly kind: FileProblemKind;
  /** what is wrong, without the path: `is a directory` */
  readonly problem: string;
}

export type FileLook =
  | {
      readonly ok: true;
      readonly identity: FileIdentity;
      /** mode in octal, owner and group: `640 0 995` */
      readonly rights: string;
    }
  | FileProblem;

export type FileRead =
  | { readonly ok: true; readonly identity: FileIdentity; readonly bytes: Buffer }
  | FileProblem
  /** it was written to during the read */
  | { readonly ok: false; readonly kind: 'changing'; readonly problem: string };

/** Looks at a file (links followed) without opening it: a usable regular file, or what is wrong with it. */
export async function lookAt(path: string): Promise<FileLook> {
  try {
    return judge(await statBig(path));
  } catch (error) {
    return problemOf(error);
  }
}

/**
 * The whole content of a regular file of 1 byte to 1 MiB that did not change during the read. `nowMs` is the wall
 * clock: a file that is shorter than its file system says is one of /sys, unless it was written to a moment ago.
 */
export async function readRegularFile(path: string, nowMs = Date.now()): Promise<FileRead> {
  // a device must not even be opened, so the path is checked first; the open file is checked again
  const look = await lookAt(path);
  if (!look.ok) return look;
  let file: number | undefined;
  try {
    // O_NONBLOCK: a FIFO put in place between the two calls would block a thread of the pool for good
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const before = judge(await statOpen(file));
    if (!before.ok) return before;
    const buffer = Buffer.alloc(Number(before.identity.size) + 1);
    const bytesRead = await read(file, buffer, 0, 0);
    const after = judge(await statOpen(file));
    const isUntouched = after.ok && sameIdentity(before.identity, after.identity);
    if (
      isUntouched &&
      bytesRead < buffer.length - 1 &&
      nowMs - Number(after.identity.ctimeNs) / 1e6 > FRESH_MS
    ) {
      const problem = `holds ${bytesRead} bytes, and its file system (/proc, /sys?) says ${before.identity.size}`;
      return { ok: false, kind: 'io_error', problem };
    }
    if (!isUntouched || bytesRead !== buffer.length - 1) {
      return { ok: false, kind: 'changing', problem: 'changed while it was read' };
    }
    return { ok: true, identity: before.identity, bytes: buffer.subarray(0, bytesRead) };
  } catch (error) {
    return problemOf(error);
  } finally {
    if (file !== undefined) await close(file);
  }
}

/**
 * Two writes within one tick of the kernel's clock leave the same ctime; an older file has not just been written to.
 */
const FRESH_MS = 2_000;

export function sameIdentity(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.device === b.device &&
    a.inode === b.inode &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  );
}

function judge(stats: BigIntStats): FileLook {
  if (!stats.isFile()) return { ok: false, kind: 'not_a_regular_file', problem: `is ${kindOf(stats)}` };
  if (stats.size === 0n) return { ok: false, kind: 'empty', problem: 'is empty' };
  if (stats.size > MAX_FILE_BYTES) {
    return { ok: false, kind: 'too_large', problem: `is larger than 1 MiB (${stats.size} bytes)` };
  }
  return {
    ok: true,
    identity: {
      device: stats.dev,
      inode: stats.ino,
      size: stats.size,
      mtimeNs: stats.mtimeNs,
      ctimeNs: stats.ctimeNs,
    },
    rights: `${(stats.mode & 0o7777n).toString(8)} ${stats.uid} ${stats.gid}`,
  };
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'a directory, not a file';
  if (stats.isFIFO()) return 'a FIFO, not a regular file';
  if (stats.isSocket()) return 'a socket, not a regular file';
  return 'a device, not a regular file';
}

function problemOf(error: unknown): FileProblem {
  switch (codeOf(error)) {
    case 'ENOENT':
      return { ok: false, kind: 'missing', problem: 'does not exist' };
    case 'ENOTDIR':
      return { ok: false, kind: 'missing', problem: 'does not exist: a part of its path is not a directory' };
    case 'EACCES':
    case 'EPERM':
      return { ok: false, kind: 'unreadable', problem: 'may not be read by this user (permission denied)' };
    case 'ELOOP':
      return { ok: false, kind: 'link_loop', problem: 'is a symbolic link that leads in a circle' };
    default:
      return { ok: false, kind: 'io_error', problem: `cannot be read: ${messageOf(error)}` };
  }
}
