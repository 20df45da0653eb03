/**
 * Changes of live directories, in a process that may be killed on its way. It says when it is ready. Each line on its
 * standard input asks for one: a JSON list of change, live and incoming directory. Its outcome is one line too.
 */

import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { changeLive } from './live-directory.ts';

// the thread of the pool that makes every call begins with the first
await stat('/');
process.stderr.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [change = '', certs = '', incoming = ''] = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await changeLive(change, { certs, incoming }))}\n`);
}
