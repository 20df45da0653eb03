/** What a TLS listener of the broker has presented at one look. */

import type { CertificateSet } from './files.ts';

export type Presented =
  | {
      readonly ok: true;
      /** SHA-256 of the leaf, in hex */
      readonly leaf: string;
      /** as in {@link Certificate} */
      readonly subject: string;
      readonly notAfterMs: number;
    }
  /** nobody answers there, or presents a certificate; in a clause that continues the address */
  | { readonly ok: false; readonly problem: string };

/** Whether that is the leaf of this set, so that the broker has loaded it. */
export function presents(presented: Presented | undefined, { leaf }: Pick<CertificateSet, 'leaf'>): boolean {
  return presented?.ok === true && presented.leaf === leaf.sha256;
}
