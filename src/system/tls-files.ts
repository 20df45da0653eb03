/** Certificate and key files for TLS, or what is wrong with them and what to try. */

import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { ReadFile } from './kept-files.ts';
import { openSslReason } from './openssl-error.ts';
import { parsePrivateKey } from './private-key.ts';
import type { FileRead } from './regular-file.ts';
import { type CertificateUse, type ParsedCertificate, parseCertificates } from './x509.ts';

export interface FileFault {
  readonly ok: false;
  /** begins with the path */
  readonly problem: string;
  readonly hint: string;
}

type Answer<T> = { readonly ok: true; readonly value: T } | FileFault;

/** Every certificate of a file; `setting` is the setting that names it. */
export function certificatesOf(
  file: ReadFile,
  use: CertificateUse,
  setting: string,
): Answer<readonly ParsedCertificate[]> {
  if (!file.read.ok) return unusable(file.path, file.read, setting);
  const parsed = parseCertificates(file.read.bytes, use);
  if (parsed.ok) return { ok: true, value: parsed.certificates };
  return fault(file.path, parsed.problem, `put ${file.path} there again, as PEM`);
}

/** The PEM of a key that belongs to this leaf. */
export function privateKeyOf(
  key: ReadFile,
  cert: ReadFile,
  leaf: ParsedCertificate,
  setting: string,
): Answer<Buffer> {
  if (!key.read.ok) return unusable(key.path, key.read, setting);
  const found = parsePrivateKey(key.read.bytes);
  if (!found.ok) {
    const hint =
      found.kind === 'encrypted'
        ? `nobody is there to type the passphrase: store the key without one (openssl pkey -in old.pem -out ${key.path})`
        : `put the private key of ${cert.path} there again, as PEM`;
    return fault(key.path, found.problem, hint);
  }
  if (leaf.x509.checkPrivateKey(found.key)) return { ok: true, value: key.read.bytes };
  return fault(
    key.path,
    `does not belong to the first certificate in ${cert.path}`,
    'only half renewed? install the key of this certificate; the certificate itself stands first in its file',
  );
}

/** A context of these parts; `path` names the file that OpenSSL objects to, if it does. */
export function contextOf(path: string, options: SecureContextOptions): Answer<SecureContext> {
  try {
    return { ok: true, value: createSecureContext(options) };
  } catch (error) {
    const hint = `have ${path} issued again with a key of RSA 2048, EC or Ed25519 and a SHA-256 signature`;
    return fault(path, `cannot be used: ${openSslReason(error)}`, hint);
  }
}

/** A file that cannot be used in its current state. */
export function unusable(
  path: string,
  { kind, problem }: Exclude<FileRead, { ok: true }>,
  setting: string,
  what = 'PEM file',
): FileFault {
  switch (kind) {
    case 'missing':
      return fault(path, problem, `put ${path} in place, or check ${setting} and that it is mounted`);
    case 'unreadable':
      return fault(
        path,
        problem,
        `let this user read ${path} (owner, group and mode of it and its directories)`,
      );
    default:
      return fault(path, problem, `put a regular ${what} in the place of ${path}`);
  }
}

/** Files that are being written repeatedly. */
export function busy(path: string): FileFault {
  return fault(path, 'changes while it is read', 'the files are being written: they are read again');
}

export function fault(path: string, problem: string, hint: string): FileFault {
  return { ok: false, problem: `${path} ${problem}`, hint };
}
