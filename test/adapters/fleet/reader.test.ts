/** Reading a fleet from brokers that drop messages, answer late, or make gateways up: over real sockets. */

import { createServer, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { publishedState } from '../../../lab/fleet.ts';
import { createKeptGateways } from '../../../src/adapters/fleet/kept-gateways.ts';
import { createFleetReader } from '../../../src/adapters/fleet/reader.ts';

const STATE = await publishedState('bridge_up');

const undoes: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of undoes.splice(0).toReversed()) await undo();
});

type Retained = (topics: readonly string[], pass: number) => readonly { topic: string; payload: string }[];

/** A broker that answers each subscription with what `retained` says, and may drop its answer to the ping after it. */
async function broker(retained: Retained, dropsPong: (pass: number) => boolean = () => false) {
  let passes = 0;
  const subscribed: string[][] = [];
  const answer = (socket: Socket, packet: Packet) => {
    if (packet.cmd === 'connect') {
      socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
    } else if (packet.cmd === 'subscribe') {
      passes += 1;
      const topics = packet.subscriptions.map(({ topic }) => topic);
      subscribed.push(topics);
      for (const { topic, payload } of retained(topics, passes)) {
        socket.write(generate({ cmd: 'publish', topic, payload, qos: 0, retain: true, dup: false }));
      }
      socket.write(
        generate({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: topics.map(() => 0) }),
      );
    } else if (packet.cmd === 'unsubscribe') {
      socket.write(generate({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] }));
    } else if (packet.cmd === 'pingreq' && !dropsPong(passes)) {
      socket.write(generate({ cmd: 'pingresp' }));
    }
  };
  const server = createServer((socket) => {
    const reading = parser();
    reading.on('packet', (packet: Packet) => answer(socket, packet));
    socket.on('data', (chunk) => reading.parse(chunk)).on('error', () => undefined);
    undoes.push(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undoes.push(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const kept = createKeptGateways();
  const reader = createFleetReader(
    {
      url: { tls: false, host: '127.0.0.1', port },
      topic: 'fleet/+',
      credentials: undefined,
      ca: undefined,
      identity: undefined,
    },
    kept,
  );
  undoes.push(() => reader.close());
  const read = await reader.read();
  if (!read.ok) throw new Error(read.end.kind);
  return { kept, reading: read.reading, subscribed };
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `fleet/edge-${index}`);
const states = (topics: readonly string[]) =>
  topics.map((topic) => ({ topic: `${topic}/state`, payload: STATE }));
const online = (topics: readonly string[]) =>
  topics.map((topic) => ({ topic: `${topic}/availability`, payload: 'online' }));

describe('a fleet', () => {
  it('is read in two passes if nothing is dropped', async () => {
    const { kept, reading, subscribed } = await broker(([topic]) =>
      topic === 'fleet/+/state' ? states(names(50)) : online(names(50)),
    );
    expect(reading).toEqual({ isComplete: true, skipped: 0 });
    expect(kept.count()).toBe(50);
    expect(subscribed).toEqual([['fleet/+/availability'], ['fleet/+/state']]);
  });

  it('is completed by name where the broker drops the same states each time', async () => {
    const { kept, reading } = await broker((topics) => {
      const [first = ''] = topics;
      if (first === 'fleet/+/availability') return online(names(1_000));
      if (first === 'fleet/+/state') return states(names(30));
      return topics.map((topic) => ({ topic, payload: STATE }));
    });
    expect(reading.isComplete).toBe(true);
    expect(kept.without('state')).toEqual([]);
  });

  it('is asked for by fewer names at a time where the broker drops also some of those', async () => {
    const { kept, reading } = await broker((topics) => {
      const [first = ''] = topics;
      if (first === 'fleet/+/availability') return online(names(300));
      if (first === 'fleet/+/state') return states(names(30));
      return topics.slice(0, 100).map((topic) => ({ topic, payload: STATE }));
    });
    expect(reading.isComplete).toBe(true);
    expect(kept.without('state')).toEqual([]);
  });

  it('is asked for again where also the answer to the ping is dropped', async () => {
    let pings = 0;
    const { reading } = await broker(
      ([topic]) => (topic === 'fleet/+/state' ? states(names(5)) : online(names(5))),
      () => {
        pings += 1;
        return pings % 2 === 1;
      },
    );
    expect(reading.isComplete).toBe(true);
  });

  it('that is another one in each pass may be incomplete, and is not read forever', async () => {
    const { reading, subscribed } = await broker(([topic], pass) =>
      topic === 'fleet/+/availability' ? online([`fleet/made-up-${pass}`]) : [],
    );
    expect(reading.isComplete).toBe(false);
    expect(subscribed.length).toBeLessThan(20);
  });

  it('that has no availability is complete once a pass over the states brings nothing new', async () => {
    const { kept, reading } = await broker(([topic], pass) =>
      topic === 'fleet/+/state' ? states(names(pass < 3 ? 10 : 40)) : [],
    );
    expect(reading.isComplete).toBe(true);
    expect(kept.count()).toBe(40);
  });
});
