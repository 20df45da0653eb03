/** The brokers that are looked after: who they are, and how to speak with the engine about each. */

import { systemClock } from './adapters/clock.ts';
import { type CallOptions, failure } from './adapters/engine/http.ts';
import { createLabelSearch } from './adapters/engine/labelled.ts';
import { createEngine, type Engine } from './adapters/engine.ts';
import type { EngineAnswer } from './core/broker.ts';
import type { Settings } from './core/settings.ts';
import { createRestart, type RestartBroker } from './restart.ts';

/** Conversation with the engine about one broker. */
export interface BrokerParts {
  readonly engine: Engine;
  readonly restart: RestartBroker;
}

/** The brokers that are looked after. */
export interface Brokers {
  /** Their names in the order in which they are restarted: at least one, if only to be told as missing. */
  list(options: CallOptions): Promise<EngineAnswer<readonly string[]>>;
  /** what they are before anybody has asked the engine */
  readonly first: readonly string[];
  of(container: string): BrokerParts;
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
      throw new Error('not yet');
  }
}

function containerOf(settings: Settings, container: string): BrokerParts {
  const engine = createEngine(settings.engine, container);
  return { engine, restart: createRestart(engine, systemClock, settings) };
}

/** While there is none, the label itself stands for the brokers, as a container that is missing. */
function labelledBrokers(settings: Settings, label: string): Brokers {
  const search = createLabelSearch(settings.engine, label);
  const nobody = [settings.container];
  return {
    first: nobody,
    async list(options) {
      const found = await search(options);
      return found.ok && found.value.length === 0 ? { ok: true, value: nobody } : found;
    },
    of(container) {
      const parts = containerOf(settings, container);
      if (container !== settings.container) return parts;
      const inspect: Engine['inspect'] = async (options) => {
        const found = await search(options);
        if (!found.ok) return found;
        return failure('container_missing', `there is no container with the label ${label}`, false);
      };
      return { ...parts, engine: { ...parts.engine, inspect } };
    },
  };
}
