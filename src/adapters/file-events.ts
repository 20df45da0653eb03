/**
 * File events as a hint that a look is worthwhile. They may be late, missing or too many; polling finds everything
 * without them. `fs.watch` permanently stops reporting, without an error, when the directory is replaced or removed, so
 * the watch is re-armed whenever the directory's inode has changed.
 */

import { type FSWatcher, watch } from 'node:fs';
import { codeOf, messageOf } from '../system/errors.ts';
import { statBig } from '../system/file-calls.ts';

export interface FileEvents {
  /** Arms the watch, or re-arms it if the directory has been replaced. To be called before every look. */
  arm(): Promise<void>;
  /** Why there are no file events at the moment; undefined while there are, or while there is no directory. */
  trouble(): string | undefined;
  close(): void;
}

/** The part of `fs.watch` that is used here. */
type Watch = (
  directory: string,
  options: { readonly persistent: false },
  onEvent: () => void,
) => Pick<FSWatcher, 'close'> & { on(event: 'error', listener: (error: Error) => void): unknown };

/**
 * Calls `onHint` when something happens in `directory`. `start` exists for tests, which cannot exhaust the system's
 * limits.
 */
export function createFileEvents(directory: string, onHint: () => void, start: Watch = watch): FileEvents {
  let watcher: ReturnType<Watch> | undefined;
  let armedInode: string | undefined;
  let trouble: string | undefined;

  function disarm() {
    watcher?.close();
    watcher = undefined;
    armedInode = undefined;
  }

  async function arm() {
    const inode = await inodeOf(directory);
    if (inode !== undefined && inode === armedInode) return;
    disarm();
    trouble = undefined;
    if (inode === undefined) return;
    try {
      // the following look finds what happened before the watch was armed
      watcher = start(directory, { persistent: false }, onHint);
      watcher.on('error', (error) => {
        disarm();
        trouble = explain(error);
      });
      armedInode = inode;
    } catch (error) {
      trouble = explain(error);
    }
  }

  return { arm, trouble: () => trouble, close: disarm };
}

async function inodeOf(directory: string): Promise<string | undefined> {
  try {
    const stats = await statBig(directory);
    // file systems reuse the number of a removed inode, so its birth time is part of the identity
    return stats.isDirectory() ? `${stats.dev}:${stats.ino}:${stats.birthtimeNs}` : undefined;
  } catch {
    // no directory to watch; the look at the files reports why
    return undefined;
  }
}

/** inotify(7): ENOSPC is the limit of watches, EMFILE the limit of instances. */
function explain(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOSPC':
      return 'the limit of inotify watches is used up (fs.inotify.max_user_watches)';
    case 'EMFILE':
      return 'the limit of inotify instances is used up (fs.inotify.max_user_instances)';
    default:
      return messageOf(error);
  }
}
