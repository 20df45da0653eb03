/** What follows from what a listener has presented. */

import type { BrokerState } from '../model/broker.ts';
import { type CertificateSet, leafOf, type Moment, type NamedSet, partsOf } from '../model/files.ts';
import { presents } from '../model/presented.ts';
import { isRemembered } from './evidence.ts';
import { authoritiesOf, type BrokerMemory } from './memory.ts';

/**
 * The listener of the broker presents this set: somebody has signalled it, which its start does not show. A leaf that
 * is the one it had before proves nothing, nor does any leaf where the CA file may be a new one.
 */
export function isPresented({ presented, applied }: BrokerMemory, files: CertificateSet): boolean {
  if (!presents(presented?.seen, files) || hasLeaf(applied, files)) return false;
  return files.authorities.length === 0 || applied?.authorities === authoritiesOf(files);
}

/** Whether the leaf may be the one that the broker had before, so that presenting it proves nothing. */
export function hasLeaf(applied: BrokerMemory['applied'], files: CertificateSet): boolean {
  return applied !== undefined && (applied.leaf === undefined || applied.leaf === leafOf(files));
}

/**
 * The same for the listener of one of several sets, with the memory of that set: somebody has signalled it, and nothing
 * but its certificate and key has changed.
 */
export function isPresentedSet(
  memory: BrokerMemory,
  named: NamedSet,
  broker: BrokerState,
  now: Moment,
): boolean {
  const { files } = named;
  if (files.kind !== 'complete' || whyNoSignal(memory, named, broker, now) !== undefined) return false;
  return presents(memory.presented?.seen, files);
}

/**
 * Why a signal does not bring this changed set to its listener, or would not show that it has, in a clause that
 * continues the name of the set; undefined: only certificate and key have changed. The memory is that of this set.
 */
export function whyNoSignal(
  memory: BrokerMemory,
  { name, role, files }: NamedSet,
  broker: BrokerState,
  now: Moment,
): string | undefined {
  if (role !== 'listener' || files.kind !== 'complete') return 'is no set of a listener';
  const before = isRemembered(broker, memory, now) ? memory.applied?.parts?.[name] : undefined;
  if (before === undefined) return 'has changed, and what the broker had loaded of it is not known';
  const { leaf, trust, revocation } = partsOf(files);
  if (trust !== before.trust) return 'has another cafile, which a listener reads only at its start';
  if (revocation !== before.revocation) return 'has another crlfile, and a new list means a restart';
  if (leaf === before.leaf) return 'presents this certificate already, so that this would prove nothing';
  return undefined;
}
