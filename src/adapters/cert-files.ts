/** The certificate directory: turns the files of a set into one consistent observation. */

import { createHash, type Hash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Certificate } from '../core/model/certificate.ts';
import type {
  CertificateSet,
  FileComplaint,
  FilesObservation,
  UnparsableFiles,
} from '../core/model/files.ts';
import { chainFrom } from '../system/chain.ts';
import { codeOf } from '../system/errors.ts';
import { stat } from '../system/file-calls.ts';
import {
  type FileIdentity,
  type FileLook,
  type FileProblemKind,
  type FileRead,
  lookAt,
  readRegularFile,
  sameIdentity,
} from '../system/regular-file.ts';
import { addCertificates } from '../system/set-digest.ts';
import { type CertificatesResult, NEVER_MS, parseCertificates } from '../system/x509.ts';

export interface CertFilesLocation {
  readonly certDir: string;
  /** undefined: the set has none */
  readonly caCertFile: string | undefined;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  /** the setting that names the directory, for hints */
  readonly setting?: 'CERT_DIR' | 'INCOMING_DIR' | 'MOSQUITTO_CONF';
}

export interface CertFiles {
  /**
   * One look at the directory. Missing files, files of another type and broken content are values; it never throws for
   * them. Contents are read again only if a file's identity has changed, or after a long safety interval. The private
   * key is never opened.
   */
  observe(nowMonoMs: number): Promise<FilesObservation>;
}

/** Contents are read again after this time even if nothing seems to have changed. */
const SAFETY_READ_MS = 600_000;

/**
 * Two writes within one tick of the kernel's clock leave the same ctime. So content is final only if it was read this
 * long after its identity was first seen.
 */
const SAME_TICK_MS = 1_000;

interface Remembered {
  readonly stamp: string;
  readonly firstSeenMonoMs: number;
  readonly readMonoMs: number;
  readonly observation: CertificateSet | UnparsableFiles;
}

/** The files of one directory. `read` exists for tests, which could not see otherwise what is read. */
export function createCertFiles(location: CertFilesLocation, read = readRegularFile): CertFiles {
  const { setting = 'CERT_DIR' } = location;
  const names = namesOf(location);
  const paths = names.map((name) => resolve(location.certDir, name));
  let remembered: Remembered | undefined;
  // judging a bundle takes a third of a second, and some agents write the same one every minute
  let judged: { readonly digest: string; readonly judgement: Judgement } | undefined;
  let changes = 0;

  async function lookAtAll(): Promise<FileLook[]> {
    return Promise.all(paths.map(lookAt));
  }

  async function incomplete(problems: ReadonlyMap<string, FileComplaint>): Promise<FilesObservation> {
    remembered = undefined;
    const complaints = [...problems.values()];
    const hint = await explainDirectory(location.certDir, setting);
    const explained =
      hint === undefined ? complaints : complaints.map((complaint) => ({ ...complaint, hint }));
    return { kind: 'incomplete', identity: JSON.stringify(explained), complaints: explained };
  }

  function changing(): FilesObservation {
    remembered = undefined;
    changes += 1;
    return { kind: 'changing', identity: `changing ${changes}` };
  }

  async function observe(nowMonoMs: number): Promise<FilesObservation> {
    const looks = await lookAtAll();
    const problems = complaintsOf(names, looks, setting);
    if (problems.size > 0) return incomplete(problems);
    const stamp = stampOf(looks);
    if (remembered?.stamp === stamp && isFresh(remembered, nowMonoMs)) return remembered.observation;

    const reads = await Promise.all(paths.slice(0, -1).map((path) => read(path)));
    if (reads.some((result, index) => hasChanged(result, looks[index]))) return changing();
    if (stampOf(await lookAtAll()) !== stamp) return changing();
    const unreadable = complaintsOf(names, reads, setting);
    if (unreadable.size > 0) return incomplete(unreadable);

    const contents = contentsOf(reads);
    if (judged?.digest !== contents.digest) {
      judged = { digest: contents.digest, judgement: judgeContents(location, contents) };
    }
    const firstSeenMonoMs = remembered?.stamp === stamp ? remembered.firstSeenMonoMs : nowMonoMs;
    const finalFromMonoMs = firstSeenMonoMs + SAME_TICK_MS;
    const observation = {
      ...observationOf(judged.judgement, `${stamp} ${contents.digest}`, looks),
      ...(nowMonoMs < finalFromMonoMs && { finalFromMonoMs }),
    };
    remembered = { stamp, firstSeenMonoMs, readMonoMs: nowMonoMs, observation };
    return observation;
  }

  return { observe };
}

/** The names of the files, the key last. */
export function namesOf({
  caCertFile,
  clientCertFile,
  clientKeyFile,
}: Pick<CertFilesLocation, 'caCertFile' | 'clientCertFile' | 'clientKeyFile'>): readonly string[] {
  return [...(caCertFile === undefined ? [] : [caCertFile]), clientCertFile, clientKeyFile];
}

/** The file that was read is not the one that was looked at. */
function hasChanged(read: FileRead, look: FileLook | undefined): boolean {
  if (!read.ok) return read.kind === 'changing';
  return look?.ok !== true || !sameIdentity(read.identity, look.identity);
}

function isFresh({ observation, readMonoMs }: Remembered, nowMonoMs: number): boolean {
  return observation.finalFromMonoMs === undefined && nowMonoMs - readMonoMs < SAFETY_READ_MS;
}

/** The contents of the certificate files, with the SHA-256 that identifies them. */
interface Contents {
  readonly ca: Buffer;
  readonly client: Buffer;
  readonly digest: string;
}

function contentsOf(reads: readonly FileRead[]): Contents {
  const bytes = reads.map((read) => (read.ok ? read.bytes : Buffer.alloc(0)));
  const [ca, client] = [bytes.at(-2) ?? Buffer.alloc(0), bytes.at(-1) ?? Buffer.alloc(0)];
  return { ca, client, digest: createHash('sha256').update(ca).update('\0').update(client).digest('hex') };
}

/** What follows from the contents of the certificate files alone, without their inodes and the key. */
type Judgement =
  | Pick<UnparsableFiles, 'kind' | 'complaints'>
  | (Omit<CertificateSet, 'identity' | 'fingerprint' | 'newestCtimeMs' | 'rights'> & {
      readonly certificatesHash: Hash;
    });

function judgeContents(location: CertFilesLocation, { ca, client }: Contents): Judgement {
  const { caCertFile } = location;
  const authorities: CertificatesResult =
    caCertFile === undefined
      ? { ok: true, certificates: [], ignored: [] }
      : parseCertificates(ca, 'authorities');
  const chain = parseCertificates(client, 'chain');
  // the first certificate is presented, regardless of the others
  const leaf = chain.ok ? chain.certificates[0] : undefined;
  if (!authorities.ok || !chain.ok || leaf === undefined) {
    const complaints = [
      ...unparsable(caCertFile ?? '', authorities),
      ...unparsable(location.clientCertFile, chain),
    ];
    return { kind: 'unparsable', complaints };
  }
  const ofAuthorities = addCertificates(createHash('sha256'), authorities.certificates);
  return {
    kind: 'complete',
    trust: ofAuthorities.copy().digest('hex'),
    certificatesHash: addCertificates(ofAuthorities.update('\0'), chain.certificates),
    leaf: factsOf(leaf),
    leafFile: location.clientCertFile,
    intermediates: chainFrom(leaf, chain.certificates).slice(1).filter(hasDates).map(factsOf),
    authorities: authorities.certificates.filter(hasDates).map(factsOf),
    authoritiesFile: caCertFile ?? '',
    ignored: [
      ...ignored(caCertFile ?? '', authorities.ignored),
      ...ignored(location.clientCertFile, chain.ignored),
    ],
  };
}

function observationOf(
  judgement: Judgement,
  identity: string,
  looks: readonly FileLook[],
): CertificateSet | UnparsableFiles {
  if (judgement.kind === 'unparsable') return { ...judgement, identity };
  const { certificatesHash, ...set } = judgement;
  const identities = looks.flatMap((look) => (look.ok ? [look.identity] : []));
  const keySize = identities.at(-1)?.size ?? 0n;
  return {
    ...set,
    identity,
    // SHA-256 over the certificates (DER, in file order) of both files and the size of the key
    fingerprint: certificatesHash.copy().update(`\0${keySize}`).digest('hex'),
    newestCtimeMs: Math.max(...identities.map(({ ctimeNs }) => Number(ctimeNs) / 1e6)),
    rights: looks.map((look) => (look.ok ? look.rights : '')).join(', '),
  };
}

/** The stored facts of a certificate: neither its bytes nor its PEM, because a bundle has many certificates. */
export function factsOf({
  subject,
  issuer,
  notBeforeMs,
  notAfterMs,
  isCa,
  mayBeClient,
  sha256,
  sameAs,
}: Certificate): Certificate {
  return { subject, issuer, notBeforeMs, notAfterMs, isCa, mayBeClient, sha256, sameAs };
}

/** Its dates can be read; otherwise it is never valid. */
export function hasDates({ notAfterMs }: Certificate): boolean {
  return notAfterMs !== NEVER_MS;
}

function ignored(file: string, problems: readonly string[]): FileComplaint[] {
  const hint = 'the broker does not load it either: write the file as plain PEM, or remove that block';
  return problems.map((problem) => ({ file, cause: 'ignored', problem, hint }));
}

function stampOf(looks: readonly FileLook[]): string {
  return looks.map((look) => (look.ok ? idOf(look.identity) : look.kind)).join(' ');
}

function idOf({ device, inode, size, mtimeNs, ctimeNs }: FileIdentity): string {
  return [device, inode, size, mtimeNs, ctimeNs].join(':');
}

function complaintsOf(
  names: readonly string[],
  results: readonly (FileLook | FileRead)[],
  setting: string,
): Map<string, FileComplaint> {
  const complaints = new Map<string, FileComplaint>();
  for (const [index, result] of results.entries()) {
    const file = names[index] ?? '';
    if (result.ok || result.kind === 'changing') continue;
    const hint = HINTS[result.kind].replace('CERT_DIR', setting);
    complaints.set(file, { file, cause: result.kind, problem: result.problem, hint });
  }
  return complaints;
}

function unparsable(file: string, result: CertificatesResult): FileComplaint[] {
  if (result.ok) return [];
  const hint = 'look at the file with openssl x509 -noout -text, and have the agent write it again';
  return [{ file, cause: 'unparsable', problem: result.problem, hint }];
}

const HINTS: Readonly<Record<FileProblemKind, string>> = {
  missing: 'wait for the agent that writes it, or check CERT_DIR and the file names',
  empty: 'wait for the agent that writes it; if it stays empty, check for a full disk',
  not_a_regular_file:
    'put a regular file or a link to one there; a directory is what docker makes of a missing bind mount',
  too_large: 'check that this is the right file',
  unreadable: 'let the user of the watcher read the file and enter its directories',
  link_loop: 'fix the symbolic link',
  io_error: 'check the file system',
};

/** A hint about the directory itself, if that is the problem. */
async function explainDirectory(certDir: string, setting: string): Promise<string | undefined> {
  try {
    const stats = await stat(certDir);
    return stats.isDirectory() ? undefined : `${setting} ${certDir} is not a directory`;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return `there is no directory ${certDir}: check ${setting} and the mount`;
    // any other problem of the directory shows in the complaint about each file
    return undefined;
  }
}
