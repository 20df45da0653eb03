/** Copies a set to a separate directory, completely on disk before anything links to it. */

import { constants, type Stats } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../system/errors.ts';
import { MAX_FILE_BYTES } from '../../system/regular-file.ts';
import { syncDirectory } from '../../system/sync-directory.ts';
import { Trouble } from './trouble.ts';

const { O_RDONLY, O_DIRECTORY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW, COPYFILE_EXCL, COPYFILE_FICLONE } =
  constants;

const SETGID = 0o2000;

/** Copies the files of `from` into a new directory that has the same access rights as `certDir`. */
export async function copySet(
  from: string,
  names: readonly string[],
  certDir: string,
  directory: string,
): Promise<void> {
  const like = await stat(certDir);
  // in a setgid directory the group is the one that the directory is meant for
  const gid = (like.mode & SETGID) !== 0 ? like.gid : undefined;
  await mkdir(directory);
  for (const name of names) await copyOne(join(from, name), join(directory, name), gid);
  const handle = await open(directory, O_RDONLY | O_DIRECTORY);
  try {
    await chownAsAllowed(handle, like);
    // without the bits that a sandbox may forbid: nothing is created in it any more
    await handle.chmod(like.mode & 0o777);
  } finally {
    await handle.close();
  }
  await syncDirectory(directory);
}

/**
 * The kernel copies: the content of a file, a key above all, never enters the memory of this process. The file is
 * opened by type, so that nothing else can take its place, and neither a FIFO nor a device blocks a thread.
 */
async function copyOne(source: string, target: string, gid: number | undefined): Promise<void> {
  const from = await open(source, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const stats = await from.stat();
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) {
      throw new Trouble('odd_file', `${source} is not a regular file of at most 1 MiB`);
    }
    await copyFile(`/proc/self/fd/${from.fd}`, target, COPYFILE_EXCL | COPYFILE_FICLONE);
    const to = await open(target, O_RDONLY | O_NOFOLLOW);
    try {
      await chownAsAllowed(to, { uid: stats.uid, gid: gid ?? stats.gid });
      await to.chmod(stats.mode & 0o777);
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** Only root can change the owner; a member of a group can set that group. */
async function chownAsAllowed(handle: FileHandle, { uid, gid }: Pick<Stats, 'uid' | 'gid'>): Promise<void> {
  const now = await handle.stat();
  if (now.uid === uid && now.gid === gid) return;
  if (await isAllowed(handle.chown(uid, gid))) return;
  if (now.gid !== gid) await isAllowed(handle.chown(now.uid, gid));
}

async function isAllowed(change: Promise<void>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (['EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error) ?? '')) return false;
    throw error;
  }
}
