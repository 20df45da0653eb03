/** Replaces a small file as a whole, without ever writing through something that only looks like it. */

import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, messageOf } from './errors.ts';
import {
  close,
  lstat,
  open,
  opendir,
  readlink,
  realpath,
  remove,
  rename,
  sync,
  write,
} from './file-calls.ts';
import { withLock } from './lock-file.ts';
import { lookAt } from './regular-file.ts';
import { syncDirectory } from './sync-directory.ts';

export type Replaced =
  | { readonly ok: true }
  /** what is wrong, without the path: `is a directory, not a file` */
  | { readonly ok: false; readonly problem: string };

/** As many consecutive links as the kernel follows. */
const MAX_LINKS = 40;

/** No process is still writing a temporary file this old. */
const LEFT_OVER_MS = 60_000;
/** The most entries of a directory that are examined for such files. */
const MAX_ENTRIES = 10_000;

/**
 * Replaces `path` by a file for this user alone that contains the text that `write` makes, while no other process does
 * the same to it: what it reads of the file is not out of date when it is replaced. It is on disk when this resolves.
 * Until then, even after a crash or on a full disk, the old content is there. A symbolic link stays one, and its target
 * is replaced. Anything that is not a regular file is left as it is. Never throws.
 */
export async function replaceFile(path: string, write: () => Promise<string>): Promise<Replaced> {
  let temporary: string | undefined;
  try {
    const target = await endOfLinks(path);
    if (!target.ok) return target;
    const look = await lookAt(target.path);
    if (!look.ok && (look.kind === 'not_a_regular_file' || look.kind === 'link_loop')) {
      return { ok: false, problem: look.problem };
    }
    // a name that nobody can have prepared, next to the target: rename(2) works within one file system only
    const prepared = `${target.path}.${randomBytes(8).toString('hex')}.new`;
    temporary = prepared;
    await withLock(`${target.path}.lock`, async () => {
      await writeNew(prepared, await write());
      await rename(prepared, target.path);
    });
    await syncDirectory(dirname(target.path));
    await removeLeftOvers(target.path);
    return { ok: true };
  } catch (error) {
    // a half-written file is useless; if even this fails, it is removed as a left-over later
    if (temporary !== undefined) await remove(temporary).catch(() => undefined);
    // its name differs each time, and helps nobody
    const reason = temporary === undefined ? messageOf(error) : messageOf(error).replaceAll(temporary, path);
    return { ok: false, problem: `cannot be written: ${reason}` };
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await write(file, text);
    await sync(file);
  } finally {
    await close(file);
  }
}

type End = { readonly ok: true; readonly path: string } | Extract<Replaced, { ok: false }>;

/** Where a chain of symbolic links ends: a path that is not a link, whether anything exists there or not. */
async function endOfLinks(path: string): Promise<End> {
  let at = path;
  for (let link = 0; link < MAX_LINKS; link++) {
    const directory = await realpath(dirname(at));
    at = join(directory, basename(at));
    const stats = await lstatIfAny(at);
    if (stats?.isSymbolicLink() !== true) return { ok: true, path: at };
    if (!(await mayBeFollowed(stats, directory))) {
      return { ok: false, problem: `is a symbolic link that user ${stats.uid} has put there` };
    }
    at = resolve(directory, await readlink(at));
  }
  return { ok: false, problem: 'is a symbolic link that leads in a circle' };
}

/**
 * As the kernel does in /tmp (fs.protected_symlinks in proc(5)), but everywhere: another user's link, in a directory
 * that is not theirs, may lead to a file that only we can overwrite.
 */
async function mayBeFollowed({ uid }: Stats, directory: string): Promise<boolean> {
  return uid === 0 || uid === process.geteuid?.() || uid === (await lstat(directory)).uid;
}

async function lstatIfAny(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes leftovers of predecessors that were killed while they wrote. A failure to do so does no harm. */
async function removeLeftOvers(target: string): Promise<void> {
  const directory = dirname(target);
  try {
    let seen = 0;
    for await (const { name } of await opendir(directory)) {
      seen += 1;
      if (seen > MAX_ENTRIES) return;
      if (!isTemporaryOf(basename(target), name)) continue;
      const path = join(directory, name);
      const stats = await lstat(path);
      if (stats.isFile() && Math.abs(Date.now() - stats.mtimeMs) > LEFT_OVER_MS) await remove(path);
    }
  } catch {
    // no right to list the directory, or another process was faster: the file itself is written
  }
}

function isTemporaryOf(base: string, name: string): boolean {
  return name.startsWith(`${base}.`) && /^[0-9a-f]{16}\.new$/.test(name.slice(base.length + 1));
}
