/** What a packet from a broker means, given what has been sent to it. */

import {
  type Header,
  type Inbound,
  isConnack,
  isMessage,
  isPingresp,
  isPuback,
  isSuback,
  isUnsuback,
  type Publish,
  packetName,
  publishOf,
} from '../mqtt-packets.ts';

/** SUBACK's failure code, MQTT 3.1.1, 3.9.3 */
const SUBSCRIPTION_REFUSED = 0x80;

/** Why the connection has ended. */
export type ConnectionEnd =
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'closed' }
  /** with CONNACK's return code, MQTT 3.1.1, table 3.1 */
  | { readonly kind: 'login_refused'; readonly code: number }
  | { readonly kind: 'not_mqtt'; readonly problem: string }
  | { readonly kind: 'silent'; readonly problem: string };

/** What has been sent and not been answered yet. */
export interface Awaited {
  isLoggedIn: boolean;
  /** the number of topics of each subscription, by its identifier */
  readonly subscriptions: Map<number, number>;
  readonly unsubscriptions: Set<number>;
  readonly publications: Set<number>;
}

export function awaitedFromStart(): Awaited {
  return {
    isLoggedIn: false,
    subscriptions: new Map(),
    unsubscriptions: new Set(),
    publications: new Set(),
  };
}

/** Messages may arrive before the answer to SUBSCRIBE (MQTT 3.1.1, 3.8.4); everything else answers something. */
export function isExpected(awaited: Awaited, header: Header): boolean {
  const { isLoggedIn, subscriptions, unsubscriptions, publications } = awaited;
  if (!isLoggedIn) return isConnack(header);
  return (
    isMessage(header) ||
    isPingresp(header) ||
    (isPuback(header) && publications.size > 0) ||
    (isUnsuback(header) && unsubscriptions.size > 0) ||
    [...subscriptions.values()].some((topics) => isSuback(header, topics))
  );
}

/** The meaning of a packet from the broker. */
export type Meaning =
  | { readonly kind: 'over'; readonly why: ConnectionEnd }
  | { readonly kind: 'logged_in' | 'skipped' | 'pong' }
  | { readonly kind: 'subscribed'; readonly id: number; readonly granted: readonly boolean[] }
  | { readonly kind: 'published' | 'unsubscribed'; readonly id: number }
  | { readonly kind: 'message'; readonly message: Publish };

/** Judges a packet, whose header was expected, by what has been sent. */
export function meaningOf(inbound: Inbound, awaited: Awaited): Meaning {
  const { subscriptions, unsubscriptions, publications } = awaited;
  const notMqtt = (problem: string): Meaning => ({ kind: 'over', why: { kind: 'not_mqtt', problem } });
  if (inbound.kind === 'malformed') return notMqtt('a packet without an end');
  const { kind, header } = inbound;
  if (kind === 'unexpected') {
    return notMqtt(`a ${packetName(header)} of ${header.length} bytes where none belongs`);
  }
  if (kind === 'skipped') return { kind };
  const { body } = inbound;
  if (isMessage(header)) {
    const message = publishOf(header, body);
    return message === undefined ? notMqtt('a publish whose topic has no end') : { kind: 'message', message };
  }
  if (isConnack(header)) {
    const code = body[1] ?? 0;
    return code === 0 ? { kind: 'logged_in' } : { kind: 'over', why: { kind: 'login_refused', code } };
  }
  if (isPingresp(header)) return { kind: 'pong' };
  const id = body.readUInt16BE(0);
  if (isPuback(header)) {
    return publications.has(id) ? { kind: 'published', id } : notMqtt('a puback that answers nothing');
  }
  if (isUnsuback(header)) {
    return unsubscriptions.has(id)
      ? { kind: 'unsubscribed', id }
      : notMqtt('an unsuback that answers nothing');
  }
  const granted = [...body.subarray(2)].map((code) => code !== SUBSCRIPTION_REFUSED);
  return subscriptions.get(id) === granted.length
    ? { kind: 'subscribed', id, granted }
    : notMqtt('a suback that was not asked for');
}
