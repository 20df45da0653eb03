/** One host's share of a splay: fixed for the host, spread evenly over a fleet. */

import { createHash } from 'node:crypto';

/** How many bytes of the digest are used: as many as a number can hold exactly. */
const BYTES = 6;

/** From 0 (inclusive) to 1 (exclusive), always the same for this host name. */
export function shareOf(hostName: string): number {
  return createHash('sha256').update(hostName).digest().readUIntBE(0, BYTES) / 2 ** (8 * BYTES);
}
