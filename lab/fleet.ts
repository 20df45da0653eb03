/** A fleet of gateways as their watchers publish it: states that the real core has come to, with times of today. */

import { connect, type MqttClient } from 'mqtt';
import { stateDocument, stateText } from '../src/surfaces/mqtt/state-document.ts';
import { situation } from './situations.ts';
import { until } from './until.ts';

/** Of a hundred gateways, so many are in this situation, and the others are well. */
const TROUBLES: Readonly<Record<string, number>> = {
  rejected: 1,
  expired: 1,
  bridge_down: 2,
  expiring: 3,
  engine_down: 1,
  not_stable: 1,
};

export interface GatewaySpec {
  readonly topic: string;
  readonly situation: string;
}

/** The topics of a fleet, with the situation of each. */
export function fleetOf(count: number): readonly GatewaySpec[] {
  const situations = Object.entries(TROUBLES).flatMap(([name, share]) =>
    Array.from({ length: share }, () => name),
  );
  return Array.from({ length: count }, (_, index) => ({
    topic: `cert-watcher/edge-${index + 1}`,
    situation: situations[index % 100] ?? 'bridge_up',
  }));
}

/** What a watcher in this situation publishes, as if that had been just now. */
export async function publishedState(name: string, nowMs = Date.now()): Promise<string> {
  const { snapshot, now } = await situation(name);
  const text = stateText(stateDocument(snapshot, '1.2.3', now));
  const shiftMs = nowMs - now.wallMs;
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (time) =>
    new Date(Date.parse(time) + shiftMs).toISOString(),
  );
}

export interface Publisher {
  publish(topic: string, payload: string | Buffer): Promise<void>;
  /** Publishes what a watcher in this situation does. */
  gateway(spec: GatewaySpec, availability?: 'online' | 'offline'): Promise<void>;
  /** The whole fleet. */
  fleet(specs: readonly GatewaySpec[]): Promise<void>;
  end(): Promise<void>;
}

/** A client that publishes retained messages at a broker on this machine. */
export async function connectPublisher(
  port: number,
  login: { readonly username?: string; readonly password?: string } = {},
): Promise<Publisher> {
  const client: MqttClient = connect({ protocol: 'mqtt', host: '127.0.0.1', port, ...login });
  await until('the publisher to be connected', () => client.connected);
  const states = new Map<string, Promise<string>>();
  const stateOf = (name: string) => {
    const known = states.get(name) ?? publishedState(name);
    states.set(name, known);
    return known;
  };
  const publish = async (topic: string, payload: string | Buffer) => {
    await client.publishAsync(topic, payload, { qos: 1, retain: true });
  };
  const gateway: Publisher['gateway'] = async ({ topic, situation: name }, availability = 'online') => {
    await publish(`${topic}/availability`, availability);
    await publish(`${topic}/state`, await stateOf(name));
  };
  return {
    publish,
    gateway,
    async fleet(specs) {
      // fewer than a broker queues: it drops its own answers, too
      const atOnce = 100;
      for (let at = 0; at < specs.length; at += atOnce) {
        await Promise.all(specs.slice(at, at + atOnce).map((spec) => gateway(spec)));
      }
    },
    end: () => client.endAsync(true),
  };
}
