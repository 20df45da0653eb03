/**
 * A directory of CA certificates (`capath`) as OpenSSL looks them up in it: `<hash>.<n>`, where the hash is that of a
 * subject, and n counts from 0 without a gap. Everything else in it is not seen.
 */

import { join } from 'node:path';
import { messageOf } from './errors.ts';
import { readdir } from './file-calls.ts';
import { subjectHash } from './name-hash.ts';
import { type FileLook, type FileProblemKind, lookAt, readRegularFile } from './regular-file.ts';
import { MAX_CERTIFICATES, type ParsedCertificate, parseCertificates } from './x509.ts';

/** The bundles of whole operating systems have 150 certificates. */
const MOST_FILES = MAX_CERTIFICATES.authorities;
/** Of all files together; 300 kB are usual for an operating system. */
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_IGNORED = 5;
/** Two writes within one tick of the kernel's clock leave the same ctime. */
const FRESH_MS = 2_000;

export type CaDirectoryLook<T> =
  | {
      readonly ok: true;
      /** changes whenever one of the files may have changed */
      readonly identity: string;
      /** of the files that OpenSSL would open */
      readonly names: readonly string[];
      readonly value: T;
      /** the latest change of one of the files, milliseconds since the epoch */
      readonly newestCtimeMs: number;
      /** what seems to be meant and is not found, continuing the directory's name */
      readonly ignored: readonly string[];
    }
  | CaDirectoryProblem;

export interface CaDirectoryProblem {
  readonly ok: false;
  readonly kind: Exclude<FileProblemKind, 'too_large' | 'not_a_regular_file'> | 'changing' | 'unparsable';
  /** continues the directory's name */
  readonly problem: string;
  /** what to do about it */
  readonly hint: string;
}

type Fault = Omit<CaDirectoryProblem, 'hint'>;

export interface CaDirectory<T> {
  /** One look. It never throws, and reads the files again only if one of them may have changed. */
  look(): Promise<CaDirectoryLook<T>>;
}

interface Seen {
  readonly names: readonly string[];
  readonly identity: string;
  readonly newestCtimeMs: number;
}

/** `path` need not exist. What OpenSSL finds in it goes to `judge`, in the order of the names; only its result is kept. */
export function createCaDirectory<T>(
  path: string,
  judge: (certificates: readonly ParsedCertificate[]) => T,
): CaDirectory<T> {
  let kept: CaDirectoryLook<T> | undefined;
  return {
    async look() {
      const seen = await see(path);
      if ('ok' in seen) return told(path, seen);
      if (kept?.ok === true && kept.identity === seen.identity) return kept;
      const found = await read(path, seen.names);
      const again = await see(path);
      if ('ok' in again || again.identity !== seen.identity)
        return told(path, { ok: false, kind: 'changing', problem: 'changes while it is read' });
      if ('ok' in found) return told(path, found);
      const { names, identity, newestCtimeMs } = seen;
      const { certificates, ignored } = found;
      const look = { ok: true, names, identity, newestCtimeMs, value: judge(certificates), ignored } as const;
      kept = Date.now() - newestCtimeMs > FRESH_MS ? look : undefined;
      return look;
    },
  };
}

async function see(path: string): Promise<Seen | Fault> {
  const names = await namesIn(path);
  if ('ok' in names) return names;
  if (names.length > MOST_FILES) return tooMuch(`more than ${MOST_FILES} files`);
  const looks = await Promise.all(names.map((name) => lookAt(join(path, name))));
  const identities = looks.flatMap((look) => (look.ok ? [look.identity] : []));
  const bytes = identities.reduce((sum, { size }) => sum + Number(size), 0);
  if (bytes > MOST_BYTES) return tooMuch(`more than ${MOST_BYTES / 1024 / 1024} MiB`);
  return {
    names,
    identity: names.map((name, index) => `${name} ${stampOf(looks[index])}`).join('\n'),
    newestCtimeMs: Math.max(0, ...identities.map(({ ctimeNs }) => Number(ctimeNs) / 1e6)),
  };
}

function tooMuch(what: string): Fault {
  return { ok: false, kind: 'io_error', problem: `holds ${what} of CA certificates` };
}

function stampOf(look: FileLook | undefined): string {
  if (look?.ok !== true) return look?.kind ?? '';
  const { device, inode, size, mtimeNs, ctimeNs } = look.identity;
  return [device, inode, size, mtimeNs, ctimeNs].join(':');
}

/** The names that OpenSSL would try, those of one hash together. */
async function namesIn(path: string): Promise<string[] | Fault> {
  try {
    const found = new Set((await readdir(path)).filter((name) => /^[\da-f]{8}\.\d{1,4}$/.test(name)));
    const hashes = [...new Set([...found].map((name) => name.slice(0, 8)))].toSorted();
    return hashes.flatMap((hash) => {
      const inTurn: string[] = [];
      while (found.has(`${hash}.${inTurn.length}`)) inTurn.push(`${hash}.${inTurn.length}`);
      return inTurn;
    });
  } catch (error) {
    const look = await lookAt(path);
    if (!look.ok && look.kind !== 'not_a_regular_file' && look.kind !== 'too_large')
      return { ok: false, kind: look.kind, problem: look.problem };
    if (look.ok) return { ok: false, kind: 'io_error', problem: 'is a file, not a directory' };
    return { ok: false, kind: 'unreadable', problem: `cannot be read: ${messageOf(error)}` };
  }
}

interface Found {
  readonly certificates: readonly ParsedCertificate[];
  readonly ignored: readonly string[];
}

async function read(path: string, names: readonly string[]): Promise<Found | Fault> {
  const certificates: ParsedCertificate[] = [];
  const ignored: string[] = [];
  let broken = '';
  for (const name of names) {
    const hash = name.slice(0, 8);
    // OpenSSL goes no further than to the first that it cannot load
    if (hash === broken) continue;
    const file = await readRegularFile(join(path, name));
    const parsed = file.ok ? parseCertificates(file.bytes, 'authorities') : file;
    if (!parsed.ok) {
      broken = hash;
      ignored.push(`has a ${name} that ${parsed.problem}`);
    } else if (parsed.certificates.some(({ der }) => subjectHash(der) === hash)) {
      certificates.push(...parsed.certificates);
    } else {
      ignored.push(`has a ${name} that holds no certificate with that hash`);
    }
    if (certificates.length > MOST_FILES) return tooMuch(`more than ${MOST_FILES} certificates`);
  }
  if (certificates.length > 0) return { certificates, ignored: ignored.slice(0, MOST_IGNORED) };
  const [problem] = ignored;
  if (problem !== undefined) return { ok: false, kind: 'unparsable', problem };
  const none = 'holds no certificate under a name that OpenSSL looks for (<hash>.0)';
  return { ok: false, kind: 'empty', problem: none };
}

function told(path: string, fault: Fault): CaDirectoryProblem {
  return { ...fault, hint: hintFor(path, fault) };
}

function hintFor(path: string, { kind }: Fault): string {
  switch (kind) {
    case 'missing':
      return `make the directory ${path}, or check bridge_capath and the mount`;
    case 'unreadable':
      return `let the user of the watcher read ${path} and enter it`;
    case 'changing':
      return 'the certificates are being written: look again when that is done';
    case 'unparsable':
    case 'empty':
      return `put the CA certificates into ${path}, one in each file, and run openssl rehash ${path}`;
    case 'link_loop':
      return 'fix the symbolic link';
    case 'io_error':
      return `check ${path}: a directory with nothing but the CA certificates that this bridge needs`;
  }
}
