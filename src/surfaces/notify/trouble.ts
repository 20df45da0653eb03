/** Reports that something cannot be delivered: when that begins, for each new cause, and once an hour. */

import type { DeliveryCause, DeliveryFailure } from '../../core/model/delivery.ts';
import type { Moment } from '../../core/model/files.ts';
import { REPEAT_MS } from '../../core/news/announce.ts';
import type { Announcement } from '../../core/news/events.ts';
import { timestamp } from '../../core/text/timestamp.ts';

export interface Trouble {
  /** An attempt has failed. It is repeated `nextTryMs` from now; undefined: it is abandoned. */
  failed(failure: DeliveryFailure, nextTryMs: number | undefined, counts?: Counts): void;
  /** An attempt has succeeded. */
  worked(): void;
}

/** Counts of the notifications in the queue. */
export interface Counts {
  readonly waiting: number;
  /** since the start: dropped for newer ones, or abandoned */
  readonly dropped: number;
}

export function createTrouble(
  part: 'notifications' | 'heartbeat',
  now: () => Moment,
  say: (announcement: Announcement) => void,
): Trouble {
  /** when each cause was last reported since the last success */
  const saidAtMonoMs = new Map<DeliveryCause, number>();
  const what = part === 'heartbeat' ? 'the heartbeat' : 'a notification';

  return {
    failed({ cause, error, hint }, nextTryMs, counts) {
      const { wallMs, monoMs } = now();
      const before = saidAtMonoMs.get(cause) ?? Number.NEGATIVE_INFINITY;
      if (monoMs - before < REPEAT_MS && nextTryMs !== undefined) return;
      saidAtMonoMs.set(cause, monoMs);
      const end = nextTryMs === undefined ? 'it is given up' : 'it is tried again';
      const details = {
        part,
        cause,
        error,
        next_try: nextTryMs === undefined ? undefined : timestamp(wallMs + nextTryMs),
        waiting: counts?.waiting,
        dropped: counts?.dropped || undefined,
        message: `${what} could not be delivered: ${error}; ${end}`,
        hint,
      };
      say({ event: 'notify_failed', details });
    },
    worked: () => saidAtMonoMs.clear(),
  };
}
