/** The brokers that are managed: which ones there are, and how to talk to the engine about each. */

import type { Voice } from '../adapters/broker-listener/voice.ts';
import type { Clock } from '../adapters/clock.ts';
import { createContainer } from '../adapters/engine/container.ts';
import { failure } from '../adapters/engine/failure.ts';
import { createLabelSearch } from '../adapters/engine/find-by-label.ts';
import type { EngineFailure } from '../core/model/broker.ts';
import { type Settings, watchesBridgesAt } from '../core/model/settings.ts';
import { createRestart, createUnitRestart } from '../rollout/restart.ts';
import type { BridgeListener, Broker, BrokerList } from '../rollout/rollout.ts';
import type { BrokerParts, Listener, withSignal } from './listeners.ts';

/** Where bridges are observed, according to the settings; the first connection publishes what `voice` does. */
export async function bridgeListenersOf(settings: Settings, voice?: Voice): Promise<readonly Listener[]> {
  if (settings.brokerUrls.length === 0) return [];
  const { listenersOf } = await import('./listeners.ts');
  return listenersOf(settings, voice);
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
  const parts = { settings, clock, listeners, withSignal: await signalsOf(settings, listeners) };
  const containerCalled = (name: string) => containerBroker(parts, name);
  switch (target.kind) {
    case 'containers':
      return { ...known(target.names), of: containerCalled };
    case 'label':
      return { ...labelled(settings, target.label), of: containerCalled };
    case 'service': {
      const service = await serviceBroker(parts, target.name);
      return { ...known([target.name]), of: () => service };
    }
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

/** What proves that a signal was enough, and a restart complete; nothing does without a listener to look at. */
async function signalsOf({ mosquittoConf }: Settings, listeners: readonly Listener[]): Promise<WithSignal> {
  if (mosquittoConf === undefined && listeners.length === 0)
    return (_parts, _name, { inspect }, restart) => ({ inspect, rollout: restart });
  const { withSignal } = await import('./listeners.ts');
  return withSignal;
}

type WithSignal = typeof withSignal;

interface Parts extends BrokerParts {
  readonly withSignal: WithSignal;
}

/** A container is restarted, or signalled first if a listener of its own may prove that to be enough. */
function containerBroker(parts: Parts, name: string): Broker {
  const { settings, clock } = parts;
  const container = createContainer(settings.engine, name);
  return parts.withSignal(parts, name, container, createRestart(container, clock, settings));
}

/** The same for a unit of systemd. Its code is loaded only if it is needed: a gateway has little memory. */
async function unitBroker(parts: Parts, name: string): Promise<Broker> {
  const { settings, clock } = parts;
  const { createUnit } = await import('../adapters/systemd/unit.ts');
  const { createSystemctl } = await import('../adapters/systemd/systemctl.ts');
  const unit = createUnit(name, createSystemctl());
  return parts.withSignal(parts, name, unit, createUnitRestart(unit, clock, settings));
}

/** A service of a swarm is updated. */
async function serviceBroker({ settings, clock }: Parts, name: string): Promise<Broker> {
  const { createSwarmService } = await import('../adapters/engine/service.ts');
  const { createServiceUpdate } = await import('../rollout/service-update.ts');
  const service = createSwarmService(settings.engine, name);
  return { inspect: service.inspect, rollout: createServiceUpdate(service, clock) };
}
