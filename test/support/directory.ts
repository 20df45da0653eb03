/** A directory for one test, and things in it that are no regular files. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

/** An empty directory that everybody may enter, and that is gone after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'mosquitto-cert-watcher-'));
  onTestFinished(async () => {
    // a test may have taken away the right to enter it, which only root does not mind
    await promisify(execFile)('chmod', ['-R', 'u+rwx', directory]).catch(() => undefined);
    await rm(directory, { recursive: true, force: true });
  });
  await chmod(directory, 0o755);
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
