/** Flushes the entries of a directory to disk. */

import { constants } from 'node:fs';
import { codeOf } from './errors.ts';
import { close, open, sync } from './file-calls.ts';

/** Errors of a directory that cannot be synced although its files can: some network mounts, or no right to list it. */
const UNSYNCABLE = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EACCES', 'EPERM']);

/** Makes the entries of a directory survive a power loss, if the file system can do that. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await sync(directory);
    } finally {
      await close(directory);
    }
  } catch (error) {
    if (!UNSYNCABLE.has(codeOf(error) ?? '')) throw error;
  }
}
