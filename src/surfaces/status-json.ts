/** `/status.json`: the snapshot for programs. The schema is described in docs/status-json.md. */

import type { Moment } from '../core/observation.ts';
import {
  assessmentAt,
  type BrokerStatus,
  isAlive,
  neverSeen,
  probeFailures,
  type Snapshot,
} from '../core/snapshot.ts';
import { clip } from '../core/summary.ts';

/** Grows when a field changes its meaning or goes away; a new field is no new version. */
export const SCHEMA_VERSION = 1;

/** The snapshot as JSON text. Times are RFC 3339 in UTC; what is not known is null. */
export function statusJson(snapshot: Snapshot, version: string, now: Moment): string {
  return `${JSON.stringify(statusDocument(snapshot, version, now), nullForUnknown, 2)}\n`;
}

function nullForUnknown(_key: string, value: unknown): unknown {
  return value === undefined ? null : value;
}

/** The snapshot as a plain value with the names of the schema. */
export function statusDocument(snapshot: Snapshot, version: string, now: Moment) {
  const { settings } = snapshot;
  const assessment = assessmentAt(snapshot, now);
  return {
    schema_version: SCHEMA_VERSION,
    version,
    now: time(now.wallMs),
    started_at: time(snapshot.started.wallMs),
    alive: isAlive(snapshot, now.monoMs),
    status: assessment.level,
    summary: assessment.sentence,
    advice: assessment.advice,
    findings: assessment.findings.map(({ level, about, sentence, advice }) => {
      return { level, about, message: sentence, advice };
    }),
    decision: decisionDocument(snapshot),
    certificates: certificatesDocument(snapshot),
    upstream: upstreamDocument(snapshot),
    broker: brokerDocument(snapshot),
    brokers: snapshot.brokers.map(seenDocument),
    totals: totalsDocument(snapshot),
    events: snapshot.events.map(({ atMs, level, component, event, message }) => {
      return { at: time(atMs), level, component, event, message };
    }),
    settings: {
      cert_dir: settings.certDir,
      check_interval_seconds: settings.checkIntervalMs / 1_000,
      stability_window_seconds: settings.stabilityWindowMs / 1_000,
      restart_cooldown_seconds: settings.cooldownMs / 1_000,
      expiry_warn_days: settings.expiryWarnDays,
      restart_enabled: settings.restartEnabled,
      probe_gate: settings.probeGate,
    },
  };
}

function decisionDocument({ cycle, restartingSinceMs }: Snapshot) {
  if (cycle === undefined) return undefined;
  return {
    at: time(cycle.at.wallMs),
    path: cycle.path,
    reason: cycle.reason,
    message: cycle.sentence,
    rotation_pending: cycle.pending,
    waits_until: time(cycle.waitsUntilMs),
    restarting_since: time(restartingSinceMs),
  };
}

function certificatesDocument({ cycle }: Snapshot) {
  return {
    state: cycle?.files,
    fingerprint: cycle?.fingerprint,
    key_pair: cycle?.pair,
    problems: (cycle?.complaints ?? []).map(({ file, cause, problem, hint }) => {
      return { file, cause, message: clip(`${file} ${problem}`), hint };
    }),
    files: (cycle?.certificates ?? []).map((certificate) => ({
      file: certificate.file,
      role: certificate.role,
      subject: certificate.subject,
      issuer: certificate.issuer,
      not_before: time(certificate.notBeforeMs),
      not_after: time(certificate.notAfterMs),
      days_remaining: certificate.daysRemaining,
      state: certificate.state,
    })),
  };
}

function upstreamDocument({ settings, cycle, lastProbe, probes, totals }: Snapshot) {
  const { upstream, probeEnabled, probeMode } = settings;
  return {
    address: upstream && `${upstream.host}:${upstream.port}`,
    server_name: settings.tlsSni,
    probe_enabled: probeEnabled,
    probe_mode: probeMode,
    probing_now: cycle?.probeRunning ?? false,
    next_probe_at: time(cycle?.nextProbeAtMs),
    last_probe: lastProbe && probeDocument(lastProbe),
    history: probes.map(({ atMs, ok, cause, durationMs }) => {
      return { at: time(atMs), ok, cause, duration_seconds: round(durationMs) };
    }),
    successes: totals.probeSuccesses,
    failures: probeFailures(totals),
  };
}

function probeDocument({ verdict, atMs }: NonNullable<Snapshot['lastProbe']>) {
  return {
    at: time(atMs),
    ok: verdict.ok,
    cause: verdict.ok ? undefined : verdict.cause,
    phase: verdict.ok ? undefined : verdict.phase,
    error: verdict.ok ? undefined : clip(verdict.error),
    hint: verdict.ok ? undefined : verdict.hint,
    proof: verdict.ok ? verdict.proof : undefined,
    address: verdict.address,
    protocol: verdict.protocol,
    cipher: verdict.cipher,
    server_subject: verdict.server && clip(verdict.server.subject),
    server_not_after: time(verdict.server?.notAfterMs),
    duration_seconds: round(verdict.durationMs),
  };
}

/** One broker by itself. */
function seenDocument({ container, seen, engineFailure, applied, isCurrent, bridges }: BrokerStatus) {
  return {
    container,
    seen_at: time(seen?.atMs),
    status: seen?.state.status,
    health: seen?.state.health,
    started_at: time(seen?.state.startedAtMs),
    applied_fingerprint: applied?.fingerprint,
    current: isCurrent,
    bridges:
      bridges?.ok === true ? bridges.bridges.map(({ connection, up }) => ({ connection, up })) : undefined,
    bridges_problem: bridges?.ok === false ? clip(bridges.problem) : undefined,
    engine_failure: engineFailure && {
      at: time(engineFailure.atMs),
      cause: engineFailure.failure.cause,
      error: clip(engineFailure.failure.problem),
      hint: engineFailure.failure.hint,
    },
  };
}

/** The broker that the last cycle decided about, and the restarts of all. */
function brokerDocument({ settings, broker, restarts, lastRestartAtMs }: Snapshot) {
  return {
    ...seenDocument(broker ?? neverSeen(settings.container)),
    last_restart_at: time(lastRestartAtMs),
    restarts: restarts.map((restart) => ({
      at: time(restart.atMs),
      container: restart.container,
      result: restart.result,
      cause: restart.cause,
      error: restart.error,
      fingerprint: restart.fingerprint,
      duration_seconds: round(restart.tookMs),
      tries: restart.tries,
    })),
  };
}

function totalsDocument({ totals }: Snapshot) {
  return {
    probe_successes: totals.probeSuccesses,
    probe_failures: totals.probeFailures,
    restarts: totals.restarts,
    restart_failures: totals.restartFailures,
    reloads: totals.reloads,
    restarts_suppressed: totals.suppressed,
  };
}

function round(ms: number): number {
  return Math.round(ms) / 1_000;
}

/** With milliseconds: programs compare times. A time that no calendar holds is not known. */
function time(wallMs: number | undefined): string | undefined {
  if (wallMs === undefined || Number.isNaN(new Date(wallMs).getTime())) return undefined;
  return new Date(wallMs).toISOString();
}
