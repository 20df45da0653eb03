/** Looks at the client's certificate file as a chain: what the upstream will be shown, and whether it holds together. */

import { X509Certificate } from 'node:crypto';
import { leafOf } from '../core/certificate.ts';
import { timestamp } from '../core/timestamp.ts';
import type { ParsedCertificate } from '../system/x509.ts';

export interface ChainJudgement {
  readonly level: 'ok' | 'warning' | 'critical';
  readonly message: string;
  readonly hint?: string;
}

/** Judges the certificates of the client's file, in file order; `authorities` are the subjects in the CA file. */
export function judgeChain(
  certificates: readonly ParsedCertificate[],
  authorities: readonly string[],
  nowMs: number,
): ChainJudgement {
  const leaf = leafOf(certificates);
  if (leaf === undefined || certificates[0] !== leaf) {
    const hint = 'put the client certificate first, then its intermediates';
    return { level: 'critical', message: 'does not begin with the client certificate', hint };
  }
  const chain = chainFrom(leaf, certificates);
  const expired = chain.slice(1).find(({ notAfterMs }) => notAfterMs <= nowMs);
  if (expired !== undefined) {
    const message = `the intermediate ${expired.subject} expired on ${timestamp(expired.notAfterMs)}`;
    return { level: 'critical', message, hint: 'have the chain issued anew' };
  }
  const strangers = certificates.length - chain.length;
  if (strangers > 0) {
    const message = `${strangers} of ${certificates.length} certificates do not belong to the chain`;
    return { level: 'warning', message, hint: 'keep only the client certificate and its intermediates' };
  }
  return { level: 'ok', message: describe(chain, authorities) };
}

/** The leaf, then whoever signed it, as far as the file goes. */
function chainFrom(
  leaf: ParsedCertificate,
  certificates: readonly ParsedCertificate[],
): readonly ParsedCertificate[] {
  const chain = [leaf];
  for (let last = leaf; ; ) {
    const issuer = certificates.find((candidate) => !chain.includes(candidate) && hasSigned(candidate, last));
    if (issuer === undefined) return chain;
    chain.push(issuer);
    last = issuer;
  }
}

function hasSigned(issuer: ParsedCertificate, certificate: ParsedCertificate): boolean {
  if (issuer.subject !== certificate.issuer) return false;
  return new X509Certificate(certificate.der).verify(new X509Certificate(issuer.der).publicKey);
}

function describe(chain: readonly ParsedCertificate[], authorities: readonly string[]): string {
  const top = chain.at(-1);
  const links = chain.length === 1 ? 'one certificate' : `${chain.length} certificates`;
  if (top === undefined || top.subject === top.issuer) return `${links}, up to its root`;
  return authorities.includes(top.issuer)
    ? `${links}, issued by ${top.issuer}, which the CA file holds`
    : `${links}, issued by ${top.issuer}, which the upstream has to know`;
}
