/** Digests of what belongs to a set. */

import { createHash, type Hash } from 'node:crypto';
import type { CertificateSet } from '../core/model/files.ts';
import type { ParsedCertificate } from '../system/x509.ts';

/** The fingerprint of a set to which something more belongs, with this digest. */
export function fingerprintWith(
  { fingerprint }: Pick<CertificateSet, 'fingerprint'>,
  digest: string,
): string {
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
