/** What is remembered of each broker while the watcher runs, and which part of it outlives the process. */

import type { Clock } from '../adapters/clock.ts';
import type { StateFile } from '../adapters/state-file.ts';
import { createBrokerMemory } from '../core/memory/broker.ts';
import type { BrokerMemory, SiteMemory } from '../core/memory/memory.ts';
import { type PersistedState, type PersistedStates, toPersist } from '../core/memory/persisted.ts';
import { createSiteMemory } from '../core/memory/site.ts';
import type { FilesObservation, Moment } from '../core/model/files.ts';
import type { Settings } from '../core/model/settings.ts';
import type { Situation } from '../core/situation.ts';
import type { Broker, BrokerList, BrokersFound } from '../rollout/rollout.ts';

/** A broker, and what is remembered of it. */
export interface Watched {
  readonly name: string;
  readonly broker: Broker;
  memory: BrokerMemory;
}

export interface State {
  /** Reads what a predecessor has left, and begins with the brokers that are known before the engine is asked. */
  load(): Promise<void>;
  /** Writes what has changed since the last time. */
  save(): Promise<void>;
  /** Why the last read or write of the state file failed; undefined if it did not, or if there is no file. */
  trouble(): string | undefined;
  /** The brokers in restart order. */
  brokers(): readonly Watched[];
  /** Throws if there is no broker of this name. */
  named(name: string): Watched;
  /** The situation of a broker at this moment. */
  situation(broker: Watched, files: FilesObservation, now: Moment): Situation;
  /** Replaces the list of brokers; what is known of those that were already there is kept. */
  watch(found: BrokersFound): void;
  /** The memory that all brokers share. */
  site(): SiteMemory;
  /** Changes the memory that all brokers share. */
  rememberSite(change: (site: SiteMemory) => SiteMemory): void;
}

export interface StateParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly brokers: BrokerList;
  /** different from that of any other watcher, now or later */
  readonly lot: string;
  /** undefined: nothing outlives the process */
  readonly stateFile: StateFile | undefined;
}

export function createState(parts: StateParts, started: Moment = parts.clock.now()): State {
  const { settings, clock, brokers, lot, stateFile } = parts;
  let site = createSiteMemory(started, lot);
  let watched: readonly Watched[] = [];
  /** of brokers that have not been found yet */
  const persisted = new Map<string, PersistedState>();
  let trouble: string | undefined;
  /** what the state file is known to contain, see `stateKey`; undefined: not what should be remembered */
  let savedState: string | undefined;

  async function load() {
    const read = await stateFile?.load();
    if (read?.ok === true) for (const [name, state] of read.states) persisted.set(name, state);
    const now = clock.now();
    watch(brokers.first);
    if (read?.ok === false) trouble = read.problem;
    else if (!hasFuture(read?.states, now)) savedState = stateKey();
  }

  async function save() {
    if (stateFile === undefined || stateKey() === savedState) return;
    const saving = stateKey();
    const now = clock.now();
    const states = watched.map(({ name, memory }) => [name, toPersist(memory, now)] as const);
    const written = await stateFile.save(new Map(states), persisted);
    trouble = written.ok ? undefined : written.problem;
    if (written.ok) savedState = saving;
  }

  /** The content of the state file, without the wall clock's jitter. */
  function stateKey(): string {
    return JSON.stringify(
      watched.map(({ name, memory: { applied, divergedAtMs, stoppedByUs, lastRestartMonoMs } }) => {
        return [name, applied, divergedAtMs, stoppedByUs, lastRestartMonoMs];
      }),
    );
  }

  function watch(found: BrokersFound) {
    watched =
      found.kind === 'found'
        ? found.names.map((name) => known(name) ?? begin(name, brokers.of(name)))
        : [known(found.label) ?? begin(found.label, found.missing)];
  }

  function known(name: string): Watched | undefined {
    return watched.find((broker) => broker.name === name);
  }

  function begin(name: string, broker: Broker): Watched {
    const state = persisted.get(name);
    persisted.delete(name);
    return { name, broker, memory: createBrokerMemory(clock.now(), state) };
  }

  return {
    load,
    save,
    trouble: () => trouble,
    brokers: () => watched,
    named(name) {
      const found = known(name);
      if (found === undefined) throw new Error(`no broker is called ${name}`);
      return found;
    },
    watch,
    site: () => site,
    rememberSite(change) {
      site = change(site);
    },
    situation: ({ name, memory }, files, now) => ({ now, files, site, name, memory, settings }),
  };
}

/**
 * Whether a remembered restart lies in the future, because the clock has been set back since. It counts as having been
 * made just now, and that is saved at once: otherwise every successor would treat it as just made, too.
 */
function hasFuture(states: PersistedStates | undefined, { wallMs }: Moment): boolean {
  return [...(states?.values() ?? [])].some(({ lastRestartAtMs = 0 }) => lastRestartAtMs > wallMs);
}
