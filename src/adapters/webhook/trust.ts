/** The authorities that a receiver's certificate is verified with: the public ones, and those of `NOTIFY_CA_FILE`. */

import { resolve } from 'node:path';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import type { DeliveryFailure } from '../../core/model/delivery.ts';
import { openSslReason } from '../../system/openssl-error.ts';
import { type FileIdentity, lookAt, readRegularFile, sameIdentity } from '../../system/regular-file.ts';
import { parseCertificates } from '../../system/x509.ts';

export type Trusted = { readonly ok: true; readonly value: SecureContext } | DeliveryFailure;

export type Trust = () => Promise<Trusted>;

/**
 * One context, kept as long as the file is the same: a new one for each call would cost tens of megabytes over the
 * days.
 */
export function createTrust(caFile: string | undefined): Trust {
  let kept: { readonly identity: FileIdentity | undefined; readonly context: SecureContext } | undefined;

  return async () => {
    const path = caFile && resolve(caFile);
    if (path === undefined) {
      kept ??= { identity: undefined, context: createSecureContext({ minVersion: 'TLSv1.2' }) };
      return { ok: true, value: kept.context };
    }
    const look = await lookAt(path);
    const isSame = kept?.identity !== undefined && look.ok && sameIdentity(look.identity, kept.identity);
    if (kept !== undefined && isSame) return { ok: true, value: kept.context };
    kept = undefined;
    const read = await readRegularFile(path);
    if (!read.ok) return fault(path, read.problem);
    const context = contextOf(path, read.bytes);
    if (context.ok) kept = { identity: read.identity, context: context.value };
    return context;
  };
}

function contextOf(path: string, bytes: Buffer): Trusted {
  const own = parseCertificates(bytes, 'authorities');
  if (!own.ok) return fault(path, own.problem);
  try {
    const ca = [...rootCertificates, ...own.certificates.map(({ pem }) => pem)];
    return { ok: true, value: createSecureContext({ ca, minVersion: 'TLSv1.2' }) };
  } catch (error) {
    return fault(path, `cannot be used: ${openSslReason(error)}`);
  }
}

function fault(path: string, problem: string): DeliveryFailure {
  const hint =
    'set NOTIFY_CA_FILE to the CA certificates of the receiver as PEM, or unset it for the public ones';
  return { ok: false, cause: 'local_file', error: `${path} ${problem}`, hint };
}
