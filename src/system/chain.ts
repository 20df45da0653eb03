/** Which certificates of a file lead from one up to its root. */

import type { ParsedCertificate } from './x509.ts';

/** No real chain comes near this, and it bounds the work for many certificates with one name. */
const LONGEST_CHAIN = 10;

/**
 * `leaf`, then its issuers by names and key identifiers (RFC 5280, 4.2.1.1), as far as `certificates` contain them. If
 * there are several candidates, the one that is valid longest, as OpenSSL prefers one that is valid.
 */
export function chainFrom(
  leaf: ParsedCertificate,
  certificates: readonly ParsedCertificate[],
  hasSigned = hasIssued,
): readonly [ParsedCertificate, ...ParsedCertificate[]] {
  const chain: [ParsedCertificate, ...ParsedCertificate[]] = [leaf];
  for (let last = leaf; chain.length < LONGEST_CHAIN; ) {
    const [issuer] = certificates
      .filter(
        (candidate) => !chain.some(({ sameAs }) => sameAs === candidate.sameAs) && hasSigned(candidate, last),
      )
      .toSorted((a, b) => b.notAfterMs - a.notAfterMs);
    if (issuer === undefined) break;
    chain.push(issuer);
    last = issuer;
  }
  return chain;
}

export function hasIssued(issuer: ParsedCertificate, certificate: ParsedCertificate): boolean {
  return certificate.x509.checkIssued(issuer.x509);
}
