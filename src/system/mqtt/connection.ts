/**
 * One connection to an MQTT 3.1.1 broker: subscribes at QoS 0, publishes retained messages at QoS 1, and bounds all
 * input: the bytes that it stores of a packet, the packets that it expects, the packets that it reads per time, the time
 * that each answer may take.
 */

import { randomBytes } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { generate, writeToStream } from 'mqtt-packet';
import type { BrokerUrl } from '../../core/model/settings.ts';
import { monotonicMs } from '../monotonic.ts';
import { createPacketReader, type Publish } from '../mqtt-packets.ts';
import { startTimer } from '../timer.ts';
import { createDeadlines, KEEPALIVE_MS } from './deadlines.ts';
import {
  type Awaited,
  awaitedFromStart,
  type ConnectionEnd,
  isExpected,
  type Meaning,
  meaningOf,
} from './meaning.ts';
import { createPace } from './pace.ts';

export type { ConnectionEnd } from './meaning.ts';

// otherwise the first packet creates a buffer for each number up to 65,535 and keeps them: ten megabytes
writeToStream.cacheNumbers = false;

export interface ConnectionOptions {
  readonly url: BrokerUrl;
  /** the client id is this and a random part */
  readonly client: string;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  /** PEM; what a TLS listener is verified with; undefined: the public authorities */
  readonly ca: Buffer | undefined;
  /** PEM; for a listener that requires a client certificate */
  readonly identity?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** what the broker publishes, retained, when this connection is lost */
  readonly will?: Message | undefined;
  /** bytes after the fixed header: longer messages are skipped */
  readonly longestPacket: number;
  /** how long the TCP connection may take; undefined: as long as any silence */
  readonly connectMs?: number | undefined;
  /** read no faster than a daemon on a small gateway should */
  readonly isPaced: boolean;
  readonly onLoggedIn: (connection: Connection) => void;
  /** may be called before the answer to the subscription (MQTT 3.1.1, 3.8.4) */
  readonly onMessage: (message: Publish) => void;
  /** a message longer than `longestPacket` has begun; its topic is not known */
  readonly onSkipped: () => void;
  /** whether each topic of the subscription with this identifier was granted, in their order */
  readonly onSubscribed: (id: number, granted: readonly boolean[]) => void;
  /** the broker has taken over the message with this identifier */
  readonly onPublished?: ((id: number) => void) | undefined;
  /** the broker has read everything that was sent before the ping */
  readonly onPong?: (() => void) | undefined;
  /** called once, unless it is closed before; no callback follows it */
  readonly onEnd: (end: ConnectionEnd) => void;
}

export interface Message {
  readonly topic: string;
  /** an empty one removes what is retained */
  readonly payload: string;
}

export interface Connection {
  /** Subscribes at QoS 0, once it is logged in. */
  subscribe(id: number, topics: readonly string[]): void;
  unsubscribe(id: number, topics: readonly string[]): void;
  /** Publishes a retained message at QoS 1, once it is logged in. */
  publish(id: number, message: Message): void;
  /** `onPong` is called when it is answered. */
  ping(): void;
  /** Whether data has arrived that has not been read completely. */
  isBehind(): boolean;
  /** Logs out, after this message. Resolves when the connection is gone, within {@link FAREWELL_MS}. */
  close(farewell?: Message): Promise<void>;
}

const FAREWELL_MS = 200;

/** One buffer for all input, used repeatedly: a long message creates no garbage. */
const BUFFER_BYTES = 16 * 1_024;

/** The packet identifier of a farewell, whose answer is not waited for. */
const FAREWELL_ID = 0xffff;

type Packet = Parameters<typeof generate>[0];

function loginOf({ client, credentials, will }: ConnectionOptions): Packet {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    // 3.1.1: supported by every broker
    protocolVersion: 4,
    clean: true,
    clientId: `${client}-${randomBytes(6).toString('hex')}`,
    keepalive: KEEPALIVE_MS / 1_000,
    ...(credentials && { username: credentials.username, password: Buffer.from(credentials.password) }),
    ...(will && { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true } }),
  };
}

function publishPacket(messageId: number, { topic, payload }: Message): Packet {
  return { cmd: 'publish', topic, payload, qos: 1, retain: true, dup: false, messageId };
}

/** Connects and logs in; what comes then is the caller's. */
export function openConnection(options: ConnectionOptions): Connection {
  const awaited = awaitedFromStart();
  const reader = createPacketReader(options.longestPacket, (header) => isExpected(awaited, header));
  const socket = connect(options, read);
  let isOver = false;
  const pace = options.isPaced ? createPace(socket) : undefined;
  /** those that are not answered yet, and whether the caller waits for the answer */
  const pings: boolean[] = [];
  const deadlines = createDeadlines(socket, options.connectMs, () => ping(false), end);

  function end(why: ConnectionEnd) {
    if (isOver) return;
    finish();
    socket.destroy();
    options.onEnd(why);
  }

  function finish() {
    isOver = true;
    pace?.stop();
    deadlines.stop();
  }

  function send(packet: Packet) {
    if (socket.writable) socket.write(generate(packet));
  }

  function ping(isAwaited: boolean) {
    pings.push(isAwaited);
    send({ cmd: 'pingreq' });
  }

  function read(chunk: Buffer) {
    const beganMs = monotonicMs();
    for (const inbound of reader.read(chunk)) {
      const meaning = meaningOf(inbound, awaited);
      if (meaning.kind === 'over') end(meaning.why);
      else take(meaning);
      if (isOver) return;
    }
    pace?.charge(chunk.length, monotonicMs() - beganMs);
  }

  function take(meaning: Exclude<Meaning, { kind: 'over' }>) {
    // an answer to a subscription may be dropped by a broker that has too much to send
    if (meaning.kind === 'subscribed' || meaning.kind === 'pong') deadlines.listening();
    if (meaning.kind === 'pong' && pings.shift() !== true) return;
    settle(awaited, meaning);
    tell(options, connection, meaning);
  }

  const connection: Connection = {
    subscribe(id, topics) {
      awaited.subscriptions.set(id, topics.length);
      const subscriptions = topics.map((topic) => ({ topic, qos: 0 as const }));
      send({ cmd: 'subscribe', messageId: id, subscriptions });
    },
    unsubscribe(id, topics) {
      awaited.unsubscriptions.add(id);
      send({ cmd: 'unsubscribe', messageId: id, unsubscriptions: [...topics] });
    },
    publish(id, message) {
      awaited.publications.add(id);
      send(publishPacket(id, message));
    },
    ping: () => ping(true),
    isBehind: () => pace?.isPausing() === true || reader.isAmidst(),
    async close(farewell) {
      if (isOver) return;
      finish();
      await closeGracefully(socket, awaited.isLoggedIn ? farewell : undefined);
    },
  };

  socket.on(options.url.tls ? 'secureConnect' : 'connect', () => {
    deadlines.connected();
    send(loginOf(options));
  });
  socket.on('error', (error) => end({ kind: 'failed', error }));
  for (const event of ['end', 'close'] as const) socket.on(event, () => end({ kind: 'closed' }));
  return connection;
}

/** What is no longer awaited. */
function settle(awaited: Awaited, meaning: Meaning) {
  if (meaning.kind === 'logged_in') awaited.isLoggedIn = true;
  else if (meaning.kind === 'subscribed') awaited.subscriptions.delete(meaning.id);
  else if (meaning.kind === 'unsubscribed') awaited.unsubscriptions.delete(meaning.id);
  else if (meaning.kind === 'published') awaited.publications.delete(meaning.id);
}

function tell(
  options: ConnectionOptions,
  connection: Connection,
  meaning: Exclude<Meaning, { kind: 'over' }>,
) {
  switch (meaning.kind) {
    case 'logged_in':
      return options.onLoggedIn(connection);
    case 'subscribed':
      return options.onSubscribed(meaning.id, meaning.granted);
    case 'published':
      return options.onPublished?.(meaning.id);
    case 'message':
      return options.onMessage(meaning.message);
    case 'skipped':
      return options.onSkipped();
    case 'pong':
      return options.onPong?.();
    case 'unsubscribed':
      return undefined;
  }
}

/** `error` stays subscribed for a reset or an alert that arrives late. */
function closeGracefully(socket: Socket, farewell: Message | undefined): Promise<void> {
  return new Promise((resolve) => {
    const late = startTimer(() => socket.destroy(), FAREWELL_MS);
    socket.once('close', () => {
      clearTimeout(late);
      resolve();
    });
    if (socket.connecting || !socket.writable) return void socket.destroy();
    if (farewell !== undefined) socket.write(generate(publishPacket(FAREWELL_ID, farewell)));
    socket.end(generate({ cmd: 'disconnect' }), () => socket.destroy());
  });
}

function connect(
  { url: { tls, host, port }, ca, identity }: ConnectionOptions,
  read: (chunk: Buffer) => void,
): Socket {
  const onread = {
    buffer: Buffer.alloc(BUFFER_BYTES),
    callback(bytes: number, buffer: Uint8Array) {
      read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
      return true;
    },
  };
  if (!tls) return connectTcp({ host, port, onread });
  // an address must not be sent as a name (RFC 6066, 3); it is verified all the same
  const servername = isIP(host) === 0 ? host : '';
  const options = {
    host,
    port,
    onread,
    servername,
    rejectUnauthorized: true,
    ...identity,
    ...(ca && { ca }),
  };
  return connectTls(options);
}
