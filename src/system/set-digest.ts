/** Digests of what belongs to a set. */

import { createHash, type Hash } from 'node:crypto';
import type { ParsedCertificate } from './x509.ts';

/** The fingerprint of a set to which something more belongs, with this digest; in hex. */
export function fingerprintWith(fingerprint: string, digest: string): string {
  return createHash('sha256').update(fingerprint).update(digest).digest('hex');
}

/**
 * Adds the certificates of a file (DER, in file order), with their trust settings, which the broker loads with a
 * `TRUSTED CERTIFICATE`.
 */
export function addCertificates(hash: Hash, certificates: readonly ParsedCertificate[]): Hash {
  for (const { der, trust } of certificates) hash.update(der).update(trust);
  return hash;
}
