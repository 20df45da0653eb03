import { rm } from 'node:fs/promises';

/** Removes a directory and all in it, if it is there: also while a process that is just ending still writes there. */
export function removeTree(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
