/** Judgements of the files: from whether they exist to whether they may be applied. */

import { setCannotWork } from '../model/probe.ts';
import { agentsDirectory, leafName } from '../model/settings.ts';
import type { Statement } from '../news/condition.ts';
import { crlExpired as ended } from '../news/revocation.ts';
import { certificateDetails, sentenceOf } from '../news/standing.ts';
import { quietSince, type SetSituation, type Situation } from '../situation.ts';
import { formatDuration } from '../text/duration.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Verdict } from './verdict.ts';

/** Files that change faster than this are being written: not reported as a problem yet. */
const QUIET_MS = 1_000;

/** A file that changes while it is read is looked at again after this time. */
const CHANGING_LOOK_MS = 100;

export function certsMissing(situation: Situation): Verdict | undefined {
  const { files, settings } = situation;
  if (files.kind !== 'incomplete') return undefined;
  const { complaints } = files;
  const missing: Statement = {
    event: 'cert_missing',
    subject: JSON.stringify(complaints),
    details: { cert_dir: agentsDirectory(settings).path, files: complaints },
    message: sentenceOf(complaints),
    hint: complaints[0]?.hint,
  };
  return { sentence: missing.message, conditions: [missing], ...untilQuiet(situation) };
}

export function certsChanging({ files, now }: Situation): Verdict | undefined {
  if (files.kind !== 'changing') return undefined;
  return {
    sentence: 'the files are being written at this moment',
    transient: true,
    untilMonoMs: now.monoMs + CHANGING_LOOK_MS,
  };
}

export function certUnparsable(situation: Situation): Verdict | undefined {
  const { files, settings } = situation;
  if (files.kind !== 'unparsable') return undefined;
  const conditions = files.complaints.map(
    ({ file, cause, problem, hint }): Statement => ({
      event: 'cert_parse_failed',
      about: file,
      subject: problem,
      details: { cert_dir: agentsDirectory(settings).path, file, cause },
      message: `${file} ${problem}`,
      hint,
    }),
  );
  return { sentence: sentenceOf(files.complaints), conditions, ...untilQuiet(situation) };
}

/** Files that are being written are not reported as a problem, except at the very first look. */
function untilQuiet(situation: Situation): Pick<Verdict, 'transient' | 'untilMonoMs'> {
  const { now, site, settings } = situation;
  const quietAtMonoMs = quietSince(situation) + Math.min(QUIET_MS, settings.stabilityWindowMs);
  return { transient: site.cycles > 1 && now.monoMs < quietAtMonoMs, untilMonoMs: quietAtMonoMs };
}

export function certExpired(situation: SetSituation): Verdict | undefined {
  const { now, files, settings } = situation;
  const { leaf, leafFile, fingerprint } = files;
  if (now.wallMs < leaf.notAfterMs) return undefined;
  const expired: Statement = {
    event: 'cert_expired',
    subject: fingerprint,
    details: { ...certificateDetails(leaf, now), file: leafFile },
    message: `the ${leafName(settings)} in ${leafFile} expired on ${timestamp(leaf.notAfterMs)}; the broker is not restarted for it`,
    hint: 'renew the certificate; if it looks valid, check the clock of this machine',
  };
  return { sentence: expired.message, conditions: [expired] };
}

/** A listener whose list has ended refuses every client with a certificate. */
export function crlExpired(situation: SetSituation): Verdict | undefined {
  const expired = ended(situation);
  return expired && { sentence: expired.message, conditions: [expired] };
}

export function certNotYetValid({ now, files, isChanged, settings }: SetSituation): Verdict | undefined {
  const { leaf, leafFile, fingerprint } = files;
  const aheadMs = leaf.notBeforeMs - now.wallMs;
  if (aheadMs <= 0) return undefined;
  const early: Statement = {
    event: 'cert_not_yet_valid',
    subject: fingerprint,
    details: { ...certificateDetails(leaf, now), file: leafFile },
    message: `the ${leafName(settings)} in ${leafFile} is not valid before ${timestamp(leaf.notBeforeMs)}; the broker is restarted for it then`,
    hint: 'wait, or check the clock of this machine',
  };
  return {
    sentence: early.message,
    conditions: [early],
    pending: isChanged,
    untilMonoMs: now.monoMs + aheadMs,
  };
}

/** Only stable files are judged: many agents write the certificate first and the key a moment later. */
export function keyUnusable({
  verdict,
  isStable,
  isChanged,
  files,
  settings,
}: SetSituation): Verdict | undefined {
  if (!isStable || verdict === undefined || !setCannotWork(verdict)) return undefined;
  const unusable: Statement = {
    event: verdict.cause === 'client_key_mismatch' ? 'cert_key_mismatch' : 'cert_parse_failed',
    about: 'probe',
    subject: `${files.fingerprint} ${verdict.error}`,
    details: {
      cert_dir: agentsDirectory(settings).path,
      file: verdict.file ?? settings.clientKeyFile,
      cause: verdict.cause,
      fingerprint: files.fingerprint,
    },
    message: `${verdict.error}; the broker is not restarted for this set`,
    hint: verdict.hint,
  };
  return { sentence: unusable.message, conditions: [unusable], pending: isChanged };
}

export function notStable(situation: SetSituation): Verdict | undefined {
  const { isStable, isChanged, stableAtMonoMs, now, files, settings } = situation;
  if (isStable) return undefined;
  if (!isChanged) {
    const sentence = 'the files were touched; they hold the certificates that the broker has';
    return { sentence, untilMonoMs: stableAtMonoMs };
  }
  const window = formatDuration(settings.stabilityWindowMs);
  const deferred: Statement = {
    event: 'restart_deferred',
    subject: 'changed set',
    details: {
      reason: 'stability_window',
      fingerprint: files.fingerprint,
      stability_window: window,
      not_before: timestamp(now.wallMs + (stableAtMonoMs - now.monoMs)),
    },
    message: `the certificates have changed; the restart waits until they have been unchanged for ${window}`,
  };
  return {
    sentence: 'a changed set waits for the stability window to pass',
    conditions: [deferred],
    pending: true,
    untilMonoMs: stableAtMonoMs,
  };
}
