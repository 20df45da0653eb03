/**
 * Delivers notifications concurrently with the loop, one after the other, in order: each is retried until it has
 * arrived. The queue is bounded, and so is the pace.
 */

import type { Delivery, Payload } from '../../core/model/delivery.ts';
import type { Moment } from '../../core/model/files.ts';
import type { Notification, Told } from '../../core/status/notification.ts';
import { backoffMs } from '../../core/text/backoff.ts';
import type { Format } from './formats.ts';
import { messageOf, type Sender } from './message.ts';
import type { Trouble } from './trouble.ts';

/** The two clocks and waiting, see adapters/clock.ts. */
export interface Time {
  now(): Moment;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface CourierParts {
  readonly time: Time;
  readonly format: Format;
  readonly sender: Sender;
  /** always ends, and never rejects */
  readonly send: (payload: Payload, signal: AbortSignal) => Promise<Delivery>;
  readonly trouble: Trouble;
  /** unlike any other */
  readonly newId: () => string;
  /** what was delivered before the start */
  readonly told: Told;
  /** remembers what has been delivered for a successor; returns at once */
  readonly keep: (told: Told) => void;
}

export interface Courier {
  /** Queues a notification for delivery after those before it; returns at once. */
  post(notification: Notification): void;
  /** Drops what has not been delivered. */
  close(): void;
}

/** Beyond this number the oldest are dropped: the newest describe the current state. */
export const MOST_WAITING = 16;

/** Slack accepts one message a second, ntfy one in five after a burst. */
const PACE_MS = 1_000;

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;

/** A receiver that refuses for 8 minutes is taken at its word; one that does not answer may be back tomorrow. */
const MOST_REFUSALS = 10;

interface Waiting {
  readonly id: string;
  readonly notification: Notification;
  refusals: number;
}

export function createCourier(parts: CourierParts): Courier {
  const { time, format, sender, send, trouble, newId, keep } = parts;
  const stop = new AbortController();
  let waiting: readonly Waiting[] = [];
  let delivered = parts.told;
  let dropped = 0;
  let isBusy = false;

  async function deliverAll() {
    isBusy = true;
    try {
      await deliverEach();
    } finally {
      isBusy = false;
    }
  }

  async function deliverEach() {
    let failures = 0;
    for (let first = waiting[0]; first !== undefined && !stop.signal.aborted; first = waiting[0]) {
      const message = messageOf(first.id, first.notification);
      const answer = await send(format(message, sender, delivered), stop.signal);
      if (stop.signal.aborted) return;
      failures = answer.ok ? 0 : failures + 1;
      const pauseMs = answer.ok ? PACE_MS : backoffMs(failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
      settle(first, answer, pauseMs);
      await time.sleep(pauseMs, stop.signal);
    }
  }

  function settle(sent: Waiting, answer: Delivery, pauseMs: number) {
    if (answer.ok) {
      waiting = waiting.filter((each) => each !== sent);
      delivered = sent.notification.now;
      keep(delivered);
      trouble.worked();
      return;
    }
    sent.refusals += answer.cause === 'refused' ? 1 : 0;
    const isGivenUp = sent.refusals >= MOST_REFUSALS && waiting.includes(sent);
    if (isGivenUp) {
      waiting = waiting.filter((each) => each !== sent);
      dropped += 1;
    }
    trouble.failed(answer, isGivenUp ? undefined : pauseMs, { waiting: waiting.length, dropped });
  }

  return {
    post(notification) {
      waiting = [...waiting, { id: newId(), notification, refusals: 0 }];
      dropped += Math.max(0, waiting.length - MOST_WAITING);
      waiting = waiting.slice(-MOST_WAITING);
      // a defect must not end the watch: the queue is tried again with the next notification
      if (!isBusy) deliverAll().catch(() => undefined);
    },
    close: () => stop.abort(),
  };
}
