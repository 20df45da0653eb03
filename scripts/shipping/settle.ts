/** Makes a directory the same wherever and whenever it was laid out. */

import { chmod, readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** Gives every file and directory the same date, from the inside out, and directories one mode. */
export async function settle(path: string, epochS: number): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) await settle(child, epochS);
    else await utimes(child, epochS, epochS);
  }
  await chmod(path, 0o755);
  await utimes(path, epochS, epochS);
}
