/**
 * The changes of the live directory. The process may be killed, or the power fail, after any step, so the order is
 * fixed: new files are complete and on disk before anything links to them, and records are saved before they are
 * needed.
 */

import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type CertificateSet, editionOf, type FilesObservation } from '../../core/model/files.ts';
import type { PromotionOutcome } from '../../core/model/live.ts';
import { syncDirectory } from '../../system/sync-directory.ts';
import { copySet } from './copy-set.ts';
import {
  DATA,
  directoryFor,
  discard,
  hasOurLinks,
  linkPaths,
  linkTo,
  PREVIOUS,
  pointTo,
  tryLinks,
} from './layout.ts';
import { loadRecords, type SetRecord, saveRecords } from './record.ts';
import { Trouble } from './trouble.ts';

/** Looks at the three files in one directory, and caches what it has read of them. */
export interface SetReader {
  observe(nowMonoMs: number): Promise<FilesObservation>;
}

export interface Place {
  readonly certDir: string;
  readonly incomingDir: string;
  /** of the three files */
  readonly names: readonly string[];
  readonly readSet: (directory: string) => SetReader;
}

/** A place while no other process changes it. */
export interface Workplace extends Place {
  /** what is not finished is made here, on the same file system */
  readonly workDir: string;
}

const OUTDATED = { kind: 'outdated' } as const;
const DONE = { kind: 'done' } as const;

/**
 * Converts what is there to the layout: while path after path becomes a link, each leads to the same content as before.
 */
export async function takeOver(place: Workplace): Promise<PromotionOutcome> {
  const { certDir, names, readSet } = place;
  const data = await linkTo(certDir, DATA);
  if (data?.set !== undefined && (await hasOurLinks(certDir, names))) return DONE;
  const reader = readSet(certDir);
  const files = await reader.observe(0);
  if (files.kind !== 'complete' && files.kind !== 'unparsable') return OUTDATED;
  // begun by a process that was killed
  if (data?.set !== undefined && (await holds(place, data.set, files))) {
    await goTo(place, data.set);
    return DONE;
  }
  const sinceMs = files.kind === 'complete' ? files.newestCtimeMs : undefined;
  const built = await build(place, certDir, files, reader, data?.set);
  if (built === undefined) return OUTDATED;
  await remember(place, { [built]: { sinceMs } });
  await goTo(place, built);
  return DONE;
}

async function holds(
  { certDir, readSet }: Workplace,
  directory: string,
  files: FilesObservation,
): Promise<boolean> {
  const copy = await readSet(join(certDir, directory)).observe(0);
  return copy.kind === 'complete' && files.kind === 'complete' && copy.fingerprint === files.fingerprint;
}

/** Makes a copy of the incoming set the live one by one rename. */
export async function promote(place: Workplace, set: CertificateSet): Promise<PromotionOutcome> {
  const { certDir, incomingDir, names, readSet } = place;
  const found = await readSet(certDir).observe(0);
  const before = await linkTo(certDir, DATA);
  const isLinked = before?.set !== undefined && (await hasOurLinks(certDir, names));
  if (!isLinked && (found.kind === 'complete' || found.kind === 'unparsable')) {
    const taken = await takeOver(place);
    if (taken.kind !== 'done') return taken;
  }
  const data = await linkTo(certDir, DATA);
  const { sets } = await loadRecords(certDir);
  const isThere = found.kind === 'complete' && found.fingerprint === set.fingerprint;
  if (isThere && sets.get(data?.set ?? '')?.edition === editionOf(set)) return OUTDATED;
  const built = await build(place, incomingDir, set, readSet(incomingDir), data?.set);
  if (built === undefined) return OUTDATED;
  await remember(place, { [built]: { edition: editionOf(set) } });
  await goTo(place, built);
  return DONE;
}

/**
 * Copies the files of a directory, and checks before and after that they are the ones that were judged; resolves with
 * the name of the copy, or with undefined if they are not.
 */
async function build(
  { certDir, names, readSet, workDir }: Workplace,
  from: string,
  set: FilesObservation,
  reader: SetReader,
  liveSet: string | undefined,
): Promise<string | undefined> {
  const digits = set.kind === 'complete' ? set.fingerprint : '0'.repeat(16);
  const made = join(workDir, 'set');
  await tryLinks(workDir);
  const isAsJudged = async () => (await reader.observe(0)).identity === set.identity;
  if (!(await isAsJudged())) return undefined;
  try {
    await copySet(from, [...new Set(names)], certDir, made);
  } catch (error) {
    // a file has gone, or is none any more: the next look tells which
    if (!(await isAsJudged())) return undefined;
    throw error;
  }
  const copy = await readSet(made).observe(0);
  const isSame = copy.kind === set.kind && (copy.kind !== 'complete' || copy.fingerprint === digits);
  if (!isSame || !(await isAsJudged())) return undefined;
  const directory = directoryFor(digits, liveSet);
  if (liveSet !== undefined) await pointTo(certDir, PREVIOUS, liveSet, workDir);
  // a directory of the same name holds the set before the one that is now the previous
  await discard(certDir, directory, workDir);
  await rename(made, join(certDir, directory));
  await syncDirectory(certDir);
  return directory;
}

/** Records these sets by their directories, and keeps the records of those that stay. */
async function remember(
  { certDir, workDir }: Workplace,
  sets: Readonly<Record<string, SetRecord>>,
  rolledBack: readonly string[] = [],
): Promise<void> {
  const records = await loadRecords(certDir);
  const links = await Promise.all([linkTo(certDir, DATA), linkTo(certDir, PREVIOUS)]);
  const kept = [...records.sets].filter(([name]) => links.some((link) => link?.set === name));
  const all = {
    sets: new Map([...kept, ...Object.entries(sets)]),
    rolledBack: [...records.rolledBack.filter((edition) => !rolledBack.includes(edition)), ...rolledBack],
  };
  await saveRecords(certDir, all, workDir);
}

async function goTo({ certDir, names, workDir }: Workplace, directory: string): Promise<void> {
  await pointTo(certDir, DATA, directory, workDir);
  // before any path leads through it
  await syncDirectory(certDir);
  await linkPaths(certDir, names, workDir);
  await syncDirectory(certDir);
}

/** Makes the previous set the live one again, and records this one as rolled back. */
export async function rollBack(place: Workplace, set: CertificateSet): Promise<PromotionOutcome> {
  const { certDir, readSet, workDir } = place;
  const [data, before, files] = await Promise.all([
    linkTo(certDir, DATA),
    linkTo(certDir, PREVIOUS),
    readSet(certDir).observe(0),
  ]);
  const isStill = files.kind === 'complete' && files.fingerprint === set.fingerprint;
  if (!isStill || data?.set === undefined) return OUTDATED;
  if (before?.set === undefined) throw new Trouble('odd_file', `${join(certDir, PREVIOUS)} leads to no set`);
  const { sets } = await loadRecords(certDir);
  const record = sets.get(data.set) ?? {};
  const restored = { ...sets.get(before.set), restored: true } as const;
  // first of all: after a kill, the next process finds the old set live, and must not promote this one again
  await remember(place, { [data.set]: record, [before.set]: restored }, [record.edition ?? editionOf(set)]);
  await goTo(place, before.set);
  await pointTo(certDir, PREVIOUS, data.set, workDir);
  await syncDirectory(certDir);
  return DONE;
}

/** Records that a broker was well with the live set. */
export async function rememberProven(place: Workplace): Promise<PromotionOutcome> {
  const { certDir } = place;
  const data = await linkTo(certDir, DATA);
  if (data?.set === undefined) return OUTDATED;
  const record = (await loadRecords(certDir)).sets.get(data.set);
  if (record?.proven !== true) await remember(place, { [data.set]: { ...record, proven: true } });
  return DONE;
}
