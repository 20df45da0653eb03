/** Turns PEM text into certificates as plain values, with the X.509 parser of `node:crypto` (OpenSSL). */

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Certificate } from '../core/model/certificate.ts';
import { clip } from '../core/text/clip.ts';
import { explainNoPem, headerProblem, type PemBlock, parsePem } from '../core/text/pem.ts';
import { cut } from '../core/text/printable.ts';
import { CHAR_IS_SIGNED } from './native.ts';
import { openSslReason } from './openssl-error.ts';

/**
 * What the broker loads a file for, which determines what it uses of it. `chain` is the client's own file
 * (SSL_CTX_use_certificate_chain_file), `authorities` the CA file (SSL_CTX_load_verify_locations).
 */
export type CertificateUse = 'chain' | 'authorities';

/**
 * A file with more is a mistake: the bundles of whole operating systems have 150 certificates, and OpenSSL follows no
 * chain of more than a hundred.
 */
export const MAX_CERTIFICATES: Readonly<Record<CertificateUse, number>> = { chain: 100, authorities: 500 };

/** id-kp-clientAuth and anyExtendedKeyUsage, RFC 5280, 4.2.1.12 */
const CLIENT_USAGES = new Set(['1.3.6.1.5.5.7.3.2', '2.5.29.37.0']);

export interface ParsedCertificate extends Certificate {
  readonly der: Buffer;
  /** trust settings after the certificate (`TRUSTED CERTIFICATE`), which the broker loads with it; mostly empty */
  readonly trust: Buffer;
  /** one PEM block with nothing around it */
  readonly pem: string;
  readonly x509: X509Certificate;
  readonly hasPublicKey: boolean;
}

export type CertificatesResult =
  | {
      readonly ok: true;
      /** what OpenSSL loads, in file order; the first of a chain is the one that is presented */
      readonly certificates: readonly ParsedCertificate[];
      /** what it skips silently although a certificate seems to be intended, continuing the file's name */
      readonly ignored: readonly string[];
    }
  | { readonly ok: false; readonly problem: string };

/** Every certificate that OpenSSL loads from a PEM file, or why it refuses the file. */
export function parseCertificates(bytes: Buffer, use: CertificateUse): CertificatesResult {
  const { blocks, problem, ignored } = parsePem(bytes.toString('latin1'), CHAR_IS_SIGNED);
  if (problem !== undefined) return { ok: false, problem };
  if (blocks.length === 0) {
    return { ok: false, problem: `holds no PEM certificate: ${explainNoPem(bytes.toString('latin1'))}` };
  }
  const certificates: ParsedCertificate[] = [];
  const passedOver: string[] = [];
  let loaded = 0;
  for (const [index, block] of blocks.entries()) {
    const name = `PEM block ${index + 1} (${block.label}, line ${block.line})`;
    const kind = kindOf(block.label, use, certificates.length === 0);
    if (kind === 'ignored') passedOver.push(`has a ${name} that OpenSSL does not load from this file`);
    if (kind === 'ignored' || kind === 'other') continue;
    loaded += 1;
    if (loaded > MAX_CERTIFICATES[use]) {
      return { ok: false, problem: `holds more than ${MAX_CERTIFICATES[use]} certificates` };
    }
    const header = headerProblem(block);
    if (header !== undefined && !(kind === 'key' && block.encrypted)) {
      return { ok: false, problem: `${name} ${header}` };
    }
    try {
      if (kind === 'crl') createSecureContext({ crl: pemOf(block.label, block.base64) });
      else if (kind === 'key') checkKey(block);
      else {
        const certificate = parseBlock(block, kind, use === 'chain' && certificates.length === 0);
        if (certificate.notAfterMs === NEVER_MS) {
          passedOver.push(`has a ${name} whose dates cannot be read; OpenSSL refuses what it has signed`);
        }
        certificates.push(certificate);
      }
    } catch (error) {
      return { ok: false, problem: `${name} is not a ${NOUNS[kind]}: ${openSslReason(error)}` };
    }
  }
  if (certificates.length === 0) {
    const labels = [...new Set(blocks.map(({ label }) => clip(label)))].slice(0, 10).join(', ');
    return { ok: false, problem: `holds no certificate, only ${labels}` };
  }
  // OpenSSL presents no key that it cannot read; a key that is too weak is left to the probe, which knows its level
  const keyless = use === 'chain' ? certificates.findIndex(({ hasPublicKey }) => !hasPublicKey) : -1;
  if (keyless >= 0) {
    return {
      ok: false,
      problem: `has a certificate (number ${keyless + 1}) with a public key that cannot be read`,
    };
  }
  return { ok: true, certificates, ignored: [...ignored, ...passedOver].slice(0, MOST_IGNORED) };
}

const MOST_IGNORED = 5;

type Kind = 'plain' | 'trusted' | 'crl' | 'key' | 'ignored' | 'other';

const NOUNS = {
  plain: 'certificate',
  trusted: 'certificate',
  crl: 'revocation list',
  key: 'private key',
} as const;

/**
 * How OpenSSL treats a block by its label (crypto/pem: check_pem, PEM_X509_INFO_read_bio). `trusted`: a certificate
 * that trust settings may follow; the first of a chain is read in that way, whatever its label.
 */
function kindOf(label: string, use: CertificateUse, isFirst: boolean): Kind {
  if (label === 'CERTIFICATE' || label === 'X509 CERTIFICATE') {
    return use === 'chain' && isFirst ? 'trusted' : 'plain';
  }
  if (label === 'TRUSTED CERTIFICATE') return use === 'authorities' || isFirst ? 'trusted' : 'ignored';
  if (label === 'X509 CRL' && use === 'authorities') return 'crl';
  if (label.includes('PRIVATE KEY') && use === 'authorities') return 'key';
  const seemsMeant = /^(?:(?:X509|TRUSTED)? *CERTIFICATE|PKCS7|CMS)\b(?! REQUEST)/i.test(label.trim());
  return seemsMeant ? 'ignored' : 'other';
}

/** A key does not belong in a CA file, but a broken one makes OpenSSL refuse the file. */
function checkKey({ base64, encrypted }: PemBlock): void {
  if (encrypted) return;
  const key = Buffer.from(base64, 'base64');
  try {
    createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } catch (error) {
    const others = ['sec1', 'pkcs1'] as const;
    if (!others.some((type) => isKey(key, type))) throw error;
  }
}

function isKey(key: Buffer, type: 'sec1' | 'pkcs1'): boolean {
  try {
    return createPrivateKey({ key, format: 'der', type }).type === 'private';
  } catch {
    // a key of another kind, or none
    return false;
  }
}

/** Both dates of a certificate whose dates are invalid: it is never valid. */
export const NEVER_MS = 0;

function parseBlock(
  { label, base64 }: PemBlock,
  kind: 'plain' | 'trusted',
  isPresented: boolean,
): ParsedCertificate {
  const whole = Buffer.from(base64, 'base64');
  // OpenSSL ignores what follows a certificate, unless trust settings may be there
  const loaded = kind === 'plain' ? whole.subarray(0, lengthOfDer(whole)) : whole;
  const pem = pemOf(label, loaded.toString('base64'));
  const x509 = new X509Certificate(pem);
  // OpenSSL loads a certificate whose dates are invalid, and refuses it whenever it verifies it. As a text such a date
  // is `Bad time value`; as a Date it is whatever was in Node's memory.
  const dates = [Date.parse(x509.validFrom), Date.parse(x509.validTo)];
  const areNonsense = dates.some(Number.isNaN);
  if (areNonsense && isPresented) throw new Error('its dates cannot be read');
  const [notBeforeMs = NEVER_MS, notAfterMs = NEVER_MS] = areNonsense ? [] : dates;
  const { raw } = x509;
  return {
    subject: nameOf(x509),
    issuer: cut(distinguishedName(x509.issuer), LONGEST_NAME),
    notBeforeMs,
    notAfterMs,
    isCa: x509.ca,
    mayBeClient: x509.keyUsage?.some((usage) => CLIENT_USAGES.has(usage)) ?? true,
    sha256: createHash('sha256').update(raw).digest('hex'),
    ...keyOf(x509),
    der: raw,
    trust: kind === 'trusted' ? whole.subarray(raw.length) : Buffer.alloc(0),
    pem,
    x509,
  };
}

/**
 * The length of the outermost value, including its header; the whole length if it is not stated there (X.690, 8.1.3).
 */
function lengthOfDer(bytes: Buffer): number {
  const first = bytes[1] ?? 0;
  if (first < 0x80) return 2 + first;
  const octets = first & 0x7f;
  if (octets === 0 || octets > 4 || bytes.length < 2 + octets) return bytes.length;
  return 2 + octets + bytes.readUIntBE(2, octets);
}

/** `sameAs` identifies certificates of one authority: by its name and its public key. */
function keyOf(x509: X509Certificate): Pick<ParsedCertificate, 'sameAs' | 'hasPublicKey'> {
  const hash = createHash('sha256')
    .update(x509.subject ?? '')
    .update('\0');
  try {
    const key = x509.publicKey.export({ type: 'spki', format: 'der' });
    return { sameAs: hash.update(key).digest('hex'), hasPublicKey: true };
  } catch {
    // a key that OpenSSL cannot read: the certificate equals no other
    return { sameAs: hash.update(x509.raw).digest('hex'), hasPublicKey: false };
  }
}

function pemOf(label: string, base64: string): string {
  const body = base64.replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

/** Its subject, or else the first name that it is for (RFC 5280, 4.1.2.6 allows an empty subject then). */
function nameOf(x509: X509Certificate): string {
  const subject = distinguishedName(x509.subject);
  if (subject !== '') return cut(subject, LONGEST_NAME);
  // Node quotes a name with a comma in it
  const [name = ''] =
    /^(?:[^",]|"(?:[^"\\]|\\.)*")*/.exec(x509.subjectAltName?.slice(0, 2 * LONGEST_NAME) ?? '') ?? [];
  return cut(name, LONGEST_NAME);
}

/** A certificate may have a name of a megabyte. */
const LONGEST_NAME = 400;

/**
 * Node prints one relative name per line, in the certificate's order; RFC 4514 reverses and joins them, and puts no
 * blanks around the plus sign that joins the parts of one (a plus sign in a value is escaped).
 */
export function distinguishedName(multiline: string | undefined): string {
  return (multiline ?? '').split('\n').filter(Boolean).reverse().join(',').replaceAll(' + ', '+');
}
