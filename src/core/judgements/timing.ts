/** Judgements of time: a restart that is due may have to wait for its window, and for its share of a splay. */

import { nextOpening, restartAllowedAt } from '../model/calendar.ts';
import type { Statement } from '../news/condition.ts';
import type { SetSituation } from '../situation.ts';
import { formatDuration } from '../text/duration.ts';
import { timestamp } from '../text/timestamp.ts';
import type { Verdict } from './verdict.ts';

/** A broker that is down does not wait for a window: its restart interrupts nobody. */
export function restartWindow(situation: SetSituation): Verdict | undefined {
  const { now, memory, files, broker, isWaived, settings } = situation;
  const isDown = broker?.ok === true && !broker.value.up;
  if (settings.restartWindow === undefined || isWaived || isDown) return undefined;
  const opening = nextOpening(settings.restartWindow, now.wallMs);
  const loadedNotAfterMs = memory.applied?.notAfterMs;
  const atMs = restartAllowedAt(opening, loadedNotAfterMs);
  if (atMs <= now.wallMs) return undefined;
  const notBefore = timestamp(atMs);
  const isInWindow = atMs === opening.opensAtMs;
  const when = isInWindow
    ? `the next one opens at ${notBefore}`
    : `the restart comes at ${notBefore}, because the certificate that the broker has loaded expires an hour later`;
  const unknown =
    loadedNotAfterMs === undefined
      ? '; when the certificate that the broker has loaded expires is not known'
      : '';
  const deferred: Statement = {
    event: 'restart_deferred',
    about: 'window',
    subject: files.fingerprint,
    details: { reason: 'window', fingerprint: files.fingerprint, not_before: notBefore },
    message: `the restart waits for a window (RESTART_WINDOW): ${when}${unknown}`,
  };
  return {
    sentence: deferred.message,
    conditions: [deferred],
    pending: true,
    untilMonoMs: now.monoMs + (atMs - now.wallMs),
  };
}

export function restartSplayed({ now, splayedAtMonoMs, files }: SetSituation): Verdict | undefined {
  if (now.monoMs >= splayedAtMonoMs) return undefined;
  const waitMs = splayedAtMonoMs - now.monoMs;
  const splayed: Statement = {
    event: 'restart_deferred',
    about: 'splay',
    subject: files.fingerprint,
    details: {
      reason: 'splay',
      fingerprint: files.fingerprint,
      not_before: timestamp(now.wallMs + waitMs),
    },
    message: `the restarts of a fleet are spread out (RESTART_SPLAY): this broker is restarted in ${formatDuration(waitMs)}`,
  };
  return {
    sentence: splayed.message,
    conditions: [splayed],
    pending: true,
    untilMonoMs: splayedAtMonoMs,
  };
}
