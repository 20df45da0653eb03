/**
 * Reads what an MQTT server sends, packet by packet, with a bound on what is stored of it. The libraries store every
 * packet completely before they examine it, up to the 256 MB that its length may announce; a client that only
 * subscribes needs a few hundred bytes of each.
 */

/** MQTT 3.1.1, table 2.1: the packets that a server sends to a client that subscribes at QoS 0 and publishes at QoS 1. */
const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;
const UNSUBACK = 11;
const PINGRESP = 13;

const NAMES: readonly string[] = (
  'reserved connect connack publish puback pubrec pubrel pubcomp subscribe suback unsubscribe unsuback pingreq ' +
  'pingresp disconnect reserved'
).split(' ');

/** The name of this packet type. */
export function packetName({ type }: Pick<Header, 'type'>): string {
  return NAMES[type] ?? 'reserved';
}

/** The fixed header (MQTT 3.1.1, 2.2); `length` is that of what follows it, in bytes. */
export interface Header {
  readonly type: number;
  readonly flags: number;
  readonly length: number;
}

export type Inbound =
  | { readonly kind: 'packet'; readonly header: Header; readonly body: Buffer }
  /** longer than the reader stores: its body is skipped, and reading continues after it */
  | { readonly kind: 'skipped'; readonly header: Header }
  /** an unexpected packet: nothing after it is read */
  | { readonly kind: 'unexpected'; readonly header: Header }
  /** the length has a fifth byte (2.2.3): nothing after it can be read */
  | { readonly kind: 'malformed' };

export interface PacketReader {
  /**
   * The packets that end in this chunk, read one by one on demand; anything that is not a packet is reported as soon as
   * its fixed header is complete. Each chunk has to be read to its end before the next one.
   */
  read(chunk: Buffer): Generator<Inbound, void, undefined>;
  /** A packet has begun and not ended yet. */
  isAmidst(): boolean;
}

/** Reads the packets that are expected, and stores no more than `longest` bytes of each after its fixed header. */
export function createPacketReader(longest: number, isExpected: (header: Header) => boolean): PacketReader {
  let state: 'first byte' | 'length' | 'body' | 'skip' | 'lost' = 'first byte';
  let first = 0;
  let length = 0;
  let lengthBytes = 0;
  let header: Header = { type: 0, flags: 0, length: 0 };
  /** of the body, or of what is skipped */
  let missing = 0;
  let body: Buffer = Buffer.alloc(0);

  /** What is known once the fixed header has been read. */
  function afterHeader(): Inbound | undefined {
    header = { type: first >> 4, flags: first & 0x0f, length };
    missing = length;
    if (!isExpected(header)) {
      state = 'lost';
      return { kind: 'unexpected', header };
    }
    if (length > longest) {
      state = 'skip';
      return { kind: 'skipped', header };
    }
    body = Buffer.allocUnsafe(length);
    state = length > 0 ? 'body' : 'first byte';
    return length > 0 ? undefined : { kind: 'packet', header, body };
  }

  return {
    isAmidst: () => state !== 'first byte',
    *read(chunk) {
      let at = 0;
      while (at < chunk.length) {
        switch (state) {
          case 'first byte':
            first = chunk[at++] ?? 0;
            length = 0;
            lengthBytes = 0;
            state = 'length';
            break;
          case 'length': {
            const byte = chunk[at++] ?? 0;
            length += (byte & 0x7f) * 128 ** lengthBytes;
            lengthBytes += 1;
            if ((byte & 0x80) === 0) {
              const inbound = afterHeader();
              if (inbound !== undefined) yield inbound;
            } else if (lengthBytes === 4) {
              state = 'lost';
              yield { kind: 'malformed' };
            }
            break;
          }
          case 'body': {
            const taken = Math.min(missing, chunk.length - at);
            chunk.copy(body, length - missing, at, at + taken);
            at += taken;
            missing -= taken;
            if (missing > 0) break;
            state = 'first byte';
            yield { kind: 'packet', header, body };
            break;
          }
          case 'skip': {
            const taken = Math.min(missing, chunk.length - at);
            at += taken;
            missing -= taken;
            if (missing === 0) state = 'first byte';
            break;
          }
          case 'lost':
            return;
        }
      }
    },
  };
}

/** The header of a CONNACK (3.2), with the return code in the second byte of its body. */
export function isConnack({ type, flags, length }: Header): boolean {
  return type === CONNACK && flags === 0 && length === 2;
}

/** The header of the answer to a PUBLISH at QoS 1 (3.4): packet identifier. */
export function isPuback({ type, flags, length }: Header): boolean {
  return type === PUBACK && flags === 0 && length === 2;
}

/** The header of the answer to a SUBSCRIBE of so many topics (3.9): packet identifier, and a return code for each. */
export function isSuback({ type, flags, length }: Header, topics: number): boolean {
  return type === SUBACK && flags === 0 && length === 2 + topics;
}

/** The header of the answer to an UNSUBSCRIBE (3.11): packet identifier. */
export function isUnsuback({ type, flags, length }: Header): boolean {
  return type === UNSUBACK && flags === 0 && length === 2;
}

/** The header of a message for a subscription at QoS 0 (3.3). */
export function isMessage({ type, flags }: Header): boolean {
  return type === PUBLISH && (flags & 0b1110) === 0;
}

/** The header of the answer to a PINGREQ (3.13). */
export function isPingresp({ type, flags, length }: Header): boolean {
  return type === PINGRESP && flags === 0 && length === 0;
}

export interface Publish {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
}

/** The content of a message at QoS 0; undefined: its topic does not end within it. */
export function publishOf({ flags }: Header, body: Buffer): Publish | undefined {
  if (body.length < 2) return undefined;
  const end = 2 + body.readUInt16BE(0);
  if (end > body.length) return undefined;
  return {
    topic: body.toString('utf8', 2, end),
    payload: body.subarray(end),
    retained: (flags & 1) === 1,
  };
}
