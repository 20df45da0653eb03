/** How long a broker may be silent. */

import type { Socket } from 'node:net';
import { startTimer } from '../timer.ts';
import type { ConnectionEnd } from './meaning.ts';

/** Until the login is done, the broker may be silent for this long, and the login may take this long. */
const SILENCE_MS = 5_000;
const LOGIN_MS = 60_000;
export const KEEPALIVE_MS = 15_000;

export interface Deadlines {
  /** The connection is there: the login begins. */
  connected(): void;
  /** The login is done; from now on a silent broker is asked whether it is alive. */
  listening(): void;
  stop(): void;
}

/** How long the broker may take for each answer. Any input since the last ping shows that it is alive. */
export function createDeadlines(
  socket: Socket,
  connectMs: number | undefined,
  ping: () => void,
  end: (why: ConnectionEnd) => void,
): Deadlines {
  const silent = (what: string, ms: number) => () =>
    end({ kind: 'silent', problem: `has ${what} ${ms / 1_000} s` });
  const silence = silent('not answered for', SILENCE_MS);
  const connecting = connectMs === undefined ? undefined : startTimer(silence, connectMs);
  const login = startTimer(silent('not let us listen within', LOGIN_MS), LOGIN_MS);
  let keepalive: NodeJS.Timeout | undefined;
  let bytesAtPing = 0;
  socket.setTimeout(SILENCE_MS, silence);

  function keepAlive() {
    keepalive = startTimer(() => {
      if (socket.bytesRead === bytesAtPing) return silent('sent nothing for', KEEPALIVE_MS)();
      bytesAtPing = socket.bytesRead;
      ping();
      keepAlive();
    }, KEEPALIVE_MS);
  }

  return {
    connected: () => clearTimeout(connecting),
    listening() {
      if (keepalive !== undefined) return;
      clearTimeout(login);
      socket.setTimeout(0);
      keepAlive();
    },
    stop() {
      for (const timer of [connecting, login, keepalive]) clearTimeout(timer);
    },
  };
}
