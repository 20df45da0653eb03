/** Whether something has ended that ends beside the test: a socket, a timer, an open file. */

import { setTimeout } from 'node:timers/promises';

/** On a machine that is busy with other things, what ends in a moment may take seconds. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 10;

/** How many more there are than `before`, once what is about to end has ended; 0 as soon as there are none. */
export async function leftOver(count: () => number | Promise<number>, before = 0): Promise<number> {
  let more = (await count()) - before;
  for (let waitedMs = 0; more > 0 && waitedMs < PATIENCE_MS; waitedMs += LOOK_MS) {
    await setTimeout(LOOK_MS);
    more = (await count()) - before;
  }
  return Math.max(0, more);
}
