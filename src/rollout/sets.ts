/** Several sets of a broker: those that have changed prove a signal, and what its listeners present proves a restart. */

import { sightOf } from '../core/model/bridge.ts';
import type { CertificateSet, NamedSet } from '../core/model/files.ts';
import { type Presented, presents } from '../core/model/presented.ts';
import type { HostPort } from '../core/model/settings.ts';
import { withListenerProof } from './listener-proof.ts';
import type { Order, Rollout } from './rollout.ts';
import { createSignalFirst, type SignalParts } from './signal.ts';

/** One look at what a listener presents; never rejects. */
export type LookAtListener = (address: HostPort) => Promise<Presented>;

export interface SetsParts extends Omit<SignalParts, 'presentedLeaf' | 'notPresented'> {
  readonly look: LookAtListener;
}

/** What one of the listeners presents, and what it should. */
interface Seen {
  readonly named: NamedSet;
  readonly presented: Presented;
}

/**
 * A restart is complete when every listener that answered before it presents its certificate on disk; a signal is
 * enough when every listener that has changed does, and every bridge that has changed has gone down and up.
 */
export function createSetsRollout(parts: SetsParts, restart: Rollout): Rollout {
  const { clock, settings, look } = parts;
  return async function* ofSets(order) {
    const answering = (await lookAtAll(look, order.set.sets))
      .filter(({ presented }) => presented.ok)
      .map(({ named }) => named.name);
    const proved = withListenerProof(restart, {
      clock,
      settings,
      look: async (set) => firstOff(await lookAtAll(look, named(set, answering)), set),
    });
    const signalled = createSignalFirst({ ...parts, ...signalProof(parts, order) }, proved);
    yield* signalled(order);
  };
}

/** What the listeners of these sets present, by the names of the sets; of many, the first are looked at. */
export async function lookAtListeners(
  look: LookAtListener,
  sets: readonly NamedSet[],
): Promise<Readonly<Record<string, Presented>>> {
  const listeners = sets.filter(({ listensAt }) => listensAt !== undefined);
  const seen = await lookAtAll(look, listeners.slice(0, MOST_AT_ONCE));
  return Object.fromEntries(seen.map(({ named: { name }, presented }) => [name, presented]));
}

/** What has to prove a signal: the listeners and bridges that have changed, and no other. */
function signalProof({ look, sight }: SetsParts, { set, signal }: Order) {
  const { listeners = [], connections = [] } = (signal?.kind === 'first' ? signal.by : undefined) ?? {};
  const changed = named(set, listeners);
  return {
    sight: () => sightOf(sight(), connections),
    presentedLeaf: async () => {
      const all = await lookAtAll(look, changed);
      return all.length > 0 && all.every(isCurrent) ? set.leaf.sha256 : undefined;
    },
    notPresented: {
      why: `${listeners.join(' and ')} does not present the new certificate`,
      hint: 'see whether something else listens there, and whether the broker was started with this configuration',
    },
  };
}

function named({ sets = [] }: CertificateSet, names: readonly string[]): readonly NamedSet[] {
  return sets.filter(({ name }) => names.includes(name));
}

/** A configuration may have more listeners than a broker should be asked for connections at one time. */
const MOST_AT_ONCE = 16;

async function lookAtAll(look: LookAtListener, sets: readonly NamedSet[] = []): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (let first = 0; first < sets.length; first += MOST_AT_ONCE) {
    const some = sets.slice(first, first + MOST_AT_ONCE).map(async (each) => {
      if (each.listensAt === undefined) return [];
      return [{ named: each, presented: await look(each.listensAt) }];
    });
    seen.push(...(await Promise.all(some)).flat());
  }
  return seen;
}

function isCurrent({ named: { files }, presented }: Seen): boolean {
  return files.kind !== 'complete' || presents(presented, files);
}

/** The first listener that presents something else, or the set itself where none does. */
function firstOff(all: readonly Seen[], { leaf }: CertificateSet) {
  const off = all.find((seen) => !isCurrent(seen));
  if (off === undefined)
    return {
      where: '',
      presented: { ok: true, leaf: leaf.sha256, subject: leaf.subject, notAfterMs: leaf.notAfterMs },
    } as const;
  return { where: off.named.name, presented: off.presented };
}
