/** A directory for one test, and things in it that are no regular files. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { removeTree } from '../../lab/remove-tree.ts';

/** Has something done when the test has ended. */
export type OnEnd = (undo: () => Promise<void> | void) => void;

/**
 * An empty directory that everybody may enter, and that is gone after the test. Among concurrent tests vitest does not
 * know which one is meant: they give an `onEnd` of their own.
 */
export async function temporaryDirectory(onEnd: OnEnd = onTestFinished): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'mosquitto-cert-watcher-'));
  onEnd(async () => {
    // a test may have taken away the right to enter it, which only root does not mind
    const isRoot = process.getuid?.() === 0;
    if (!isRoot) await promisify(execFile)('chmod', ['-R', 'u+rwx', directory]).catch(() => undefined);
    await removeTree(directory);
  });
  await chmod(directory, 0o755);
  return directory;
}

/** The same in memory: what is flushed a thousand times need not wait for the disk of this machine. */
export async function directoryInMemory(): Promise<string> {
  const directory = await mkdtemp('/dev/shm/mosquitto-cert-watcher-');
  onTestFinished(() => removeTree(directory));
  return directory;
}

export async function makeFifo(path: string): Promise<void> {
  await promisify(execFile)('mkfifo', [path]);
}

/** A socket on which somebody listens until the test has finished. */
export async function makeSocket(path: string): Promise<void> {
  const server = createServer();
  onTestFinished(() => void server.close());
  server.listen(path);
  await once(server, 'listening');
}
