/** A publisher and a subscriber that use two brokers at once, as a pair for high availability is used. */

import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type MqttClient } from 'mqtt';
import { until } from '../../lab/until.ts';

const TOPIC = 'test/numbers';
const EVERY_MS = 25;
const RECONNECT_MS = 100;

export interface Tally {
  readonly sent: number;
  /** numbers that came through neither broker */
  readonly lost: readonly number[];
  /** of each broker, how many numbers did not come through it */
  readonly missed: readonly number[];
}

/**
 * Sends numbers through every broker until it is stopped, and counts what arrives. It begins when everybody is
 * connected to every broker.
 */
export async function startRedundantMessages(ports: readonly number[]): Promise<{ stop(): Promise<Tally> }> {
  const sides = await Promise.all(
    ports.map(async (port) => ({
      publisher: await connected(port),
      subscriber: await connected(port),
      heard: new Set<number>(),
    })),
  );
  for (const { subscriber, heard } of sides) {
    subscriber.on('message', (_topic, payload) => heard.add(Number(payload.toString())));
    await subscriber.subscribeAsync(TOPIC, { qos: 1 });
  }
  let isStopped = false;
  let sent = 0;
  const sending = (async () => {
    while (!isStopped) {
      for (const { publisher } of sides) {
        if (publisher.connected) publisher.publish(TOPIC, String(sent), { qos: 1 });
      }
      sent += 1;
      await sleep(EVERY_MS);
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await sending;
      // what was sent last has come through every broker that is there; what was sent before came before
      await until('the last message', () => sides.every(({ heard }) => heard.has(sent - 1)));
      await Promise.all(
        sides.flatMap(({ publisher, subscriber }) => [publisher.endAsync(true), subscriber.endAsync(true)]),
      );
      const numbers = Array.from({ length: sent }, (_, number) => number);
      return {
        sent,
        lost: numbers.filter((number) => !sides.some(({ heard }) => heard.has(number))),
        missed: sides.map(({ heard }) => sent - heard.size),
      };
    },
  };
}

async function connected(port: number): Promise<MqttClient> {
  const client = connect({
    host: '127.0.0.1',
    port,
    protocolVersion: 4,
    reconnectPeriod: RECONNECT_MS,
    queueQoSZero: false,
  });
  client.on('error', () => undefined);
  await new Promise<void>((resolve) => client.once('connect', () => resolve()));
  return client;
}
