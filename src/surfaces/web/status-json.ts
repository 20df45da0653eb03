/** `/status.json`: the snapshot for programs. The schema is described in docs/status-json.md. */

import { healthOf } from '../../core/model/broker.ts';
import type { Moment } from '../../core/model/files.ts';
import { asksUpstream } from '../../core/model/settings.ts';
import { assessmentAt, isAlive } from '../../core/status/liveness.ts';
import { type BrokerStatus, neverSeen, probeFailures, type Snapshot } from '../../core/status/snapshot.ts';
import { hostPort } from '../../core/text/address.ts';
import { clip } from '../../core/text/clip.ts';
import { visibleJson } from '../../core/text/printable.ts';
import { certificatesDocument, confDocument, listenerDocument, namedDocument, time } from './sets-json.ts';

/** Incremented when a field changes its meaning or is removed; a new field does not change the version. */
export const SCHEMA_VERSION = 1;

/** The snapshot as JSON text. Times are RFC 3339 in UTC; unknown values are null. */
export function statusJson(snapshot: Snapshot, version: string, now: Moment): string {
  return documentText(statusDocument(snapshot, version, now));
}

/** A document of this schema as text: unknown values are null, so that every key is always present. */
export function documentText(document: object): string {
  return `${visibleJson(JSON.stringify(document, nullForUnknown, 2))}\n`;
}

/** The same on one line. */
export function compactText(document: object): string {
  return visibleJson(JSON.stringify(document, nullForUnknown));
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
    findings: assessment.findings.map(({ level, about, cause, sentence, advice }) => {
      return { level, about, cause, message: sentence, advice };
    }),
    decision: decisionDocument(snapshot),
    certificates: certificatesDocument(snapshot.cycle),
    sets: snapshot.cycle?.sets?.map(namedDocument),
    conf: confDocument(snapshot),
    incoming: incomingDocument(snapshot),
    upstream: upstreamDocument(snapshot),
    broker: brokerDocument(snapshot),
    brokers: snapshot.brokers.map(seenDocument),
    restart_window: windowDocument(snapshot),
    totals: totalsDocument(snapshot),
    events: snapshot.events.map(({ atMs, level, component, event, message }) => {
      return { at: time(atMs), level, component, event, message };
    }),
    settings: {
      cert_dir: settings.mosquittoConf === undefined ? settings.certDir : undefined,
      conf: settings.mosquittoConf,
      cert_role: settings.certRole,
      broker_user: settings.brokerUser && `${settings.brokerUser.uid}:${settings.brokerUser.gid}`,
      incoming_dir: settings.incomingDir,
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

function windowDocument({ settings: { restartWindow }, cycle }: Snapshot) {
  if (restartWindow === undefined) return undefined;
  const opening = cycle?.opening;
  return {
    windows: restartWindow.text,
    time_zone: restartWindow.timeZone,
    open: opening && opening.opensAtMs <= cycle.at.wallMs,
    opens_at: time(opening?.opensAtMs),
    closes_at: time(opening?.closesAtMs),
  };
}

/** The set that the agent has written, if the broker reads another directory. */
function incomingDocument({ settings, cycle }: Snapshot) {
  if (settings.incomingDir === undefined) return undefined;
  return {
    incoming_dir: settings.incomingDir,
    live: cycle?.incoming?.isLive,
    waits_for: cycle?.incoming?.waitsFor,
    ...certificatesDocument(cycle?.incoming),
  };
}

function upstreamDocument({ settings, cycle, lastProbe, probes, totals }: Snapshot) {
  const { upstream, probeMode } = settings;
  return {
    address: upstream && hostPort(upstream),
    server_name: settings.tlsSni,
    probe_enabled: asksUpstream(settings),
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

/** One broker, without the restarts. */
function seenDocument({
  container,
  seen,
  engineFailure,
  applied,
  isCurrent,
  bridges,
  listener,
}: BrokerStatus) {
  return {
    container,
    seen_at: time(seen?.atMs),
    status: seen?.state.status,
    health: seen && healthOf(seen.state),
    started_at: time(seen?.state.startedAtMs),
    applied_fingerprint: applied?.fingerprint,
    current: isCurrent,
    bridges:
      bridges?.ok === true ? bridges.bridges.map(({ connection, up }) => ({ connection, up })) : undefined,
    bridges_problem: bridges?.ok === false ? clip(bridges.problem) : undefined,
    listener: listener && listenerDocument(listener),
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
    ...seenDocument(broker ?? neverSeen(settings.targetLabel)),
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
    promotions: totals.promotions,
  };
}

function round(ms: number): number {
  return Math.round(ms) / 1_000;
}
