/** Words for what the decision found: one condition a function, with the details that its event promises. */

import type { Bridge, BridgeSight } from './bridge.ts';
import type { BrokerState, EngineFailure } from './broker.ts';
import { type Certificate, daysRemaining } from './certificate.ts';
import { formatDuration } from './duration.ts';
import type { Condition } from './events.ts';
import type { SetFacts, View } from './facts.ts';
import type { CertificateSet, FileComplaint, IncompleteFiles, UnparsableFiles } from './observation.ts';
import { type ProbeFailure, probeSentence } from './probe.ts';
import type { Obstacle } from './roll.ts';
import type { ServiceState, ServiceUpdate } from './service.ts';
import type { Settings } from './settings.ts';
import { timestamp } from './timestamp.ts';

type HeardBridges = Extract<BridgeSight, { ok: true }>;

/** The sentence for people that a condition carries. */
export function messageOf({ details }: Condition): string {
  return String(details['message']);
}

/** All complaints in one sentence. */
export function sentenceOf(complaints: readonly FileComplaint[]): string {
  return complaints.map(({ file, problem }) => `${file} ${problem}`).join('; ');
}

export function certMissing(files: IncompleteFiles, settings: Settings): Condition {
  return {
    event: 'cert_missing',
    subject: JSON.stringify(files.complaints),
    details: {
      cert_dir: settings.certDir,
      files: files.complaints,
      message: sentenceOf(files.complaints),
      hint: files.complaints[0]?.hint,
    },
  };
}

export function certParseFailed(files: UnparsableFiles, settings: Settings): Condition[] {
  return files.complaints.map(({ file, cause, problem, hint }) => ({
    event: 'cert_parse_failed',
    about: file,
    subject: problem,
    details: { cert_dir: settings.certDir, file, cause, message: `${file} ${problem}`, hint },
  }));
}

/** What is said of every readable set: it was parsed, and warnings about certificates that will soon expire. */
export function ofSet(view: View): Condition[] {
  const { files } = view;
  if (files.kind !== 'complete') return [];
  const { leaf, leafFile } = files;
  const parsed: Condition = {
    event: 'cert_parsed',
    subject: files.fingerprint,
    details: { ...describe(view, leaf), file: leafFile, fingerprint: files.fingerprint },
  };
  const expired = leaf.notAfterMs <= view.now.wallMs;
  return [parsed, ...(expired ? [] : leafExpiring(view, files)), ...authorityExpiring(view, files)];
}

function leafExpiring(view: View, { leaf, leafFile }: CertificateSet): Condition[] {
  if (daysRemaining(leaf, view.now.wallMs) >= view.settings.expiryWarnDays) return [];
  return [expiring(view, leaf, leafFile, 'the client certificate')];
}

/** The certificate of the CA file that expires first; it never decides, the upstream may not even use it. */
function authorityExpiring(view: View, { authorities, authoritiesFile }: CertificateSet): Condition[] {
  const first = authorities.toSorted((a, b) => a.notAfterMs - b.notAfterMs)[0];
  if (first === undefined || daysRemaining(first, view.now.wallMs) >= view.settings.expiryWarnDays) return [];
  return [expiring(view, first, authoritiesFile, 'a CA certificate')];
}

function expiring({ now, settings }: View, certificate: Certificate, file: string, what: string): Condition {
  const verb = certificate.notAfterMs <= now.wallMs ? 'expired' : 'expires';
  return {
    event: 'cert_expiring',
    about: file,
    subject: `${certificate.subject} ${certificate.notAfterMs} ${verb}`,
    details: {
      ...describe({ now }, certificate),
      file,
      warn_days: settings.expiryWarnDays,
      message: `${what} in ${file} ${verb} on ${timestamp(certificate.notAfterMs)}`,
      hint: 'renew it, and see why the agent that renews it has not',
    },
  };
}

export function certExpired(view: SetFacts): Condition {
  const { files } = view;
  return {
    event: 'cert_expired',
    subject: files.fingerprint,
    details: {
      ...describe(view, files.leaf),
      file: files.leafFile,
      message: `the client certificate in ${files.leafFile} expired on ${timestamp(files.leaf.notAfterMs)}; the broker is not restarted into it`,
      hint: 'renew the certificate; if it looks valid, check the clock of this machine',
    },
  };
}

export function certNotYetValid(view: SetFacts): Condition {
  const { files } = view;
  return {
    event: 'cert_not_yet_valid',
    subject: files.fingerprint,
    details: {
      ...describe(view, files.leaf),
      file: files.leafFile,
      message: `the client certificate in ${files.leafFile} is not valid before ${timestamp(files.leaf.notBeforeMs)}; the broker is restarted into it then`,
      hint: 'wait, or check the clock of this machine',
    },
  };
}

export function keyUnusable({ files, settings }: SetFacts, verdict: ProbeFailure): Condition {
  const details = {
    cert_dir: settings.certDir,
    file: verdict.file ?? settings.clientKeyFile,
    cause: verdict.cause,
    fingerprint: files.fingerprint,
    message: `${verdict.error}; the broker is not restarted into this set`,
    hint: verdict.hint,
  };
  const event = verdict.cause === 'client_key_mismatch' ? 'cert_key_mismatch' : 'cert_parse_failed';
  return { event, about: 'probe', subject: `${files.fingerprint} ${verdict.error}`, details };
}

export function restartDeferred(view: SetFacts): Condition {
  const { files, stableAtMonoMs } = view;
  const waitMs = stableAtMonoMs - view.now.monoMs;
  return {
    event: 'restart_deferred',
    subject: 'changed set',
    details: {
      reason: 'stability_window',
      fingerprint: files.fingerprint,
      stability_window: formatDuration(view.settings.stabilityWindowMs),
      not_before: timestamp(view.now.wallMs + waitMs),
      message: `the certificates have changed; the restart waits until they have been unchanged for ${formatDuration(view.settings.stabilityWindowMs)}`,
    },
  };
}

export function restartSplayed(view: SetFacts): Condition {
  const { files, now, splayedAtMonoMs } = view;
  const waitMs = splayedAtMonoMs - now.monoMs;
  return {
    event: 'restart_deferred',
    about: 'splay',
    subject: files.fingerprint,
    details: {
      reason: 'splay',
      fingerprint: files.fingerprint,
      not_before: timestamp(now.wallMs + waitMs),
      message: `the restarts of a fleet are spread out (RESTART_SPLAY): this broker is restarted in ${formatDuration(waitMs)}`,
    },
  };
}

export function restartSuppressed(view: SetFacts): Condition {
  const { files, readyAtMonoMs } = view;
  const waitMs = readyAtMonoMs - view.now.monoMs;
  return {
    event: 'restart_suppressed_cooldown',
    subject: files.fingerprint,
    details: {
      fingerprint: files.fingerprint,
      cooldown: formatDuration(view.settings.cooldownMs),
      remaining_seconds: Math.ceil(waitMs / 1_000),
      not_before: timestamp(view.now.wallMs + waitMs),
      message: `the last restart is too recent; the broker is restarted in ${formatDuration(waitMs)}`,
    },
  };
}

export function restartHeld({ files, settings }: SetFacts, verdict: ProbeFailure): Condition {
  return {
    event: 'restart_held',
    subject: `${files.fingerprint} ${verdict.cause}`,
    details: {
      fingerprint: files.fingerprint,
      gate: settings.probeGate,
      cause: verdict.cause,
      error: verdict.error,
      message: `the restart is held because the probe failed (${verdict.cause}); it is released as soon as the probe passes`,
      hint: verdict.hint,
    },
  };
}

export function restartDisabled({ files, settings }: SetFacts): Condition {
  return {
    event: 'restart_disabled',
    subject: files.fingerprint,
    details: {
      container: settings.container,
      fingerprint: files.fingerprint,
      message: `${settings.container} would be restarted now, but ENABLE_RESTART is false`,
      hint: 'restart the broker by hand to load the new certificates',
    },
  };
}

export function restartFailed({ now, memory, settings }: View, failure: EngineFailure): Condition {
  const nextTryMs = Math.max(0, (memory.broker?.askAgainMonoMs ?? now.monoMs) - now.monoMs);
  return {
    event: 'restart_failed',
    subject: failure.cause,
    details: {
      container: settings.container,
      cause: failure.cause,
      error: failure.problem,
      next_try: timestamp(now.wallMs + nextTryMs),
      next_try_seconds: Math.ceil(nextTryMs / 1_000),
      message: `${settings.container} could not be restarted: ${failure.problem}`,
      hint: failure.hint,
    },
  };
}

export function brokerNotRunning({ files, settings }: SetFacts, broker: BrokerState): Condition {
  const never = broker.startedAtMs === undefined;
  return {
    event: 'broker_not_running',
    subject: `${broker.id} ${broker.finishedAt}`,
    details: {
      container: settings.container,
      status: broker.status,
      exit_code: broker.exitCode,
      fingerprint: files.fingerprint,
      message: `${settings.container} ${never ? 'was never started' : 'was stopped'} and is left alone: it reads the new certificates when it is started`,
    },
  };
}

/**
 * What is heard of the bridges: of each whether it is up, said anew after every restart. While a broker has just been
 * restarted, or the watcher has just come or lost its connection, a bridge that is down is not worth a word yet.
 */
export function ofBridges(view: View): Condition[] {
  const { memory, settings, now } = view;
  const { bridges, lastRestartMonoMs } = memory;
  if (bridges === undefined) return [];
  const isQuiet = now.monoMs < (bridgesSettledAt(view) ?? now.monoMs);
  const { sight } = bridges;
  if (!sight.ok) return isQuiet ? [] : [bridgesUnknown(view, sight)];
  const run = `since ${lastRestartMonoMs ?? 'the start'}`;
  return expectedBridges(sight, settings).flatMap(({ connection, up }): Condition[] => {
    const about = `${settings.container} ${connection}`;
    const details = { container: settings.container, connection };
    if (up) {
      const message = `the bridge ${connection} of ${settings.container} is connected`;
      return [{ event: 'bridge_connected', about, subject: run, details: { ...details, message } }];
    }
    return isQuiet ? [] : [bridgeDown(view, sight, connection, run)];
  });
}

/** Monotonic milliseconds until which bridges may take their time; undefined if nobody listens. */
export function bridgesSettledAt({ memory, settings }: View): number | undefined {
  const { bridges, lastRestartMonoMs = Number.NEGATIVE_INFINITY } = memory;
  if (bridges === undefined) return undefined;
  const afterRestart = lastRestartMonoMs + settings.verifyTimeoutMs;
  // a connection of ours that is lost, and a bridge that was not there from the beginning, get the same time
  const isNew = !bridges.sight.ok || expectedBridges(bridges.sight, settings).some(isUnheard(bridges.sight));
  return isNew ? Math.max(afterRestart, bridges.sinceMonoMs + settings.verifyTimeoutMs) : afterRestart;
}

/** Those that were heard of, and the one that has a name in the settings. */
function expectedBridges(
  sight: HeardBridges,
  { bridgeName }: Settings,
): readonly Pick<Bridge, 'connection' | 'up'>[] {
  if (sight.bridges.length > 0 || bridgeName === undefined) return sight.bridges;
  return [{ connection: bridgeName, up: false }];
}

function isUnheard({ bridges }: HeardBridges) {
  return ({ connection }: Pick<Bridge, 'connection'>) =>
    !bridges.some((bridge) => bridge.connection === connection);
}

function bridgeDown(
  { memory, settings }: View,
  sight: HeardBridges,
  connection: string,
  run: string,
): Condition {
  const { container } = settings;
  const verdict = memory.lastVerdict?.verdict;
  const failure = verdict?.ok === false ? verdict : undefined;
  const isUnknown = isUnheard(sight)({ connection });
  const why = isUnknown
    ? ': the broker knows no bridge of this name'
    : failure !== undefined
      ? `: ${probeSentence(failure)}`
      : verdict === undefined
        ? '; the upstream has not been asked why'
        : ', although the upstream accepts the client certificate';
  const hint = isUnknown
    ? `check BRIDGE_NAME, and that the bridge has no "notifications false": see $SYS/broker/connection/# of the broker`
    : (failure?.hint ?? `see docker logs ${container}`);
  return {
    event: 'bridge_down',
    about: `${container} ${connection}`,
    subject: `${run} ${failure?.cause}`,
    details: {
      container,
      connection,
      cause: failure?.cause,
      error: failure?.error,
      message: `the bridge ${connection} of ${container} is down${why}`,
      hint,
    },
  };
}

function bridgesUnknown(
  { settings }: View,
  { problem, hint }: Extract<BridgeSight, { ok: false }>,
): Condition {
  return {
    event: 'watch_degraded',
    about: `bridges of ${settings.container}`,
    subject: 'unknown',
    details: { part: 'bridges', message: `nobody knows whether the bridges are up: ${problem}`, hint },
  };
}

/** How far the update of a service is. */
export function serviceUpdating({ files, settings }: SetFacts, service: ServiceState): Condition {
  const { container } = settings;
  const { updated, desired, update, applied } = service;
  const progress = `${updated} of ${desired} tasks of ${container} run with the new certificates`;
  const foreign = `another update of ${container} is under way (${updated} of ${desired} tasks); it is waited for`;
  const back = `${container} is being rolled back: ${update?.message}`;
  const isBack = update?.state === 'rollback_started';
  return {
    event: 'service_updating',
    subject: `${applied} ${isBack ? 'back' : 'forth'} ${updated}`,
    details: {
      container,
      fingerprint: files.fingerprint,
      updated,
      desired,
      message: isBack ? back : applied === files.fingerprint ? progress : foreign,
    },
  };
}

export function serviceUpdateFailed({ files, settings }: SetFacts, update: ServiceUpdate): Condition {
  const { container } = settings;
  const what = update.state === 'paused' ? 'is paused' : 'was rolled back';
  return {
    event: 'broker_unhealthy',
    subject: `${files.fingerprint} ${update.state} ${update.startedAtMs}`,
    details: {
      container,
      fingerprint: files.fingerprint,
      error: update.message,
      status: update.state,
      message: `the last update of ${container} ${what}: ${update.message}; it is not updated again for this set`,
      hint: `see docker service ps ${container}; mend the cause and update it by hand (docker service update --force ${container})`,
    },
  };
}

export function setOutdated({ files, settings }: SetFacts, applied: string): Condition {
  const { container } = settings;
  return {
    event: 'set_outdated',
    subject: `${files.fingerprint} ${applied}`,
    details: {
      container,
      fingerprint: files.fingerprint,
      applied_fingerprint: applied,
      message: `${container} has newer certificates than this node has on disk; it is not taken back`,
      hint: 'see why the agent has not brought the new certificates to this node',
    },
  };
}

/** A roll over several brokers does not go on; what the obstacle is has mostly been said by itself. */
export function rollStopped(
  obstacle: Obstacle,
  state: {
    readonly done: readonly string[];
    readonly notDone: readonly string[];
    readonly fingerprint: string | undefined;
  },
): Condition {
  const { container, problem } = obstacle;
  const { done, notDone, fingerprint } = state;
  const waiting = notDone.filter((name) => name !== container).join(', ');
  return {
    event: 'roll_stopped',
    subject: `${container} ${problem}`,
    details: {
      container,
      fingerprint,
      error: problem,
      done,
      not_done: notDone,
      message: `${container} ${problem}${waiting === '' ? '' : `; ${waiting} is not restarted before that is over`}`,
      hint: obstacle.hint,
    },
  };
}

/** What the last probe said: success and failure are both conditions, so each is told when it begins. */
export function ofProbe({ memory, settings }: View): Condition[] {
  if (memory.lastVerdict === undefined || settings.upstream === undefined) return [];
  const { verdict, fingerprint } = memory.lastVerdict;
  const seen = {
    upstream: `${settings.upstream.host}:${settings.upstream.port}`,
    address: verdict.address,
    protocol: verdict.protocol,
    cipher: verdict.cipher,
    duration_ms: Math.round(verdict.durationMs),
  };
  if (verdict.ok) {
    const details = { ...seen, proof: verdict.proof, server: verdict.server?.subject };
    return [{ event: 'tls_probe_success', subject: fingerprint, details }];
  }
  const details = {
    ...seen,
    cause: verdict.cause,
    phase: verdict.phase,
    error: verdict.error,
    hint: verdict.hint,
  };
  return [{ event: 'tls_probe_failure', subject: `${fingerprint} ${verdict.cause}`, details }];
}

/** The seed's details of a certificate. */
function describe({ now }: Pick<View, 'now'>, certificate: Certificate) {
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    not_before: timestamp(certificate.notBeforeMs),
    not_after: timestamp(certificate.notAfterMs),
    days_remaining: daysRemaining(certificate, now.wallMs),
  };
}
