/** The certificate directory: turns the three files into one consistent observation. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { leafOf } from '../core/certificate.ts';
import type {
  CertificateSet,
  FileComplaint,
  FilesObservation,
  UnparsableFiles,
} from '../core/observation.ts';
import { codeOf } from '../system/errors.ts';
import {
  type FileIdentity,
  type FileLook,
  type FileProblemKind,
  type FileRead,
  lookAt,
  readRegularFile,
  sameIdentity,
} from '../system/regular-file.ts';
import { type CertificatesResult, type ParsedCertificate, parseCertificates } from '../system/x509.ts';

export interface CertFilesLocation {
  readonly certDir: string;
  readonly caCertFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

export interface CertFiles {
  /**
   * One look at the directory. Absence, odd files and broken content are values; it never throws for them.
   * Contents are read again only if a file's identity has changed, or after a slow safety interval. The
   * private key is never opened.
   */
  observe(nowMonoMs: number): Promise<FilesObservation>;
}

/** Contents are read again after this time even if nothing seems to have changed. */
const SAFETY_READ_MS = 600_000;

/**
 * Two writes within one tick of the kernel's clock leave the same ctime. So content counts as read for good
 * only if it was read this long after its identity was first seen.
 */
const SAME_TICK_MS = 1_000;

interface Remembered {
  readonly stamp: string;
  readonly firstSeenMonoMs: number;
  readonly readMonoMs: number;
  readonly observation: CertificateSet | UnparsableFiles;
}

/** The three files of one directory. `read` is there for tests, which cannot see otherwise what is read. */
export function createCertFiles(location: CertFilesLocation, read = readRegularFile): CertFiles {
  const names = [location.caCertFile, location.clientCertFile, location.clientKeyFile] as const;
  const paths = names.map((name) => resolve(location.certDir, name));
  let remembered: Remembered | undefined;
  let changes = 0;

  async function lookAtAll(): Promise<FileLook[]> {
    return Promise.all(paths.map(lookAt));
  }

  async function incomplete(problems: ReadonlyMap<string, FileComplaint>): Promise<FilesObservation> {
    remembered = undefined;
    const complaints = [...problems.values()];
    const hint = await explainDirectory(location.certDir);
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
    const problems = complaintsOf(names, looks);
    if (problems.size > 0) return incomplete(problems);
    const stamp = stampOf(looks);
    if (remembered?.stamp === stamp && isFresh(remembered, nowMonoMs)) return remembered.observation;

    const reads = await Promise.all(paths.slice(0, 2).map(read));
    if (reads.some((result, index) => hasChanged(result, looks[index]))) return changing();
    if (stampOf(await lookAtAll()) !== stamp) return changing();
    const unreadable = complaintsOf(names, reads);
    if (unreadable.size > 0) return incomplete(unreadable);

    const observation = judgeContents(location, looks, stamp, reads);
    const firstSeenMonoMs = remembered?.stamp === stamp ? remembered.firstSeenMonoMs : nowMonoMs;
    remembered = { stamp, firstSeenMonoMs, readMonoMs: nowMonoMs, observation };
    return observation;
  }

  return { observe };
}

/** What was read is not what was looked at. */
function hasChanged(read: FileRead, look: FileLook | undefined): boolean {
  if (!read.ok) return read.kind === 'changing';
  return look?.ok !== true || !sameIdentity(read.identity, look.identity);
}

function isFresh({ firstSeenMonoMs, readMonoMs }: Remembered, nowMonoMs: number): boolean {
  return readMonoMs - firstSeenMonoMs >= SAME_TICK_MS && nowMonoMs - readMonoMs < SAFETY_READ_MS;
}

function judgeContents(
  location: CertFilesLocation,
  looks: readonly FileLook[],
  stamp: string,
  reads: readonly FileRead[],
): CertificateSet | UnparsableFiles {
  const [ca, client] = reads.map((result) => (result.ok ? result.bytes : Buffer.alloc(0)));
  const identity = `${stamp} ${createHash('sha256')
    .update(ca ?? '')
    .update('\0')
    .update(client ?? '')
    .digest('hex')}`;
  const authorities = parseCertificates(ca ?? Buffer.alloc(0));
  const chain = parseCertificates(client ?? Buffer.alloc(0));
  const leaf = chain.ok ? leafOf(chain.certificates) : undefined;
  if (!authorities.ok || !chain.ok || leaf === undefined) {
    const complaints = [
      ...unparsable(location.caCertFile, authorities),
      ...unparsable(location.clientCertFile, chain),
    ];
    return { kind: 'unparsable', identity, complaints };
  }
  const identities = looks.flatMap((look) => (look.ok ? [look.identity] : []));
  return {
    kind: 'complete',
    identity,
    fingerprint: fingerprintOf(authorities.certificates, chain.certificates, identities[2]?.size ?? 0n),
    newestCtimeMs: Math.max(...identities.map(({ ctimeNs }) => Number(ctimeNs) / 1e6)),
    leaf,
    leafFile: location.clientCertFile,
    authorities: authorities.certificates,
    authoritiesFile: location.caCertFile,
  };
}

/** SHA-256 over the certificates (DER, in file order) of both files and the size of the key. */
function fingerprintOf(
  authorities: readonly ParsedCertificate[],
  chain: readonly ParsedCertificate[],
  keySize: bigint,
): string {
  const hash = createHash('sha256');
  for (const { der } of authorities) hash.update(der);
  hash.update('\0');
  for (const { der } of chain) hash.update(der);
  return hash.update(`\0${keySize}`).digest('hex');
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
): Map<string, FileComplaint> {
  const complaints = new Map<string, FileComplaint>();
  for (const [index, result] of results.entries()) {
    const file = names[index] ?? '';
    if (result.ok || result.kind === 'changing') continue;
    complaints.set(file, { file, cause: result.kind, problem: result.problem, hint: HINTS[result.kind] });
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
  empty: 'wait for the agent that writes it; if it stays empty, look for a full disk there',
  not_a_regular_file:
    'put a regular file or a link to one there; a directory is what docker makes of a missing bind mount',
  too_large: 'check that the right file lies there',
  unreadable: 'let the user of the watcher read the file and enter its directories',
  link_loop: 'mend the symbolic link',
  io_error: 'check the file system',
};

/** A hint about the directory itself where that is what is wrong. */
async function explainDirectory(certDir: string): Promise<string | undefined> {
  try {
    const stats = await stat(certDir);
    return stats.isDirectory() ? undefined : `CERT_DIR ${certDir} is not a directory`;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return `there is no directory ${certDir}: check CERT_DIR and the mount`;
    // whatever else is wrong with the directory shows in each file's own complaint
    return undefined;
  }
}
