/** The brokers that are managed: which ones there are, and how to talk to the engine about each. */

import { resolve } from 'node:path';
import { type BridgeClient, createBridgeListener } from '../adapters/broker-listener/bridges.ts';
import { lookAtListener, presentedLeaf } from '../adapters/broker-listener/certificate.ts';
import type { Voice } from '../adapters/broker-listener/voice.ts';
import type { Clock } from '../adapters/clock.ts';
import { createContainer } from '../adapters/engine/container.ts';
import { failure } from '../adapters/engine/failure.ts';
import { createLabelSearch } from '../adapters/engine/find-by-label.ts';
import { createSwarmService } from '../adapters/engine/service.ts';
import type { EngineFailure } from '../core/model/broker.ts';
import {
  type BrokerUrl,
  comparesSetsAt,
  isComparedAt,
  listenerOf,
  namesOf,
  type Settings,
  watchesBridgesAt,
} from '../core/model/settings.ts';
import { hostPort } from '../core/text/address.ts';
import { withListenerProof } from '../rollout/listener-proof.ts';
import { createRestart, createUnitRestart } from '../rollout/restart.ts';
import type { BridgeListener, Broker, BrokerList, Rollout } from '../rollout/rollout.ts';
import { createServiceUpdate } from '../rollout/service-update.ts';
import { createSetsRollout, type LookAtListener, lookAtListeners } from '../rollout/sets.ts';
import { createSignalFirst, type Signallable } from '../rollout/signal.ts';

/** A broker's listener as configured: its bridges, and the certificate that it presents. */
interface Listener extends BridgeListener, BridgeClient {
  readonly url: BrokerUrl;
  /** see {@link presentedLeaf} */
  presentedLeaf(): Promise<string | undefined>;
}

/** Where bridges are observed, according to the settings; the first connection publishes what `voice` does. */
export function bridgeListenersOf(settings: Settings, voice?: Voice): readonly Listener[] {
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

/** Those of the listeners at which the watcher logs in to see the bridges. */
export function watchedFor(settings: Settings, listeners: readonly Listener[]): readonly BridgeListener[] {
  return listeners.filter(({ url }) => watchesBridgesAt(settings, url));
}

/** The brokers that the settings name, and those of their listeners that can provide proof. */
export async function brokersOf(
  settings: Settings,
  clock: Clock,
  listeners: readonly Listener[],
): Promise<BrokerList> {
  const { target } = settings;
  const parts = { settings, clock, listeners };
  const containerCalled = (name: string) => containerBroker(parts, name);
  switch (target.kind) {
    case 'containers':
      return { ...known(target.names), of: containerCalled };
    case 'label':
      return { ...labelled(settings, target.label), of: containerCalled };
    case 'service':
      return {
        ...known([target.name]),
        of(name) {
          const service = createSwarmService(settings.engine, name);
          return { inspect: service.inspect, rollout: createServiceUpdate(service, clock) };
        },
      };
    case 'unit': {
      const unit = await unitBroker(parts, target.name);
      return { ...known([target.name]), of: () => unit };
    }
  }
}

/** Brokers that the settings name. */
function known(names: readonly string[]): Omit<BrokerList, 'of'> {
  const first = { kind: 'found', names } as const;
  return { first, list: async () => ({ ok: true, value: first }) };
}

/** Brokers that only the engine can name. */
function labelled({ engine, targetLabel }: Settings, label: string): Omit<BrokerList, 'of'> {
  const search = createLabelSearch(engine, label);
  let failed: EngineFailure | undefined;
  const missing: Broker = {
    // the engine has just been asked
    inspect: async () =>
      failed ?? failure('container_missing', `there is no container with the label ${label}`, false),
    rollout: async function* nothing() {
      // nothing is decided for a broker that is missing
    },
  };
  const nobody = { kind: 'none_found', label: targetLabel, missing } as const;
  return {
    first: nobody,
    async list(options) {
      const answer = await search(options);
      failed = answer.ok ? undefined : answer;
      if (!answer.ok) return answer;
      const { value: names } = answer;
      return { ok: true, value: names.length === 0 ? nobody : { kind: 'found', names } };
    },
  };
}

interface BrokerParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly listeners: readonly Listener[];
}

/** No bridge can prove a signal where the watcher does not listen. */
const UNHEARD = { ok: false, problem: 'not listened to', hint: 'set BROKER_URL' } as const;

/** A container is restarted, or signalled first if a listener of its own may prove that to be enough. */
function containerBroker(parts: BrokerParts, name: string): Broker {
  const { settings, clock } = parts;
  const container = createContainer(settings.engine, name);
  return withSignal(parts, name, container, createRestart(container, clock, settings));
}

/** The same for a unit of systemd. Its code is loaded only if it is needed: a gateway has little memory. */
async function unitBroker(parts: BrokerParts, name: string): Promise<Broker> {
  const { settings, clock } = parts;
  const { createUnit } = await import('../adapters/systemd/unit.ts');
  const { createSystemctl } = await import('../adapters/systemd/systemctl.ts');
  const unit = createUnit(name, createSystemctl());
  return withSignal(parts, name, unit, createUnitRestart(unit, clock, settings));
}

function withSignal(
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
