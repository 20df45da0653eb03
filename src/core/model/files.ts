/** What one look at the certificate directory yields, and the moment at which it was taken. */

import { type Certificate, endsOf } from './certificate.ts';
import type { ConfSight, SetSource } from './named-set.ts';

/** One instant on both clocks: windows and cooldowns use `monoMs`, dates of certificates use `wallMs`. */
export interface Moment {
  /** milliseconds since the epoch, UTC; may jump */
  readonly wallMs: number;
  /** milliseconds of a clock that never goes back */
  readonly monoMs: number;
}

/** What is wrong with one file, in words for the operator. */
export interface FileComplaint {
  /** its name in the certificate directory: `client.crt` */
  readonly file: string;
  /** a constant to alert on: `missing`, `empty`, `unreadable`, `not_a_regular_file`, `unparsable`, `ignored`, … */
  readonly cause: string;
  /** what is wrong, continuing the file's name: `is empty` */
  readonly problem: string;
  readonly hint: string;
}

interface Seen {
  /** changes whenever one of the three files may have changed: device, inode, size, mtime, ctime, content */
  readonly identity: string;
  /**
   * Monotonic milliseconds from which on a look finds the contents final. They were read so soon after a change that
   * another one may have left the same times. undefined: they are final.
   */
  readonly finalFromMonoMs?: number | undefined;
  /** each set of the broker, where its configuration names them; the look is about all of them */
  readonly sets?: readonly NamedSet[];
  readonly conf?: ConfSight;
}

/** At least one of the files does not exist or is not a readable, non-empty regular file. */
export interface IncompleteFiles extends Seen {
  readonly kind: 'incomplete';
  readonly complaints: readonly FileComplaint[];
}

/** A file changed while it was read: nothing is known of its content. */
export interface ChangingFiles extends Seen {
  readonly kind: 'changing';
}

/** The files are there but hold no certificates that OpenSSL could load. */
export interface UnparsableFiles extends Seen {
  readonly kind: 'unparsable';
  readonly complaints: readonly FileComplaint[];
}

/** Three files that were read consistently and whose certificates could be parsed. */
export interface CertificateSet extends Seen {
  readonly kind: 'complete';
  /** SHA-256 over the certificates of both files and the size of the key, in hex */
  readonly fingerprint: string;
  /** the latest change of any of the three inodes, milliseconds since the epoch */
  readonly newestCtimeMs: number;
  /** mode, owner and group of the three files, to compare */
  readonly rights: string;
  /** the certificate that is presented to the upstream, and the file that holds it */
  readonly leaf: Certificate;
  readonly leafFile: string;
  /** the certificates of the same file that lead up from it, in order; a root in that file comes last */
  readonly intermediates: readonly Certificate[];
  /** the certificates of the CA file; none and an empty name if the set has no such file */
  readonly authorities: readonly Certificate[];
  readonly authoritiesFile: string;
  /** digest of the CA certificates as the broker loads them, with their trust settings and in their order, in hex */
  readonly trust: string;
  /** what the files contain that the broker does not load, although it seems to be intended */
  readonly ignored: readonly FileComplaint[];
  /** what the broker's user cannot read; undefined: it is not looked at */
  readonly unreadable?: readonly Obstacle[];
  /** of a listener with a `crlfile`, which is part of the set */
  readonly revocation?: Revocation;
}

/** The revocation list of a listener that ends first. */
export interface Revocation {
  readonly file: string;
  /** over the whole file, in hex */
  readonly sha256: string;
  readonly thisUpdateMs: number;
  /** when the next one is due, milliseconds since the epoch; undefined: it does not say */
  readonly nextUpdateMs: number | undefined;
}

/** What keeps the broker's user (`BROKER_USER`) from reading a file of the set. */
export interface Obstacle {
  /** the name of the file in the certificate directory */
  readonly file: string;
  /** the file or directory that stands in the way, without links */
  readonly path: string;
  /** continues the path: `may be read by its owner alone (mode 600, owner 0, group 0)` */
  readonly problem: string;
  /** the command that fixes it */
  readonly fix: string;
}

/** Identifies what a set is promoted as: the same certificates with other rights are another edition. */
export function editionOf({ fingerprint, rights }: CertificateSet): string {
  return `${fingerprint} ${rights}`;
}

export type FilesObservation = IncompleteFiles | ChangingFiles | UnparsableFiles | CertificateSet;

/** One set as one look finds it. */
export interface NamedSet extends SetSource {
  readonly files: Exclude<FilesObservation, { kind: 'changing' }>;
}

/** Stands for a set that could not be read when the others were applied. */
export const NO_SET = 'none';

/** What is remembered of a set that was applied. */
export function markOf({ files }: Pick<NamedSet, 'files'>): string {
  return files.kind === 'complete' ? files.fingerprint : NO_SET;
}

/**
 * Digests of what a listener has loaded, by which it is known what of it has changed: a signal brings a new leaf with its
 * key, and nothing else for certain.
 */
export interface Parts {
  readonly leaf: string;
  /** of its `cafile`, or of none */
  readonly trust: string;
  /** of its `crlfile`; undefined: there is none */
  readonly revocation?: string | undefined;
}

/** A digest as far as it is stored. */
const short = (digest: string) => digest.slice(0, 16);

/** The digest of a set's leaf, as it is stored. */
export function leafOf({ leaf }: Pick<CertificateSet, 'leaf'>): string {
  return short(leaf.sha256);
}

/** The parts of a set; short digests, which are stored. */
export function partsOf({ leaf, trust, revocation }: CertificateSet): Parts {
  return {
    leaf: leafOf({ leaf }),
    trust: short(trust),
    ...(revocation && { revocation: short(revocation.sha256) }),
  };
}

/** The parts of each listener's set that could be read, by the names of the sets. */
export function partsOfEach(sets: readonly NamedSet[]): Readonly<Record<string, Parts>> {
  return Object.fromEntries(
    sets.flatMap(({ name, role, files }) =>
      role === 'listener' && files.kind === 'complete' ? [[name, partsOf(files)] as const] : [],
    ),
  );
}

/**
 * The intermediate at which the chain of the client certificate ends before its leaf does, unless another certificate
 * of the set replaces it.
 */
export function brokenLink(
  { leaf, intermediates, authorities }: CertificateSet,
  nowMs: number,
): Certificate | undefined {
  const { ahead, past } = endsOf(intermediates, authorities, nowMs);
  return [...past, ...ahead].find(({ notAfterMs }) => notAfterMs < leaf.notAfterMs);
}
