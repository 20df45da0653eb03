/** The end of the files phase: whether OpenSSL makes a TLS context of key and certificates. */

import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsVersion } from '../../core/model/tls-version.ts';
import { codeOf } from '../../system/errors.ts';
import { openSslReason } from '../../system/openssl-error.ts';
import type { ParsedCertificate } from '../../system/x509.ts';
import { type FailedStep, failed, passed, type Step } from './step.ts';

interface Parts {
  readonly certFile: string;
  readonly keyFile: string;
  /** undefined: TLS 1.2 */
  readonly oldestTls?: TlsVersion | undefined;
}

/** It trusts these CA certificates and no others. */
export function contextOf(
  { certFile, keyFile, oldestTls = 'TLSv1.2' }: Parts,
  ca: readonly Pick<ParsedCertificate, 'pem'>[],
  cert: readonly ParsedCertificate[],
  key: Buffer,
): Step<SecureContext> {
  try {
    return passed(
      createSecureContext({
        ca: ca.map(({ pem }) => pem),
        cert: cert.map(({ pem }) => pem).join(''),
        key,
        minVersion: oldestTls,
      }),
    );
  } catch (error) {
    if (codeOf(error) !== 'ERR_OSSL_X509_KEY_VALUES_MISMATCH')
      return unloadable(certFile, openSslReason(error));
    const hint = `${certFile} and ${keyFile} do not belong together: only half renewed?`;
    return failed({ cause: 'client_key_mismatch', hint, error: openSslReason(error), file: keyFile });
  }
}

/**
 * OpenSSL's security level 2, which brokers use, refuses to load a certificate that is signed with such a digest (`ca
 * md too weak`). Node's level loads it, and only the upstream would refuse it.
 */
export function weakDigest(file: string, certificates: readonly ParsedCertificate[]): FailedStep | undefined {
  for (const { x509, subject } of certificates) {
    const digest = x509.signatureAlgorithm ?? '';
    if (x509.subject !== x509.issuer && /^(md[245]|sha1)|sha1$/i.test(digest)) {
      return tooWeak(file, `${subject} is signed with ${digest}`);
    }
  }
  return undefined;
}

/** OpenSSL does not load the pair: usually it is too weak, otherwise of a kind that TLS cannot use. */
function unloadable(file: string, reason: string): FailedStep {
  if (/too (small|weak)/.test(reason)) return tooWeak(file, reason);
  const hint = `have ${file} issued again with a key of RSA 2048, EC or Ed25519: OpenSSL has no use for this one in TLS`;
  return fault(file, `cannot be used: ${reason}`, hint);
}

function tooWeak(file: string, problem: string): FailedStep {
  const hint = `have ${file} issued again with a key of RSA 2048, EC or Ed25519 and a SHA-256 signature: OpenSSL refuses weaker ones`;
  return fault(file, `cannot be used: ${problem}`, hint);
}

/** A file of ours that cannot be used. */
export function fault(file: string, problem: string, hint: string): FailedStep {
  return failed({ cause: 'local_file', hint, error: `${file} ${problem}`, file });
}
