/** Turns PEM text into certificates as plain values, with the X.509 parser of `node:crypto` (OpenSSL). */

import { createHash, X509Certificate } from 'node:crypto';
import type { Certificate } from '../core/certificate.ts';
import { explainNoPem, type PemBlock, parsePem } from '../core/pem.ts';
import { messageOf } from './errors.ts';

/** OpenSSL's labels for a certificate: RFC 7468, its old name, and its own form with trust settings. */
const CERTIFICATE_LABELS = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']);

export interface ParsedCertificate extends Certificate {
  readonly der: Buffer;
  /** one PEM block with nothing around it */
  readonly pem: string;
}

export type CertificatesResult =
  | { readonly ok: true; readonly certificates: readonly ParsedCertificate[] }
  | { readonly ok: false; readonly problem: string };

/** Every certificate of a PEM file in file order, or the first thing that is wrong with it. */
export function parseCertificates(bytes: Buffer): CertificatesResult {
  const pem = parsePem(bytes.toString('utf8'));
  if (!pem.ok) return pem;
  if (pem.blocks.length === 0) {
    return { ok: false, problem: `holds no PEM certificate: ${explainNoPem(bytes.toString('latin1'))}` };
  }
  const certificates: ParsedCertificate[] = [];
  for (const [index, block] of pem.blocks.entries()) {
    if (!CERTIFICATE_LABELS.has(block.label)) continue;
    try {
      certificates.push(parseBlock(block));
    } catch (error) {
      return { ok: false, problem: `PEM block ${index + 1} is not a certificate: ${messageOf(error)}` };
    }
  }
  if (certificates.length === 0) {
    const labels = pem.blocks.map((block) => block.label).join(', ');
    return { ok: false, problem: `holds no certificate, only ${labels}` };
  }
  return { ok: true, certificates };
}

function parseBlock(block: PemBlock): ParsedCertificate {
  const body = block.base64.replace(/.{64}/g, '$&\n').trimEnd();
  const pem = `-----BEGIN ${block.label}-----\n${body}\n-----END ${block.label}-----\n`;
  const x509 = new X509Certificate(pem);
  // OpenSSL loads a certificate whose dates are nonsense, and refuses it whenever it verifies it. As a text such a date
  // is `Bad time value`; as a Date it is whatever lay in the memory of Node.
  const [notBeforeMs, notAfterMs] = [Date.parse(x509.validFrom), Date.parse(x509.validTo)];
  if (Number.isNaN(notBeforeMs) || Number.isNaN(notAfterMs)) throw new Error('its dates cannot be read');
  return {
    subject: distinguishedName(x509.subject),
    issuer: distinguishedName(x509.issuer),
    notBeforeMs,
    notAfterMs,
    isCa: x509.ca,
    sha256: createHash('sha256').update(x509.raw).digest('hex'),
    der: x509.raw,
    pem,
  };
}

/**
 * Node prints one relative name per line, in the certificate's order; RFC 4514 reverses and joins them, and
 * sets no blanks around the plus sign that joins the parts of one (a plus sign in a value is escaped).
 */
export function distinguishedName(multiline: string | undefined): string {
  return (multiline ?? '').split('\n').filter(Boolean).reverse().join(',').replaceAll(' + ', '+');
}
