/** What follows from what a listener has presented. */

import type { CertificateSet } from '../model/files.ts';
import { presents } from '../model/presented.ts';
import { authoritiesOf, type BrokerMemory } from './memory.ts';

/**
 * The listener of the broker presents this set: somebody has signalled it, which its start does not show. A leaf that
 * is the one it had before proves nothing, nor does any leaf where the CA file may be a new one.
 */
export function isPresented({ presented, applied }: BrokerMemory, files: CertificateSet): boolean {
  if (!presents(presented?.seen, files) || applied?.notAfterMs === files.leaf.notAfterMs) return false;
  return files.authorities.length === 0 || applied?.authorities === authoritiesOf(files);
}
