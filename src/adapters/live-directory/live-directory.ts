/**
 * The live directory of a two-phase rotation: only this module writes there. At every instant, even after SIGKILL or a
 * loss of power between any two system calls, the three paths lead to one complete set.
 */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateSet, FilesObservation } from '../../core/model/files.ts';
import type { LiveDirectory, PromotionOutcome } from '../../core/model/live.ts';
import { type Place, promote, rememberProven, rollBack, takeOver, type Workplace } from './change.ts';
import { DATA, hasOurLinks, isDirectoryFor, type Link, linkTo, PREVIOUS, tidy } from './layout.ts';
import { withLock } from './lock.ts';
import { findObstacle } from './obstacle.ts';
import { loadRecords, type Records, type SetRecord } from './record.ts';
import { failureOfError } from './trouble.ts';

export interface LiveSets {
  /** One look. It changes nothing, and throws for nothing that it finds. */
  observe(nowMonoMs: number): Promise<LiveDirectory>;
  /** Converts what is there to the layout, without the paths ever being absent or mixed. Never throws. */
  takeOver(): Promise<PromotionOutcome>;
  /** Makes the incoming set the live one, if it has not changed. Never throws. */
  promote(set: CertificateSet): Promise<PromotionOutcome>;
  /** Restores the previous set, and records that this one is not to be promoted again. Never throws. */
  rollBack(set: CertificateSet): Promise<PromotionOutcome>;
  /** Records that a broker was well with the live set. Never throws. */
  rememberProven(): Promise<PromotionOutcome>;
}

export function createLiveDirectory(place: Place): LiveSets {
  const { certDir, incomingDir, readSet, names } = place;
  const live = readSet(certDir);
  const previous = readSet(join(certDir, PREVIOUS));

  async function observe(nowMonoMs: number): Promise<LiveDirectory> {
    const [files, data, before, records, isLinked, obstacle] = await Promise.all([
      live.observe(nowMonoMs),
      linkTo(certDir, DATA).catch(() => undefined),
      linkTo(certDir, PREVIOUS).catch(() => undefined),
      loadRecords(certDir),
      hasOurLinks(certDir, names).catch(() => false),
      findObstacle(certDir, incomingDir),
    ]);
    const isOurs = isLinked && data?.set !== undefined;
    const record = records.sets.get(data?.set ?? '');
    return {
      files: since(files, data, record),
      isOurs,
      edition: isOurs ? record?.edition : undefined,
      isProven: record?.proven === true,
      restoredAtMs: record?.restored === true ? data?.sinceMs : undefined,
      previous: await setBefore(nowMonoMs, data, before, records),
      rolledBack: records.rolledBack,
      obstacle,
    };
  }

  /** Undefined: there is none, or it was rolled back. */
  async function setBefore(
    nowMonoMs: number,
    data: Link | undefined,
    before: Link | undefined,
    { sets, rolledBack }: Records,
  ): Promise<CertificateSet | undefined> {
    if (before?.set === undefined || before.set === data?.set) return undefined;
    const edition = sets.get(before.set)?.edition;
    if (edition !== undefined && rolledBack.includes(edition)) return undefined;
    const files = await previous.observe(nowMonoMs);
    return files.kind === 'complete' ? files : undefined;
  }

  /** What cannot be removed now, for example because another user has made it, is removed another time. */
  async function tidyAsAllowed(workDir: string): Promise<void> {
    await tidy(certDir, workDir).catch(() => undefined);
  }

  /** Nothing else changes the directory meanwhile; what is left over, old and new, is removed. */
  async function changing(work: (at: Workplace) => Promise<PromotionOutcome>): Promise<PromotionOutcome> {
    const attempt = async (workDir: string): Promise<PromotionOutcome> => {
      try {
        await tidyAsAllowed(workDir);
        return await work({ ...place, workDir });
      } catch (error) {
        // another process has taken the lock away: the next look shows what it has done
        if (!(await isThere(workDir))) return { kind: 'outdated' };
        return { kind: 'failed', failure: failureOfError(error, certDir) };
      } finally {
        await tidyAsAllowed(workDir);
      }
    };
    try {
      const failure = await findObstacle(certDir, incomingDir);
      return failure === undefined ? await withLock(certDir, attempt) : { kind: 'failed', failure };
    } catch (error) {
      return { kind: 'failed', failure: failureOfError(error, certDir) };
    }
  }

  return {
    observe,
    takeOver: () => changing(takeOver),
    promote: (set) => changing((at) => promote(at, set)),
    rollBack: (set) => changing((at) => rollBack(at, set)),
    rememberProven: () => changing(rememberProven),
  };
}

/** A set that was taken over is older than its copy; any other has been live since `..data` leads to it. */
function since(
  files: FilesObservation,
  data: Link | undefined,
  record: SetRecord | undefined,
): FilesObservation {
  if (files.kind !== 'complete' || data?.set === undefined || !isDirectoryFor(files.fingerprint, data.set))
    return files;
  return { ...files, newestCtimeMs: record?.sinceMs ?? Math.max(files.newestCtimeMs, data.sinceMs) };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
