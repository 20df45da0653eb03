/** How fast a connection is read: an endless stream uses only part of the processor, and backs up at its sender. */

import type { Socket } from 'node:net';
import { monotonicMs } from '../monotonic.ts';
import { startTimer } from '../timer.ts';

/**
 * After reading, nothing is read for this many times as long: how much can be read in a second differs between
 * machines.
 */
const REST_FOR_WORK = 5;

/** On fast machines, this bounds how much the broker has to send. */
const BYTES_PER_SECOND = 40 * 2 ** 20;

/** The socket is paused only once reading is ahead of its pace by this much. */
const SLICE_MS = 25;

export interface Pace {
  /** Counts what has been read and how long that took, and pauses the socket for as long as it was too fast. */
  charge(bytes: number, tookMs: number): void;
  isPausing(): boolean;
  stop(): void;
}

/** For a socket that nothing else pauses. */
export function createPace(socket: Pick<Socket, 'pause' | 'resume'>): Pace {
  /** when what has been read so far would have been read at the bounded pace */
  let paidOffMs = 0;
  let pausing: NodeJS.Timeout | undefined;

  return {
    charge(bytes, tookMs) {
      const nowMs = monotonicMs();
      // from when the reading began: several slices before a pause are all followed by their rest
      const costMs = Math.max((1 + REST_FOR_WORK) * tookMs, (1_000 * bytes) / BYTES_PER_SECOND);
      paidOffMs = Math.max(paidOffMs, nowMs - tookMs) + costMs;
      if (paidOffMs - nowMs < SLICE_MS || pausing !== undefined) return;
      socket.pause();
      pausing = startTimer(() => {
        pausing = undefined;
        socket.resume();
      }, paidOffMs - nowMs);
    },
    isPausing: () => pausing !== undefined,
    stop: () => clearTimeout(pausing),
  };
}
