/** Records about the sets in the live directory, stored beside them so that both have the same lifetime. */

import { isUtf8 } from 'node:buffer';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { readRegularFile } from '../../system/regular-file.ts';
import { syncDirectory } from '../../system/sync-directory.ts';

const NAME = '..sets.json';

/** The record of one set directory. */
export interface SetRecord {
  /** what it was promoted as; undefined: it was not promoted but already there */
  readonly edition?: string | undefined;
  /** if it was already there: since when, milliseconds since the epoch */
  readonly sinceMs?: number | undefined;
  /** a broker was well with it */
  readonly proven?: true | undefined;
  /** it is live again after a roll-back, or about to be */
  readonly restored?: true | undefined;
}

export interface Records {
  readonly sets: ReadonlyMap<string, SetRecord>;
  /** the latest last */
  readonly rolledBack: readonly string[];
}

/** How many rolled-back editions are kept; an agent that brings back older ones has other problems. */
const KEPT_EDITIONS = 16;
const MAX_SETS = 16;

const EDITION = v.pipe(v.string(), v.maxLength(512));
const SCHEMA = v.strictObject({
  version: v.literal(1),
  sets: v.pipe(
    v.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
    v.transform((sets) => Object.entries(sets)),
    v.maxLength(MAX_SETS),
    v.array(
      v.tuple([
        v.pipe(v.string(), v.maxLength(64)),
        v.strictObject({
          edition: v.optional(EDITION),
          since_ms: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15))),
          proven: v.optional(v.literal(true)),
          restored: v.optional(v.literal(true)),
        }),
      ]),
    ),
  ),
  rolled_back: v.pipe(v.array(EDITION), v.maxLength(KEPT_EDITIONS)),
});

const NOTHING: Records = { sets: new Map(), rolledBack: [] };

/** What was saved last. A file that cannot be parsed counts as empty, and is replaced at the next save. */
export async function loadRecords(certDir: string): Promise<Records> {
  const read = await readRegularFile(join(certDir, NAME));
  if (!read.ok || !isUtf8(read.bytes)) return NOTHING;
  try {
    const parsed = v.safeParse(SCHEMA, JSON.parse(read.bytes.toString('utf8')));
    if (!parsed.success) return NOTHING;
    const { sets, rolled_back: rolledBack } = parsed.output;
    return {
      sets: new Map(
        sets.map(([name, { since_ms: sinceMs, ...record }]) => [name, { ...record, sinceMs }] as const),
      ),
      rolledBack,
    };
  } catch {
    // not JSON at all
    return NOTHING;
  }
}

/** Replaces the file as a whole; it is on disk when this resolves. Throws if that is not possible. */
export async function saveRecords(
  certDir: string,
  { sets, rolledBack }: Records,
  workDir: string,
): Promise<void> {
  const entries = [...sets].map(
    ([name, { edition, sinceMs, proven, restored }]) =>
      [name, { edition, since_ms: sinceMs, proven, restored }] as const,
  );
  const json = {
    version: 1,
    sets: Object.fromEntries(entries),
    rolled_back: rolledBack.slice(-KEPT_EDITIONS),
  };
  const made = join(workDir, NAME);
  const file = await open(made, 'wx', 0o600);
  try {
    // a successor may run as another user of the directory's group
    await file.chmod(0o640);
    await file.writeFile(`${JSON.stringify(json)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(made, join(certDir, NAME));
  await syncDirectory(certDir);
}
