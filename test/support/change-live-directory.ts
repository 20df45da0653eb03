/**
 * One change of a live directory, in a process of its own that may be killed on its way: change, live, incoming
 * directory. With a fourth argument it says when it is ready, and waits for a byte.
 */

import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { changeLive } from './live-directory.ts';

const [change = '', certs = '', incoming = '', isToWait] = process.argv.slice(2);
if (isToWait !== undefined) {
  // the thread of the pool that makes every call begins with the first
  await stat(certs);
  process.stderr.write('ready\n');
  await once(process.stdin, 'data');
}
process.stdout.write(JSON.stringify(await changeLive(change, { certs, incoming })));
process.exit();
