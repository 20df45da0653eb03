/**
 * The listeners of brokers as configured, and what they prove: whether a signal was enough, or what is presented after a
 * restart. Loaded only with BROKER_URL or MOSQUITTO_CONF: a gateway has little memory.
 */

import { resolve } from 'node:path';
import { type BridgeClient, createBridgeListener } from '../adapters/broker-listener/bridges.ts';
import { lookAtListener, presentedLeaf } from '../adapters/broker-listener/certificate.ts';
import type { Voice } from '../adapters/broker-listener/voice.ts';
import type { Clock } from '../adapters/clock.ts';
import {
  type BrokerUrl,
  comparesSetsAt,
  isComparedAt,
  listenerOf,
  namesOf,
  type Settings,
} from '../core/model/settings.ts';
import { hostPort } from '../core/text/address.ts';
import { withListenerProof } from '../rollout/listener-proof.ts';
import type { BridgeListener, Broker, Rollout } from '../rollout/rollout.ts';
import { createSetsRollout, type LookAtListener, lookAtListeners } from '../rollout/sets.ts';
import { createSignalFirst, type Signallable } from '../rollout/signal.ts';

/** A broker's listener as configured: its bridges, and the certificate that it presents. */
export interface Listener extends BridgeListener, BridgeClient {
  readonly url: BrokerUrl;
  /** see {@link presentedLeaf} */
  presentedLeaf(): Promise<string | undefined>;
}

/** One for each BROKER_URL; the first connection publishes what `voice` does. */
export function listenersOf(settings: Settings, voice?: Voice): readonly Listener[] {
  const { brokerUrls, brokerCredentialsFile, brokerCaFile, bridgeName, caCertFile, target } = settings;
  const names = namesOf(target);
  const caFile =
    brokerCaFile ?? (caCertFile === undefined ? undefined : resolve(settings.certDir, caCertFile));
  const shared = { credentialsFile: brokerCredentialsFile, caFile, bridgeName };
  return brokerUrls.map((url, index) => ({
    ...createBridgeListener({ url, ...shared, voice: index === 0 ? voice : undefined }),
    url,
    container: names.find((name) => listenerOf(settings, name) === url),
    presentedLeaf: async () => (url.tls ? presentedLeaf(url) : undefined),
  }));
}

export interface BrokerParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly listeners: readonly Listener[];
}

/** No bridge can prove a signal where the watcher does not listen. */
const UNHEARD = { ok: false, problem: 'not listened to', hint: 'set BROKER_URL' } as const;

/** The broker `name`, signalled before `restart` if a listener of its own, or those of its sets, may prove that to be enough. */
export function withSignal(
  { settings, clock, listeners }: BrokerParts,
  name: string,
  broker: Signallable & Pick<Broker, 'inspect'>,
  restart: Rollout,
): Broker {
  const { inspect } = broker;
  const listener = listeners.find((each) => each.container === name);
  if (settings.mosquittoConf !== undefined) {
    if (!comparesSetsAt(settings, name)) return { inspect, rollout: restart };
    // of several brokers with one configuration, each is reached at its own address
    const look: LookAtListener = ({ host, port }) =>
      lookAtListener({ host: listener?.url.host ?? host, port, tls: true });
    const sight = listener?.sight ?? (() => UNHEARD);
    return {
      inspect,
      rollout: createSetsRollout({ broker, clock, settings, sight, look }, restart),
      presentedBy: (sets) => lookAtListeners(look, sets),
    };
  }
  if (listener === undefined) return { inspect, rollout: restart };
  const signalFirst = (then: Rollout) => createSignalFirst({ ...listener, broker, clock, settings }, then);
  if (!isComparedAt(settings, name)) return { inspect, rollout: signalFirst(restart) };
  const look = () => lookAtListener(listener.url);
  const where = `mqtts://${hostPort(listener.url)}`;
  const proved = withListenerProof(restart, {
    clock,
    settings,
    look: async () => ({ where, presented: await look() }),
  });
  return { inspect, rollout: signalFirst(proved), presented: look };
}
