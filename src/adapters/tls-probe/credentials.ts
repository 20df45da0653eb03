/** The files phase: everything that can be determined about the three files without the network. */

import type { KeyObject } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { timestamp } from '../../core/text/timestamp.ts';
import type { CaDirectory } from '../../system/ca-directory.ts';
import { parsePrivateKey } from '../../system/private-key.ts';
import {
  type FileIdentity,
  type FileRead,
  lookAt,
  readRegularFile,
  sameIdentity,
} from '../../system/regular-file.ts';
import { type CertificateUse, type ParsedCertificate, parseCertificates } from '../../system/x509.ts';
import { contextOf, fault, weakDigest } from './secure-context.ts';
import { type FailedStep, failed, type Limit, passed, type Step, withinPromise } from './step.ts';
import { type ProbeTarget, type Wording, wordingOf } from './target.ts';

/** The set of a listener may have no CA certificates at all. */
export type CredentialPaths = Pick<
  ProbeTarget,
  'caFile' | 'caPath' | 'certFile' | 'keyFile' | 'oldestTls' | 'isOfConf'
>;

/** The result of the files phase: what the handshake needs, and what explains its outcome. */
export interface Credentials {
  readonly context: SecureContext;
  /** OpenSSL's name of the curve that the private key is on; undefined for another kind of key */
  readonly keyCurve: string | undefined;
  /** the certificates of the CA file, and those that OpenSSL finds in the directory */
  readonly authorities: readonly Pick<ParsedCertificate, 'subject' | 'isCa'>[];
}

interface Kept extends Credentials {
  readonly identities: readonly FileIdentity[];
  /** of the directory of CA certificates */
  readonly caIdentity: string | undefined;
  readonly leaf: ParsedCertificate;
}

/** What is kept of a CA certificate. */
type Authority = Pick<ParsedCertificate, 'subject' | 'isCa' | 'pem'>;
type Directory = CaDirectory<readonly Authority[]>;
type DirectoryLook = Awaited<ReturnType<Directory['look']>>;

/** How often a set is read again if it is being written meanwhile. */
const READ_ATTEMPTS = 3;

/**
 * Opens the three files as one SecureContext. It is kept as long as the files are the same by device, inode, size,
 * mtime and ctime, and then they are not read again: a new context for each probe would cost tens of megabytes over the
 * days. Only the dates of the client certificate are checked each time, against `nowMs`.
 */
export function createCredentials(paths: CredentialPaths) {
  let kept: Kept | undefined;
  let directory: Directory | undefined;
  const open = async (nowMs: number): Promise<Step<Credentials>> => {
    directory ??= await directoryOf(paths);
    const look = await directory?.look();
    const isSameDirectory = kept?.caIdentity === (look?.ok === true ? look.identity : undefined);
    const step =
      kept !== undefined && isSameDirectory && (await unchanged(paths, kept))
        ? passed(kept)
        : await read(paths, look, nowMs);
    kept = step.ok ? step.value : undefined;
    if (!step.ok) return step;
    return outOfDate(paths.certFile, step.value.leaf, nowMs) ?? step;
  };
  return (limit: Limit, nowMs: number) =>
    withinPromise(
      limit,
      () => stuck(paths, limit.ms),
      () => open(nowMs),
    );
}

async function unchanged(paths: CredentialPaths, { identities }: Pick<Kept, 'identities'>): Promise<boolean> {
  const files = [paths.caFile, paths.certFile, paths.keyFile].filter((file) => file !== undefined);
  const looks = await Promise.all(files.map(lookAt));
  return looks.every((look, index) => {
    const known = identities[index];
    return look.ok && known !== undefined && sameIdentity(look.identity, known);
  });
}

/** Reads and judges the set; a verdict on files of different generations would describe no set at all. */
async function read(
  paths: CredentialPaths,
  look: DirectoryLook | undefined,
  nowMs: number,
): Promise<Step<Kept>> {
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
    const [ca, cert, key] = await Promise.all([
      paths.caFile === undefined ? undefined : readRegularFile(paths.caFile),
      readRegularFile(paths.certFile),
      readRegularFile(paths.keyFile),
    ]);
    const judged = judge(paths, { ca, cert, key, look }, nowMs);
    const files = [ca, cert, key].filter((file) => file !== undefined);
    const identities = files.flatMap((file) => (file.ok ? [file.identity] : []));
    const settled = identities.length < files.length || (await unchanged(paths, { identities }));
    const changing = files.some((file) => !file.ok && file.kind === 'changing');
    if (settled && !changing) return judged;
  }
  return fault(
    paths.certFile,
    'changes while it is read',
    'the certificates are being written: probe again when that is done',
  );
}

/** In this order, so that an unreadable private key does not hide problems of the certificates. */
function judge(
  paths: CredentialPaths,
  files: { ca: FileRead | undefined; cert: FileRead; key: FileRead; look: DirectoryLook | undefined },
  nowMs: number,
): Step<Kept> {
  const wording = wordingOf(paths);
  const ca =
    paths.caFile === undefined || files.ca === undefined
      ? NO_AUTHORITIES
      : certificatesOf(paths.caFile, files.ca, 'authorities', wording);
  if (!ca.ok) return ca;
  const found = foundIn(paths, files.look);
  if (!found.ok) return found;
  const authorities = [...ca.value.certificates, ...found.value];
  const cert = certificatesOf(paths.certFile, files.cert, 'chain', wording);
  if (!cert.ok) return cert;
  const [leaf] = cert.value.certificates;
  const late = leaf === undefined ? undefined : outOfDate(paths.certFile, leaf, nowMs);
  if (late !== undefined) return late;
  const key = privateKeyOf(paths.keyFile, files.key, wording);
  if (!key.ok) return key;
  const weak = weakDigest(paths.certFile, cert.value.certificates);
  if (weak !== undefined) return weak;
  const pair = judgePair(paths, cert.value.certificates, key.value.key);
  if (!pair.ok) return pair;
  const context = contextOf(paths, authorities, cert.value.certificates, key.value.pem);
  if (!context.ok) return context;
  const identities = [...ca.value.identities, ...cert.value.identities, key.value.identity];
  return passed({
    identities,
    caIdentity: files.look?.ok === true ? files.look.identity : undefined,
    leaf: pair.value,
    context: context.value,
    keyCurve: key.value.key.asymmetricKeyDetails?.namedCurve,
    authorities: authorities.map(({ subject, isCa }) => ({ subject, isCa })),
  });
}

/** The set of a listener without a CA file. */
const NO_AUTHORITIES = passed({
  identities: [] as readonly FileIdentity[],
  certificates: [] as readonly ParsedCertificate[],
});

/** Loaded only where there is one. */
async function directoryOf({ caPath }: CredentialPaths): Promise<Directory | undefined> {
  if (caPath === undefined) return undefined;
  const { createCaDirectory } = await import('../../system/ca-directory.ts');
  return createCaDirectory(caPath, authoritiesOf);
}

function authoritiesOf(certificates: readonly ParsedCertificate[]): readonly Authority[] {
  return certificates.map(({ subject, isCa, pem }) => ({ subject, isCa, pem }));
}

/** OpenSSL does not mind a directory in which it finds nothing: where there is a CA file too, it may not be needed. */
function foundIn(
  { caFile, caPath }: CredentialPaths,
  look: DirectoryLook | undefined,
): Step<readonly Authority[]> {
  if (look?.ok === true) return passed(look.value);
  if (look === undefined || caPath === undefined || caFile !== undefined) return passed([]);
  return fault(caPath, look.problem, look.hint);
}

function certificatesOf(file: string, read: FileRead, use: CertificateUse, wording: Wording) {
  if (!read.ok) return unusable(file, read, wording);
  const parsed = parseCertificates(read.bytes, use);
  if (!parsed.ok) return fault(file, parsed.problem, `${file} ${parsed.problem}`);
  return passed({ identities: [read.identity], certificates: parsed.certificates });
}

function unusable(
  file: string,
  { problem, kind }: Exclude<FileRead, { ok: true }>,
  wording: Wording,
): FailedStep {
  const hints: Partial<Record<typeof kind, string>> = {
    missing: `put ${file} in place, or check ${wording.files}`,
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

function privateKeyOf(file: string, read: FileRead, wording: Wording) {
  if (!read.ok && read.kind === 'unreadable') {
    const hint = `the private key was not judged: let this user read ${file} (group or ACL), or set ENABLE_TLS_PROBE=false`;
    return failed({ cause: 'local_file', hint, error: `${file} ${read.problem}`, file, keyUnreadable: true });
  }
  if (!read.ok) return unusable(file, read, wording);
  const found = parsePrivateKey(read.bytes);
  if (!found.ok) return fault(file, found.problem, KEY_HINTS[found.kind](file));
  return passed({ identity: read.identity, pem: read.bytes, key: found.key });
}

const KEY_HINTS = {
  broken: (file: string) => `${file} is damaged or half-written: put the key there again`,
  none: (file: string) => `put the private key of the client certificate into ${file}, as PEM`,
  encrypted: (file: string) =>
    `nobody is there to type the passphrase: store the key without one (openssl pkey -in old.key -out ${file})`,
  unknown: (file: string) =>
    `${file} is damaged or of an unknown kind: put the key of the certificate there again`,
} as const;

/** OpenSSL presents the first certificate of the file, so that is the one that has to match the key. */
function judgePair(
  { certFile, keyFile }: CredentialPaths,
  certificates: readonly ParsedCertificate[],
  key: KeyObject,
): Step<ParsedCertificate> {
  const [first] = certificates;
  const owner = certificates.find(({ x509 }) => x509.checkPrivateKey(key));
  if (first !== undefined && owner === first) return passed(first);
  const hint =
    owner === undefined
      ? `${certFile} and ${keyFile} do not belong together: only half renewed? install the key of this certificate`
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

function stuck({ certFile }: CredentialPaths, ms: number): Step<never> {
  return failed({
    cause: 'timeout',
    hint: 'the file system with the certificates does not answer: is it a network mount that is down?',
    error: `${certFile} could not be read within ${Math.round(ms)} ms`,
    file: certFile,
  });
}
