/** Judgements of a two-phase rotation: whether an incoming set becomes the live one. */

import { wasRolledBack } from '../model/live.ts';
import type { SetSituation } from '../situation.ts';
import type { Verdict } from './verdict.ts';

/** A set that was rolled back, by any watcher, is not tried again until it changes. */
export function setRolledBack({ site, files, isToBePromoted }: SetSituation): Verdict | undefined {
  const { live } = site;
  if (!isToBePromoted || live === undefined || !wasRolledBack(live.seen, files)) return undefined;
  return {
    sentence:
      'the incoming set was live and has been rolled back; it is not promoted again until its files change',
  };
}

/**
 * Anything that prevents a change of the live directory is always reported; a failed change is retried after a pause.
 */
export function promotionFailed({ site, now, files, isToBePromoted }: SetSituation): Verdict | undefined {
  const { live } = site;
  if (!isToBePromoted || live === undefined) return undefined;
  const { obstacle } = live.seen;
  if (obstacle !== undefined)
    return { sentence: `the set cannot be promoted: ${obstacle.problem}`, pending: true };
  const { failed } = live;
  if (failed === undefined || failed.identity !== files.identity || now.monoMs >= failed.askAgainMonoMs)
    return undefined;
  return {
    sentence: `the set could not be promoted: ${failed.failure.problem}`,
    pending: true,
    untilMonoMs: failed.askAgainMonoMs,
  };
}

/** The last step before the restart: nothing else is left to wait for. */
export function promote({ site, files, isToBePromoted }: SetSituation): Verdict | undefined {
  const { live } = site;
  if (!isToBePromoted || live === undefined) return undefined;
  const before = live.seen.files;
  return {
    sentence: 'the incoming set is promoted to the live directory',
    step: {
      kind: 'promote',
      set: files,
      previousFingerprint: before.kind === 'complete' ? before.fingerprint : undefined,
    },
    pending: true,
  };
}
