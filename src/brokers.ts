/** The brokers that are looked after: who they are, and how to speak with the engine about each. */

import { resolve } from 'node:path';
import { type BridgeWatch, createBridgeWatch } from './adapters/bridge-watch.ts';
import { systemClock } from './adapters/clock.ts';
import { type CallOptions, failure } from './adapters/engine/http.ts';
import { createLabelSearch } from './adapters/engine/labelled.ts';
import { createSwarmService } from './adapters/engine/service.ts';
import { createEngine, type Engine } from './adapters/engine.ts';
import { presentedLeaf } from './adapters/listener-certificate.ts';
import type { EngineAnswer } from './core/broker.ts';
import { type BrokerUrl, listenerOf, type Settings } from './core/settings.ts';
import { createRestart, type RestartBroker } from './restart.ts';

/** Conversation with the engine about one broker. */
export interface BrokerParts {
  readonly inspect: Engine['inspect'];
  /** how new certificates are brought to it */
  readonly way: ContainerWay | ServiceWay;
}

export interface ContainerWay {
  readonly kind: 'container';
  readonly engine: Engine;
  readonly restart: RestartBroker;
}

export interface ServiceWay {
  readonly kind: 'service';
  /** see {@link SwarmService} */
  update(fingerprint: string): Promise<EngineAnswer<undefined>>;
}

/** A place where one may listen for what a broker says of its bridges. */
export interface BridgeSource {
  /** the broker that listens there; undefined: it speaks for all of them */
  readonly container: string | undefined;
  readonly url: BrokerUrl;
  /** Begins to listen; told of every change until it is closed. */
  watch(onChange: () => void): BridgeWatch;
  /** see {@link presentedLeaf} */
  presentedLeaf(): Promise<string | undefined>;
}

/** The brokers that are looked after. */
export interface Brokers {
  /** Their names in the order in which they are restarted: at least one, if only to be told as missing. */
  list(options: CallOptions): Promise<EngineAnswer<readonly string[]>>;
  /** what they are before anybody has asked the engine */
  readonly first: readonly string[];
  of(container: string): BrokerParts;
}

/** Where the settings say that bridges are to be looked at. */
export function bridgeSourcesOf(settings: Settings): readonly BridgeSource[] {
  const { brokerUrls, brokerCredentialsFile, brokerCaFile, bridgeName, target } = settings;
  const names = target.kind === 'containers' ? target.names : [];
  const caFile = brokerCaFile ?? resolve(settings.certDir, settings.caCertFile);
  return brokerUrls.map((url) => ({
    container: names.find((container) => listenerOf({ ...settings, container }) === url),
    url,
    watch: (onChange) =>
      createBridgeWatch({ url, credentialsFile: brokerCredentialsFile, caFile, bridgeName, onChange }),
    presentedLeaf: async () => (url.tls ? presentedLeaf(url) : undefined),
  }));
}

/** The brokers that the settings name. */
export function brokersOf(settings: Settings): Brokers {
  const { target } = settings;
  switch (target.kind) {
    case 'containers':
      return {
        first: target.names,
        list: async () => ({ ok: true, value: target.names }),
        of: (container) => containerOf(settings, container),
      };
    case 'label':
      return labelledBrokers(settings, target.label);
    case 'service':
      return {
        first: [target.name],
        list: async () => ({ ok: true, value: [target.name] }),
        of(name) {
          const { inspect, update } = createSwarmService(settings.engine, name);
          return { inspect, way: { kind: 'service', update } };
        },
      };
  }
}

function containerOf(settings: Settings, container: string): BrokerParts {
  const engine = createEngine(settings.engine, container);
  const restart = createRestart(engine, systemClock, settings);
  return { inspect: engine.inspect, way: { kind: 'container', engine, restart } };
}

/** While there is none, the label itself stands for the brokers, as a container that is missing. */
function labelledBrokers(settings: Settings, label: string): Brokers {
  const search = createLabelSearch(settings.engine, label);
  const nobody = [settings.container];
  let found: EngineAnswer<readonly string[]> | undefined;
  return {
    first: nobody,
    async list(options) {
      found = await search(options);
      return found.ok && found.value.length === 0 ? { ok: true, value: nobody } : found;
    },
    of(container) {
      const parts = containerOf(settings, container);
      if (container !== settings.container) return parts;
      // the engine has just been asked
      const inspect = async () =>
        found?.ok === false
          ? found
          : failure('container_missing', `there is no container with the label ${label}`, false);
      return { ...parts, inspect };
    },
  };
}
