/** Several sets of a broker: what its listeners present proves a restart, and a signal where only listeners changed. */

import type { CertificateSet, NamedSet } from '../core/model/files.ts';
import { type Presented, presents } from '../core/model/presented.ts';
import type { HostPort } from '../core/model/settings.ts';
import { withListenerProof } from './listener-proof.ts';
import type { Rollout } from './rollout.ts';
import { createSignalFirst, type SignalParts } from './signal.ts';

export interface SetsParts extends Omit<SignalParts, 'presentedLeaf'> {
  /** One look at what a listener presents; never rejects. */
  readonly look: (address: HostPort) => Promise<Presented>;
}

/** What one of the listeners presents, and what it should. */
interface Seen {
  readonly named: NamedSet;
  readonly presented: Presented;
}

/**
 * A restart is complete when every listener that answered before it presents its certificate on disk; a signal is
 * enough when every one does.
 */
export function createSetsRollout(parts: SetsParts, restart: Rollout): Rollout {
  const { clock, settings } = parts;
  return async function* ofSets(order) {
    const answering = (await lookAtAll(parts, order.set))
      .filter(({ presented }) => presented.ok)
      .map(({ named }) => named.name);
    const proved = withListenerProof(restart, {
      clock,
      settings,
      look: async (set) => firstOff(await lookAtAll(parts, set, answering), set),
    });
    const presentedLeaf = async () => {
      const all = await lookAtAll(parts, order.set);
      return all.length > 0 && all.every(isCurrent) ? order.set.leaf.sha256 : undefined;
    };
    // bridges have no part in a signal that is for listeners alone
    const signalled = createSignalFirst(
      { ...parts, settings: { ...settings, certRole: 'listener' }, presentedLeaf },
      proved,
    );
    yield* signalled(order);
  };
}

async function lookAtAll(
  { look }: SetsParts,
  { sets = [] }: CertificateSet,
  only?: readonly string[],
): Promise<readonly Seen[]> {
  const listeners = sets.filter(({ name }) => only === undefined || only.includes(name));
  const seen = await Promise.all(
    listeners.map(async (named) =>
      named.listensAt === undefined ? [] : [{ named, presented: await look(named.listensAt) }],
    ),
  );
  return seen.flat();
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
