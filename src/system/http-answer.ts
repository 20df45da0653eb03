/** What no answer over HTTP may do to whoever waits for it. */

import type { ClientRequest } from 'node:http';

/** What answers does not answer as it should. */
export class BadAnswer extends Error {}

/** Servers send none; a proxy may send one. */
const MAX_INTERIM_ANSWERS = 8;

/** Ends a request, by `reject` or its own `error`, that is answered without end (1xx) or by another protocol (101). */
export function boundPreamble(outgoing: ClientRequest, reject: (error: Error) => void): void {
  let interimAnswers = 0;
  outgoing.on('information', () => {
    interimAnswers += 1;
    if (interimAnswers > MAX_INTERIM_ANSWERS)
      outgoing.destroy(new BadAnswer('it announces an endless answer'));
  });
  outgoing.on('upgrade', (_incoming, socket) => {
    socket.destroy();
    reject(new BadAnswer('it goes over to another protocol'));
  });
}
