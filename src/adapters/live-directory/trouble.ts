/** What prevents a change of the live directory, in words for the operator. */

import type { PromotionCause, PromotionFailure } from '../../core/model/live.ts';
import { codeOf, messageOf } from '../../system/errors.ts';

/** A failure that is not an error of the file system. */
export class Trouble extends Error {
  readonly kind: PromotionCause;
  constructor(kind: PromotionCause, problem: string) {
    super(problem);
    this.kind = kind;
  }
}

const HINTS: Readonly<Record<PromotionCause, string>> = {
  directory_missing: 'create the directory, or check CERT_DIR and the mount',
  same_directory: 'give the agent a directory of its own (INCOMING_DIR)',
  foreign_directory:
    'give the watcher a CERT_DIR of its own, and have the broker read that; what owns this one can write to INCOMING_DIR',
  permission_denied:
    'let the user of the watcher read the files in INCOMING_DIR and write to the directory CERT_DIR',
  read_only: 'mount CERT_DIR read-write for the watcher; the broker needs it read-only',
  disk_full: 'free space on the file system of CERT_DIR',
  links_unsupported: 'put CERT_DIR on a file system that has symbolic links',
  odd_file: 'put a regular file, or nothing, in its place',
  io_error: 'check the file system of CERT_DIR',
};

export function failureOf(cause: PromotionCause, problem: string): PromotionFailure {
  return { cause, problem, hint: HINTS[cause] };
}

const CAUSES: Readonly<Record<string, PromotionCause>> = {
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  EROFS: 'read_only',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EFBIG: 'disk_full',
  ENOTSUP: 'links_unsupported',
  EOPNOTSUPP: 'links_unsupported',
  EISDIR: 'odd_file',
  ENOTDIR: 'odd_file',
};

/** What the error means for the live directory, without the random names of temporary files, which help nobody. */
export function failureOfError(error: unknown, certDir: string): PromotionFailure {
  if (error instanceof Trouble) return failureOf(error.kind, error.message);
  const isLink =
    typeof error === 'object' && error !== null && 'syscall' in error && error.syscall === 'symlink';
  const code = codeOf(error) ?? /\bE[A-Z]{3,}\b/.exec(messageOf(error))?.[0] ?? '';
  const cause = isLink && code === 'EPERM' ? 'links_unsupported' : (CAUSES[code] ?? 'io_error');
  const [reason = ''] = messageOf(error).split(/, (?=[a-z]+ ')/);
  return failureOf(cause, `${certDir} cannot be changed: ${reason}`);
}
