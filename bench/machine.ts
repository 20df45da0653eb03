/** The machine at hand in one line, for the heading of a table of figures. */

import { cpus, release, totalmem } from 'node:os';

/** `2026-11-25, 2 × AMD EPYC 9R14, 24 GiB, Linux 6.18`. */
export function machine(): string {
  const model = cpus()[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown processor';
  const day = new Date().toISOString().slice(0, 10);
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${day}, ${cpus().length} × ${model}, ${gibibytes} GiB, Linux ${release().split('-')[0]}`;
}
