/**
 * What the watcher itself publishes through the connection that listens for bridges: retained messages, and a topic that
 * says whether it is there. It reads its own topics back: a broker that forbids a client to publish does not say so in
 * MQTT 3.1.1, and the will of a connection that was lost may arrive after the next one has begun.
 */

import { monotonicMs } from '../../system/monotonic.ts';
import type { Connection, Message } from '../../system/mqtt/connection.ts';
import type { Publish } from '../../system/mqtt-packets.ts';
import { createOutbox } from './outbox.ts';
import { failure, type Trouble } from './trouble.ts';

export interface VoiceOptions {
  /** says whether the watcher is there */
  readonly presence: { readonly topic: string; readonly here: string; readonly gone: string };
  /** further topics of our own that are read back */
  readonly topics: readonly string[];
  /** what is retained at one of `topics`, or has just been published there */
  readonly onHeard: (message: Message) => void;
}

export interface Voice {
  /** published when the connection is lost, and before it is closed */
  readonly farewell: Message;
  /** bytes of the longest message of interest at one of our own topics, after the fixed header */
  readonly longestPacket: number;
  /** Keeps this message published, over all connections. */
  put(message: Message): void;
  /** A connection is ready. */
  begin(connection: Connection): void;
  /** Handles a message; returns whether it was at one of our own topics. */
  take(message: Publish): boolean;
  published(id: number): void;
  /** The connection is gone. */
  end(): void;
  /** Why what is put may not be published, although the connection is there. */
  trouble(): Trouble | undefined;
}

/** A topic of ours contains nothing longer than another topic. */
const LONGEST_PAYLOAD = 1_024;

/** The identifier of our own subscription; that of bridges has 1. */
const OWN_SUBSCRIPTION = 2;

/** What a broker has taken over is read back by then. */
const ECHO_MS = 10_000;

export function createVoice({ presence, topics, onHeard }: VoiceOptions): Voice {
  const { topic, here, gone } = presence;
  const farewell = { topic, payload: gone };
  const own = [topic, ...topics];
  /** since when the broker should have shown us our own presence */
  let unheardMs: number | undefined;

  const outbox = createOutbox((published) => {
    if (published === topic) unheardMs ??= monotonicMs();
  });
  outbox.put({ topic, payload: here });

  return {
    farewell,
    longestPacket: 2 + Math.max(...own.map((each) => Buffer.byteLength(each))) + LONGEST_PAYLOAD,
    put: outbox.put,
    begin(connection) {
      unheardMs = undefined;
      connection.subscribe(OWN_SUBSCRIPTION, own);
      outbox.begin(connection.publish);
    },
    take({ topic: heard, payload, retained }) {
      if (!own.includes(heard)) return false;
      const text = payload.toString('utf8');
      if (heard !== topic) onHeard({ topic: heard, payload: text });
      else if (text === here) unheardMs = Number.POSITIVE_INFINITY;
      // what was retained before is about to be replaced anyway
      else if (!retained) outbox.repeat(topic);
      return true;
    },
    published: outbox.published,
    end() {
      unheardMs = undefined;
      outbox.end();
    },
    trouble() {
      const overdue = outbox.overdue();
      if (overdue !== undefined) {
        const problem = `the broker does not confirm what is published at ${overdue}`;
        return failure(problem, 'see the log of the broker');
      }
      if (unheardMs === undefined || monotonicMs() - unheardMs < ECHO_MS) return undefined;
      const problem = `the broker does not show what was published at ${topic}: it may forbid to write or to read there`;
      const hint = `let the user of BROKER_CREDENTIALS_FILE do both (topic readwrite ${topic.replace(/\/[^/]*$/, '')}/# in the acl_file)`;
      return failure(problem, hint);
    },
  };
}
