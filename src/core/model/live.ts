/** The live directory of a two-phase rotation (`INCOMING_DIR`) as one look finds it, and what follows from that. */

import { type CertificateSet, editionOf, type FilesObservation } from './files.ts';

/** Every way in which the live directory cannot be changed. */
export const PROMOTION_CAUSES = [
  'directory_missing',
  'same_directory',
  'foreign_directory',
  'permission_denied',
  'read_only',
  'disk_full',
  'links_unsupported',
  'odd_file',
  'io_error',
] as const;
export type PromotionCause = (typeof PROMOTION_CAUSES)[number];

export interface PromotionFailure {
  readonly cause: PromotionCause;
  /** one line: what failed on which object and why */
  readonly problem: string;
  readonly hint: string;
}

/** How a change of the live directory ended. */
export type PromotionOutcome =
  | { readonly kind: 'done' }
  /** the files are no longer those that were to be promoted, or another watcher was first: nothing was changed */
  | { readonly kind: 'outdated' }
  | { readonly kind: 'failed'; readonly failure: PromotionFailure };

export interface LiveDirectory {
  /** the set that the broker reads; its `newestCtimeMs` is the moment at which it was put there */
  readonly files: FilesObservation;
  /** the three paths are links of ours; otherwise they still have to be taken over */
  readonly isOurs: boolean;
  /** what it was promoted as, see {@link editionOf}; undefined: it was not promoted but already there */
  readonly edition: string | undefined;
  /** a broker was well with it */
  readonly isProven: boolean;
  /** since when the live set is live again after a roll-back, milliseconds since the epoch; undefined: it is not */
  readonly restoredAtMs: number | undefined;
  /** the previous set, as long as it can be restored */
  readonly previous: CertificateSet | undefined;
  /** editions that were rolled back, and are not promoted again */
  readonly rolledBack: readonly string[];
  /** why nothing can be changed there at the moment */
  readonly obstacle: PromotionFailure | undefined;
}

/**
 * Whether this incoming set is the live one: for a live set that was not promoted, only the certificates are compared.
 */
export function isLive({ files, edition }: LiveDirectory, incoming: CertificateSet): boolean {
  if (files.kind !== 'complete' || files.fingerprint !== incoming.fingerprint) return false;
  return edition === undefined || edition === editionOf(incoming);
}

/** Whether this incoming set was rolled back, and has not been changed since. */
export function wasRolledBack({ rolledBack }: LiveDirectory, incoming: CertificateSet): boolean {
  return rolledBack.includes(editionOf(incoming));
}

/** The set that can be restored: one that is valid now. */
export function setToRestore({ previous }: LiveDirectory, nowMs: number): CertificateSet | undefined {
  if (previous === undefined) return undefined;
  const { notBeforeMs, notAfterMs } = previous.leaf;
  return notBeforeMs <= nowMs && nowMs < notAfterMs ? previous : undefined;
}
