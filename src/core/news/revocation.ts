/** What is reported about the revocation lists of a listener. */

import type { Revocation } from '../model/files.ts';
import type { Situation } from '../situation.ts';
import { formatDuration } from '../text/duration.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Statement } from './condition.ts';

/** From when a list counts as expiring: when a quarter of its span is left. */
export function expiringAt({ thisUpdateMs, nextUpdateMs }: Revocation): number {
  return nextUpdateMs === undefined
    ? Number.POSITIVE_INFINITY
    : nextUpdateMs - Math.max(0, nextUpdateMs - thisUpdateMs) / 4;
}

/** A list whose successor is late: from its end on, nobody can connect. */
export function crlExpiring({ files, now }: Situation): Statement[] {
  const crl = files.kind === 'complete' ? files.revocation : undefined;
  if (crl?.nextUpdateMs === undefined || now.wallMs < expiringAt(crl) || now.wallMs >= crl.nextUpdateMs)
    return [];
  const left = formatDuration(Math.floor((crl.nextUpdateMs - now.wallMs) / 1_000) * 1_000);
  return [
    {
      event: 'crl_expiring',
      about: crl.file,
      subject: `${crl.nextUpdateMs}`,
      details: { file: crl.file, next_update: timestamp(crl.nextUpdateMs), expires_in: left },
      message: `the revocation list in ${crl.file} ends on ${timestamp(crl.nextUpdateMs)}; after that nobody with a certificate can connect`,
      hint: 'have the CA issue the next list, and see why the agent that fetches it has not',
    },
  ];
}

/** The list has ended: the broker refuses every client with a certificate. */
export function crlExpired({ files, now }: Situation): Statement | undefined {
  const crl = files.kind === 'complete' ? files.revocation : undefined;
  if (crl?.nextUpdateMs === undefined || now.wallMs < crl.nextUpdateMs) return undefined;
  return {
    event: 'crl_expired',
    about: crl.file,
    subject: `${crl.nextUpdateMs}`,
    details: { file: crl.file, next_update: timestamp(crl.nextUpdateMs) },
    message: `the revocation list in ${crl.file} ended on ${timestamp(crl.nextUpdateMs)}: nobody with a certificate can connect`,
    hint: 'have the CA issue the next list; if it looks current, check the clock of this machine',
  };
}
