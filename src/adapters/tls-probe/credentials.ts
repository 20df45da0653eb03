/** The files phase: everything that can be known about the three files before any network is touched. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { leafOf } from '../../core/certificate.ts';
import { explainNoPem, type PemBlock, parsePem } from '../../core/pem.ts';
import { timestamp } from '../../core/timestamp.ts';
import { codeOf } from '../../system/errors.ts';
import { openSslReason } from '../../system/openssl-error.ts';
import {
  type FileIdentity,
  type FileRead,
  lookAt,
  readRegularFile,
  sameIdentity,
} from '../../system/regular-file.ts';
import { type ParsedCertificate, parseCertificates } from '../../system/x509.ts';
import { type FailedStep, failed, type Limit, passed, type Step, withinPromise } from './step.ts';
import type { ProbeTarget } from './target.ts';

export type CredentialPaths = Pick<ProbeTarget, 'caFile' | 'certFile' | 'keyFile'>;

interface Kept {
  readonly identities: readonly FileIdentity[];
  readonly leaf: ParsedCertificate;
  readonly context: SecureContext;
}

/** How often a set is read again that somebody writes to while we read it. */
const READ_ATTEMPTS = 3;

/**
 * Opens the three files as one SecureContext. It is kept as long as the files are the same by device, inode,
 * size, mtime and ctime, and then they are not read again: a new context for each probe would cost tens of
 * megabytes over the days. Only the dates of the client certificate are judged each time, at `nowMs`.
 */
export function createCredentials(paths: CredentialPaths) {
  let kept: Kept | undefined;
  const open = async (nowMs: number): Promise<Step<SecureContext>> => {
    const step =
      kept !== undefined && (await unchanged(paths, kept)) ? passed(kept) : await read(paths, nowMs);
    kept = step.ok ? step.value : undefined;
    if (!step.ok) return step;
    return outOfDate(paths.certFile, step.value.leaf, nowMs) ?? passed(step.value.context);
  };
  return (limit: Limit, nowMs: number) =>
    withinPromise(
      limit,
      () => stuck(paths, limit.ms),
      () => open(nowMs),
    );
}

async function unchanged(paths: CredentialPaths, { identities }: Pick<Kept, 'identities'>): Promise<boolean> {
  const looks = await Promise.all([paths.caFile, paths.certFile, paths.keyFile].map(lookAt));
  return looks.every((look, index) => {
    const known = identities[index];
    return look.ok && known !== undefined && sameIdentity(look.identity, known);
  });
}

/** Reads and judges the set; a verdict on files of different generations would be about no set at all. */
async function read(paths: CredentialPaths, nowMs: number): Promise<Step<Kept>> {
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
    const [ca, cert, key] = await Promise.all([
      readRegularFile(paths.caFile),
      readRegularFile(paths.certFile),
      readRegularFile(paths.keyFile),
    ]);
    const judged = judge(paths, { ca, cert, key }, nowMs);
    const identities = [ca, cert, key].flatMap((file) => (file.ok ? [file.identity] : []));
    const settled = identities.length < 3 || (await unchanged(paths, { identities }));
    const changing = [ca, cert, key].some((file) => !file.ok && file.kind === 'changing');
    if (settled && !changing) return judged;
  }
  return fault(
    paths.certFile,
    'changes while it is read',
    'the certificates are being written: probe again when that is done',
  );
}

/** In this order, so that a private key that may not be read hides nothing that is wrong with the certificates. */
function judge(
  paths: CredentialPaths,
  files: { ca: FileRead; cert: FileRead; key: FileRead },
  nowMs: number,
): Step<Kept> {
  const ca = certificatesOf(paths.caFile, files.ca);
  if (!ca.ok) return ca;
  const cert = certificatesOf(paths.certFile, files.cert);
  if (!cert.ok) return cert;
  const leaf = leafOf(cert.value.certificates);
  const late = leaf === undefined ? undefined : outOfDate(paths.certFile, leaf, nowMs);
  if (late !== undefined) return late;
  const key = privateKeyOf(paths.keyFile, files.key);
  if (!key.ok) return key;
  const weak = weakDigest(paths.certFile, cert.value.certificates);
  if (weak !== undefined) return weak;
  const pair = judgePair(paths, cert.value.certificates, key.value.key);
  if (!pair.ok) return pair;
  const context = contextOf(paths, ca.value.certificates, cert.value.certificates, key.value.pem);
  if (!context.ok) return context;
  const identities = [ca.value.identity, cert.value.identity, key.value.identity];
  return passed({ identities, leaf: pair.value, context: context.value });
}

function certificatesOf(file: string, read: FileRead) {
  if (!read.ok) return unusable(file, read);
  const parsed = parseCertificates(read.bytes);
  if (!parsed.ok) return fault(file, parsed.problem, `${file} ${parsed.problem}`);
  return passed({ identity: read.identity, certificates: parsed.certificates });
}

function unusable(file: string, { problem, kind }: Exclude<FileRead, { ok: true }>): FailedStep {
  const hints: Partial<Record<typeof kind, string>> = {
    missing: `put ${file} in place, or check CERT_DIR and the file names`,
    unreadable: `give this user the right to read ${file} (owner, group and mode of the file and its directories)`,
  };
  return fault(file, problem, hints[kind] ?? `put a regular PEM file in the place of ${file}`);
}

/** Our own certificate's dates; undefined when it is valid now. */
function outOfDate(file: string, leaf: ParsedCertificate, nowMs: number): FailedStep | undefined {
  const [from, to] = [timestamp(leaf.notBeforeMs), timestamp(leaf.notAfterMs)];
  if (nowMs > leaf.notAfterMs) {
    const hint = `renew the client certificate ${file}: it expired at ${to}`;
    return failed({ cause: 'client_cert_expired', hint, error: `${leaf.subject} expired at ${to}`, file });
  }
  if (nowMs < leaf.notBeforeMs) {
    const hint = `${file} is not valid before ${from}: wait, or set this machine's clock`;
    return failed({
      cause: 'client_cert_expired',
      hint,
      error: `${leaf.subject} is not valid before ${from}`,
      file,
    });
  }
  return undefined;
}

function privateKeyOf(file: string, read: FileRead) {
  if (!read.ok && read.kind === 'unreadable') {
    const hint = `the private key was not judged: let this user read ${file} (group or ACL), or set ENABLE_TLS_PROBE=false`;
    return failed({ cause: 'local_file', hint, error: `${file} ${read.problem}`, file, keyUnreadable: true });
  }
  if (!read.ok) return unusable(file, read);
  const block = privateKeyBlock(file, read.bytes);
  if (!block.ok) return block;
  const pem = pemOf(block.value);
  try {
    return passed({ identity: read.identity, pem, key: createPrivateKey(pem) });
  } catch (error) {
    // the reason of OpenSSL names a decoder, never content
    const problem = `is not a private key that OpenSSL understands: ${openSslReason(error)}`;
    return fault(
      file,
      problem,
      `${file} is damaged or of an unknown kind: put the key of the certificate there again`,
    );
  }
}

/** The first private key of a file, as OpenSSL takes it; parameters and certificates may stand before it. */
function privateKeyBlock(file: string, bytes: Buffer): Step<PemBlock> {
  const pem = parsePem(bytes.toString('utf8'));
  if (!pem.ok) return fault(file, pem.problem, `${file} is damaged or half-written: put the key there again`);
  const block = pem.blocks.find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (block === undefined) {
    const labels = [...new Set(pem.blocks.map(({ label }) => label))].join(', ');
    const problem =
      labels === ''
        ? `holds no PEM private key: ${explainNoPem(bytes.toString('latin1'))}`
        : `holds no private key, only ${labels}`;
    return fault(file, problem, `put the private key of the client certificate into ${file}, as PEM`);
  }
  if (block.encrypted) {
    const hint = `nobody is there to type the passphrase: store the key without one (openssl pkey -in old.key -out ${file})`;
    return fault(file, 'is encrypted with a passphrase', hint);
  }
  return passed(block);
}

function pemOf({ label, base64 }: PemBlock): string {
  const body = base64.replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

/** OpenSSL presents the first certificate of the file, so that one has to belong to the key. */
function judgePair(
  { certFile, keyFile }: CredentialPaths,
  certificates: readonly ParsedCertificate[],
  key: KeyObject,
): Step<ParsedCertificate> {
  const [first] = certificates;
  const owner = certificates.find(({ pem }) => new X509Certificate(pem).checkPrivateKey(key));
  if (first !== undefined && owner === first) return passed(first);
  const hint =
    owner === undefined
      ? `${certFile} and ${keyFile} do not belong together: half renewed? put the key of this certificate in place`
      : `put the client certificate first in ${certFile}, before the certificates of its CAs`;
  const error =
    owner === undefined
      ? `the key does not belong to the certificate ${first?.subject}`
      : `the key belongs to ${owner.subject}, which is not the first certificate`;
  return failed({
    cause: 'client_key_mismatch',
    hint,
    error,
    file: owner === undefined ? keyFile : certFile,
  });
}

function contextOf(
  { certFile, keyFile }: CredentialPaths,
  ca: readonly ParsedCertificate[],
  cert: readonly ParsedCertificate[],
  key: string,
): Step<SecureContext> {
  try {
    return passed(
      createSecureContext({
        ca: ca.map(({ pem }) => pem),
        cert: cert.map(({ pem }) => pem).join(''),
        key,
        minVersion: 'TLSv1.2',
      }),
    );
  } catch (error) {
    if (codeOf(error) !== 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') return tooWeak(certFile, openSslReason(error));
    const hint = `${certFile} and ${keyFile} do not belong together: half renewed?`;
    return failed({ cause: 'client_key_mismatch', hint, error: openSslReason(error), file: keyFile });
  }
}

/**
 * OpenSSL's security level 2, which brokers have, refuses to load a certificate that is signed with such a digest
 * (`ca md too weak`). Node's loads it and would leave it to the upstream to find out.
 */
function weakDigest(file: string, certificates: readonly ParsedCertificate[]): FailedStep | undefined {
  for (const { pem, subject, issuer } of certificates) {
    const digest = new X509Certificate(pem).signatureAlgorithm ?? '';
    if (subject !== issuer && /^(md[245]|sha1)|sha1$/i.test(digest)) {
      return tooWeak(file, `${subject} is signed with ${digest}`);
    }
  }
  return undefined;
}

function tooWeak(file: string, problem: string): FailedStep {
  const hint = `have ${file} issued again with a key of RSA 2048, EC or Ed25519 and a SHA-256 signature: OpenSSL refuses weaker ones`;
  return fault(file, `cannot be used: ${problem}`, hint);
}

function stuck({ certFile }: CredentialPaths, ms: number): Step<never> {
  return failed({
    cause: 'timeout',
    hint: 'the file system with the certificates does not answer: is it a network mount that is down?',
    error: `${certFile} could not be read within ${Math.round(ms)} ms`,
    file: certFile,
  });
}

function fault(file: string, problem: string, hint: string): FailedStep {
  return failed({ cause: 'local_file', hint, error: `${file} ${problem}`, file });
}
