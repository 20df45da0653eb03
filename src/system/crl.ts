/** Revocation lists (RFC 5280, 5.1): when each was made, and when the next one is due. */

import { createHash } from 'node:crypto';
import { parsePem } from '../core/text/pem.ts';
import { type DerValue, INTEGER, SEQUENCE, valuesIn } from './der.ts';

/** Dates of one list, in milliseconds since the epoch. */
export interface RevocationList {
  readonly thisUpdateMs: number;
  /** undefined: it does not say */
  readonly nextUpdateMs: number | undefined;
}

export type ListsResult =
  | { readonly ok: true; readonly lists: readonly RevocationList[]; readonly sha256: string }
  /** what is wrong, continuing the file's name */
  | { readonly ok: false; readonly problem: string };

/** More lists than this in one file are a mistake. */
const MOST_LISTS = 100;

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** Every list of a PEM file, as OpenSSL loads them (`X509_load_crl_file`). */
export function parseLists(bytes: Buffer): ListsResult {
  const { blocks, problem } = parsePem(bytes.toString('latin1'));
  if (problem !== undefined) return { ok: false, problem };
  const found = blocks.filter(({ label }) => label === 'X509 CRL');
  if (found.length === 0) return { ok: false, problem: 'holds no PEM revocation list (X509 CRL)' };
  if (found.length > MOST_LISTS)
    return { ok: false, problem: `holds more than ${MOST_LISTS} revocation lists` };
  const hash = createHash('sha256');
  const lists: RevocationList[] = [];
  for (const { base64 } of found) {
    const der = Buffer.from(base64, 'base64');
    const list = datesOf(der);
    if (list === undefined) return { ok: false, problem: 'holds a revocation list that is damaged' };
    hash.update(der);
    lists.push(list);
  }
  return { ok: true, lists, sha256: hash.digest('hex') };
}

/** TBSCertList: version, signature, issuer, thisUpdate, nextUpdate, … */
function datesOf(der: Buffer): RevocationList | undefined {
  const [outer] = valuesIn(der);
  const [tbs] = outer?.tag === SEQUENCE ? valuesIn(outer.content) : [];
  if (tbs?.tag !== SEQUENCE) return undefined;
  const values = valuesIn(tbs.content);
  const [, , thisUpdate, nextUpdate] = values[0]?.tag === INTEGER ? values.slice(1) : values;
  const thisUpdateMs = timeOf(thisUpdate);
  if (thisUpdateMs === undefined) return undefined;
  return { thisUpdateMs, nextUpdateMs: timeOf(nextUpdate) };
}

/** RFC 5280, 4.1.2.5: always in UTC with seconds; two digits of a year are of 1950 to 2049. */
function timeOf(value: DerValue | undefined): number | undefined {
  if (value?.tag !== UTC_TIME && value?.tag !== GENERALIZED_TIME) return undefined;
  const text = value.content.toString('latin1');
  const whole =
    value.tag === GENERALIZED_TIME ? text : `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}`;
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(whole) ?? [];
  if (second === undefined) return undefined;
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}
