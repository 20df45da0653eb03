/** Examines the client's certificate file as a chain: what the upstream will be shown, and whether it is consistent. */

import { type Certificate, endsOf } from '../core/model/certificate.ts';
import { timestamp } from '../core/text/timestamp.ts';
import { chainFrom, hasIssued } from '../system/chain.ts';
import type { ParsedCertificate } from '../system/x509.ts';

export interface ChainJudgement {
  readonly level: 'ok' | 'warning' | 'critical';
  readonly message: string;
  readonly hint?: string;
}

/** Who presents the chain, and to whom. */
export interface ChainParties {
  readonly leaf: string;
  readonly peer: 'the upstream' | 'every client';
}

const OF_BRIDGE: ChainParties = { leaf: 'client certificate', peer: 'the upstream' };

/** Judges the certificates of the leaf's file, in file order; `authorities` are those of the CA file. */
export function judgeChain(
  certificates: readonly ParsedCertificate[],
  authorities: readonly Certificate[],
  nowMs: number,
  { leaf: name, peer }: ChainParties = OF_BRIDGE,
): ChainJudgement {
  const [leaf, ...rest] = certificates;
  if (leaf === undefined || rest.some((each) => each.sameAs !== leaf.sameAs && hasSigned(leaf, each))) {
    const hint = `put the ${name} first, then its intermediates`;
    return { level: 'critical', message: `does not begin with the ${name}`, hint };
  }
  const chain = chainFrom(leaf, certificates, hasSigned);
  const [, ...above] = chain;
  const expired = above.find(({ notAfterMs }) => notAfterMs <= nowMs);
  if (expired !== undefined) return judgeExpired(expired, authorities, nowMs, peer);
  // a second certificate for one in the chain (a cross certificate) is another path to a root
  const strangers = certificates.filter((each) => !chain.some(({ sameAs }) => sameAs === each.sameAs)).length;
  if (strangers > 0) {
    const message = `${strangers} of ${certificates.length} certificates do not belong to the chain`;
    return { level: 'warning', message, hint: `keep only the ${name} and its intermediates` };
  }
  return { level: 'ok', message: describe(chain, authorities, peer) };
}

/** An expired certificate does not matter to a peer that trusts the same name and key through a valid one. */
function judgeExpired(
  expired: ParsedCertificate,
  authorities: readonly Certificate[],
  nowMs: number,
  peer: ChainParties['peer'],
): ChainJudgement {
  const message = `the intermediate ${expired.subject} expired on ${timestamp(expired.notAfterMs)}`;
  if (endsOf([expired], authorities, nowMs).past.length === 0) {
    const beside = `${message}; the CA file has a valid one of its name and key, and so may ${peer}`;
    return { level: 'warning', message: beside, hint: 'take it out of the chain' };
  }
  return { level: 'critical', message, hint: 'have the chain issued again' };
}

function hasSigned(issuer: ParsedCertificate, certificate: ParsedCertificate): boolean {
  if (!hasIssued(issuer, certificate)) return false;
  return certificate.x509.verify(issuer.x509.publicKey);
}

function describe(
  chain: readonly [ParsedCertificate, ...ParsedCertificate[]],
  authorities: readonly Certificate[],
  peer: ChainParties['peer'],
): string {
  const top = chain.at(-1) ?? chain[0];
  const links = chain.length === 1 ? 'one certificate' : `${chain.length} certificates`;
  if (top.x509.subject === top.x509.issuer) return `${links}, up to its root`;
  return authorities.some(({ subject }) => subject === top.issuer)
    ? `${links}, issued by ${top.issuer}, which the CA file holds`
    : `${links}, issued by ${top.issuer}, which ${peer} has to know`;
}
