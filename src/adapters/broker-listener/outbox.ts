/**
 * What is kept published at a broker, retained and at QoS 1: the newest payload of each topic. One message is on its way
 * at a time, and one a second at most for each topic, over all connections.
 */

import { monotonicMs } from '../../system/monotonic.ts';
import type { Message } from '../../system/mqtt/connection.ts';
import { startTimer } from '../../system/timer.ts';

const BETWEEN_MS = 1_000;

/** A broker that has not taken over a message by then is reported. */
const OVERDUE_MS = 30_000;

interface Kept {
  payload: string;
  /** whether this connection has carried this payload */
  isSent: boolean;
  sentMs: number;
}

export interface Outbox {
  /** Replaces the payload of a topic; an empty one removes what is retained. */
  put(message: Message): void;
  /** Publishes the topic once more: something else is retained there. */
  repeat(topic: string): void;
  /** A connection is ready: everything is published again. */
  begin(send: (id: number, message: Message) => void): void;
  /** The broker has taken over the message with this identifier. */
  published(id: number): void;
  /** The topic whose message the broker has not taken over for too long. */
  overdue(): string | undefined;
  /** The connection is gone. */
  end(): void;
}

/** `onPublished` is called with each message that the broker has taken over. */
export function createOutbox(onPublished: (topic: string) => void): Outbox {
  const kept = new Map<string, Kept>();
  let send: ((id: number, message: Message) => void) | undefined;
  let lastId = 0;
  let underway: { readonly id: number; readonly topic: string; readonly sinceMs: number } | undefined;
  let timer: NodeJS.Timeout | undefined;

  function sendNext() {
    clearTimeout(timer);
    if (send === undefined || underway !== undefined) return;
    const due = [...kept].filter(([, { isSent }]) => !isSent);
    const waitMs = ({ sentMs }: Kept) => sentMs + BETWEEN_MS - monotonicMs();
    const ready = due.find(([, each]) => waitMs(each) <= 0);
    if (ready === undefined) {
      if (due.length > 0) timer = startTimer(sendNext, Math.min(...due.map(([, each]) => waitMs(each))));
      return;
    }
    const [topic, each] = ready;
    each.isSent = true;
    each.sentMs = monotonicMs();
    // 16 bits, not 0 (MQTT 3.1.1, 2.3.1), and not the identifier of a farewell
    lastId = (lastId % 0xfffe) + 1;
    underway = { id: lastId, topic, sinceMs: each.sentMs };
    send(lastId, { topic, payload: each.payload });
  }

  return {
    put({ topic, payload }) {
      const before = kept.get(topic);
      if (before?.payload === payload) return;
      kept.set(topic, { payload, isSent: false, sentMs: before?.sentMs ?? Number.NEGATIVE_INFINITY });
      sendNext();
    },
    repeat(topic) {
      const each = kept.get(topic);
      if (each !== undefined) each.isSent = false;
      sendNext();
    },
    begin(nextSend) {
      send = nextSend;
      for (const each of kept.values()) each.isSent = false;
      sendNext();
    },
    published(id) {
      if (underway?.id !== id) return;
      const { topic } = underway;
      underway = undefined;
      const each = kept.get(topic);
      if (each?.isSent === true && each.payload === '') kept.delete(topic);
      onPublished(topic);
      sendNext();
    },
    overdue: () =>
      underway !== undefined && monotonicMs() - underway.sinceMs > OVERDUE_MS ? underway.topic : undefined,
    end() {
      clearTimeout(timer);
      send = undefined;
      underway = undefined;
    },
  };
}
