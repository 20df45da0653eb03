/** What one look at the certificate directory yields, and the moment at which it was taken. */

import type { Certificate } from './certificate.ts';

/** One instant on both clocks: windows and cooldowns use `monoMs`, dates of certificates use `wallMs`. */
export interface Moment {
  /** milliseconds since the epoch, UTC; may jump */
  readonly wallMs: number;
  /** milliseconds of a clock that only ever goes forward */
  readonly monoMs: number;
}

/** What is wrong with one file, in words for the operator. */
export interface FileComplaint {
  /** its name in the certificate directory: `client.crt` */
  readonly file: string;
  /** a constant to alert on: `missing`, `empty`, `unreadable`, `not_a_regular_file`, `unparsable`, … */
  readonly cause: string;
  /** what is wrong, continuing the file's name: `is empty` */
  readonly problem: string;
  readonly hint: string;
}

interface Seen {
  /** changes whenever one of the three files may have changed: device, inode, size, mtime, ctime, content */
  readonly identity: string;
}

/** At least one of the files does not exist or is not a readable, non-empty regular file. */
export interface IncompleteFiles extends Seen {
  readonly kind: 'incomplete';
  readonly complaints: readonly FileComplaint[];
}

/** A file changed while it was read: nothing can be said of its content. */
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
  /** the certificate that is presented to the upstream, with the file it stands in */
  readonly leaf: Certificate;
  readonly leafFile: string;
  /** the certificates that the upstream is verified with */
  readonly authorities: readonly Certificate[];
  readonly authoritiesFile: string;
}

export type FilesObservation = IncompleteFiles | ChangingFiles | UnparsableFiles | CertificateSet;
