/** Text of any origin, made harmless and short for the snapshot. */

import { printable } from './printable.ts';

const LONGEST = 400;

/** Text of any origin (a subject, an error) as one short line, see {@link printable}. */
export function clip(text: string): string {
  return printable(text, LONGEST);
}
