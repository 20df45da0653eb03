/** Texts for a two-phase rotation: the state of the live directory, and what is done to it. */

import type { CertificateSet } from '../model/files.ts';
import { leafName } from '../model/settings.ts';
import type { PromoteStep, RollBackStep } from '../model/step.ts';
import type { Situation } from '../situation.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Condition, Statement } from './condition.ts';
import type { Announcement } from './events.ts';
import { certificateDetails, leafExpiring } from './standing.ts';

/** Conditions of the live directory, whatever happens to the incoming set. */
export function ofLive(situation: Situation): Condition[] {
  const { site, files, now } = situation;
  if (site.live === undefined) return [];
  const live = site.live.seen.files;
  const isOther =
    live.kind === 'complete' && !(files.kind === 'complete' && live.fingerprint === files.fingerprint);
  return [...promotionFailing(situation), ...(isOther ? ofOther(situation, live, now.wallMs) : [])];
}

/** The live certificate, if a new one has arrived and is not promoted. */
function ofOther(situation: Situation, set: CertificateSet, wallMs: number): Statement[] {
  const { leaf, leafFile, fingerprint } = set;
  if (wallMs < leaf.notAfterMs) {
    return leafExpiring(situation, set).map((condition) => ({ ...condition, about: `live ${leafFile}` }));
  }
  return [
    {
      event: 'cert_expired',
      about: 'live',
      subject: fingerprint,
      details: { ...certificateDetails(leaf, situation.now), file: leafFile },
      message: `the live ${leafName(situation.settings)}, in ${situation.settings.certDir}, expired on ${timestamp(leaf.notAfterMs)}`,
      hint: 'find out why the incoming set is not promoted, or renew the certificate',
    },
  ];
}

/** What prevents a change of the live directory now, or made the last change fail. */
function promotionFailing({ site, now, settings }: Situation): Statement[] {
  const { live, sighting } = site;
  const { obstacle } = live?.seen ?? {};
  const failed = live?.failed?.identity === sighting?.identity ? live?.failed : undefined;
  const failure = obstacle ?? failed?.failure;
  if (failure === undefined) return [];
  const waitMs =
    obstacle === undefined
      ? Math.max(0, (failed?.askAgainMonoMs ?? now.monoMs) - now.monoMs)
      : settings.checkIntervalMs;
  const { cause, problem, hint } = failure;
  return [
    {
      event: 'promotion_failed',
      subject: cause,
      details: {
        cert_dir: settings.certDir,
        cause,
        error: problem,
        next_try: timestamp(now.wallMs + waitMs),
        next_try_seconds: Math.ceil(waitMs / 1_000),
      },
      message: `no set can be promoted: ${problem}`,
      hint,
    },
  ];
}

/** The incoming set has become the live one. */
export function setPromoted({ set, previousFingerprint }: PromoteStep): Announcement {
  return {
    event: 'set_promoted',
    details: {
      fingerprint: set.fingerprint,
      previous_fingerprint: previousFingerprint,
      subject: set.leaf.subject,
      not_after: timestamp(set.leaf.notAfterMs),
      message: 'the incoming set has become the live one',
    },
  };
}

/** The previous set is the live one again. */
export function setRolledBack({ set, restored, name, why }: RollBackStep): Announcement {
  return {
    event: 'set_rolled_back',
    details: {
      container: name,
      fingerprint: set.fingerprint,
      restored_fingerprint: restored.fingerprint,
      error: why,
      message: `${name} is not well with the set that was promoted: ${why}; the previous set is live again, and this one is not promoted again until its files change`,
      hint: 'fix the incoming files, or the upstream; the set is tried again once the contents or permissions of its files change',
    },
  };
}
