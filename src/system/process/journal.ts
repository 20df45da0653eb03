/** Whether the output of this process goes to systemd's journal. systemd.exec(5), JOURNAL_STREAM */

import { fstatSync } from 'node:fs';

/**
 * Whether this file descriptor is the stream that `JOURNAL_STREAM` (`device:inode`) names. The variable alone proves
 * nothing: whoever started us may have redirected the output, and left it set.
 */
export function isJournal(fd: number, journalStream: string | undefined): boolean {
  if (!journalStream) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}` === journalStream;
  } catch {
    // closed: nobody reads what is written there
    return false;
  }
}
