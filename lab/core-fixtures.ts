/** Values for tests of the core: a good set, a running broker, default settings, and what differs from them. */

import type { Bridge, BridgeSight } from '../src/core/model/bridge.ts';
import type { EngineFailure } from '../src/core/model/broker.ts';
import type { RestartWindow } from '../src/core/model/calendar.ts';
import type { Certificate } from '../src/core/model/certificate.ts';
import type { ContainerState } from '../src/core/model/container.ts';
import {
  type CertificateSet,
  type FilesObservation,
  type Moment,
  markOf,
  type NamedSet,
} from '../src/core/model/files.ts';
import type { ConfSight } from '../src/core/model/named-set.ts';
import type { ProbeFailure, ProbeSuccess } from '../src/core/model/probe.ts';
import type { Settings } from '../src/core/model/settings.ts';
import type { UnitState } from '../src/core/model/unit.ts';
import { parseRestartWindow } from '../src/core/text/restart-window.ts';

export const DAY_MS = 86_400_000;
/** when the tests take place: 2026-03-01T12:00:00Z */
export const EPOCH_MS = Date.UTC(2026, 2, 1, 12);

/** A moment `ms` after the watcher's start. */
export function at(ms: number): Moment {
  return { wallMs: EPOCH_MS + ms, monoMs: 1_000_000 + ms };
}

/** What CERT_ROLE=listener makes of the settings, and of a set. */
export const LISTENER_SETTINGS: Partial<Settings> = {
  certRole: 'listener',
  caCertFile: undefined,
  clientCertFile: 'fullchain.pem',
  clientKeyFile: 'privkey.pem',
  upstream: undefined,
  tlsSni: undefined,
};
export const LISTENER_FILES = { authorities: [], authoritiesFile: '', leafFile: 'fullchain.pem' };

/** The defaults of the contract, with an upstream. */
export function settings(change: Partial<Settings> = {}): Settings {
  const { targetLabel = 'eclipse-mosquitto' } = change;
  return {
    certDir: '/certs',
    incomingDir: undefined,
    mosquittoConf: undefined,
    confMap: [],
    certRole: 'bridge',
    caCertFile: 'ca.crt',
    clientCertFile: 'client.crt',
    clientKeyFile: 'client.key',
    target: { kind: 'containers', names: [targetLabel] },
    targetLabel,
    upstream: { host: 'broker.example.com', port: 8883 },
    tlsSni: 'broker.example.com',
    tlsAlpn: undefined,
    tlsTimeoutMs: 5_000,
    probeMode: 'handshake',
    probeIntervalMs: 60_000,
    probeGate: 'rejected',
    checkIntervalMs: 5_000,
    stabilityWindowMs: 10_000,
    cooldownMs: 300_000,
    splayMs: 0,
    restartWindow: undefined,
    expiryWarnDays: 14,
    engine: { kind: 'unix', path: '/var/run/docker.sock' },
    stopTimeoutMs: undefined,
    verifyTimeoutMs: 30_000,
    reloadStrategy: 'restart',
    brokerUrls: [],
    brokerUser: undefined,
    brokerCredentialsFile: undefined,
    brokerCaFile: undefined,
    bridgeName: undefined,
    statusTopic: undefined,
    homeassistantPrefix: undefined,
    probeEnabled: true,
    restartEnabled: true,
    metricsEnabled: false,
    metricsPort: 9090,
    metricsHost: undefined,
    metricsTls: undefined,
    metricsAuthFile: undefined,
    stateFile: undefined,
    notifyUrl: undefined,
    notifyFormat: 'json',
    notifyLevel: 'warning',
    notifyCaFile: undefined,
    heartbeatUrl: undefined,
    heartbeatIntervalMs: 300_000,
    logLevel: 'info',
    ...change,
  };
}

/** The window of this text, which has to be one. */
export function restartWindow(text: string, timeZone = 'UTC'): RestartWindow {
  const parsed = parseRestartWindow(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return { text, timeZone, rules: parsed.rules };
}

export function certificate(change: Partial<Certificate> = {}): Certificate {
  return {
    subject: 'CN=client.example.com',
    issuer: 'CN=CA.example.com',
    notBeforeMs: EPOCH_MS - 10 * DAY_MS,
    notAfterMs: EPOCH_MS + 90 * DAY_MS,
    isCa: false,
    mayBeClient: true,
    sha256: 'c'.repeat(64),
    sameAs: change.subject ?? 'CN=client.example.com',
    ...change,
  };
}

/** The set called `name`, whose files were last changed `ctimeMs` after the watcher's start. */
export function set(name: string, ctimeMs: number, change: Partial<CertificateSet> = {}): CertificateSet {
  const authorities = change.authorities ?? [
    certificate({ subject: 'CN=CA.example.com', isCa: true, notAfterMs: EPOCH_MS + 900 * DAY_MS }),
  ];
  return {
    kind: 'complete',
    identity: `${name}@${ctimeMs}`,
    fingerprint: name,
    newestCtimeMs: EPOCH_MS + ctimeMs,
    rights: '644 0 0, 644 0 0, 600 0 0',
    leaf: certificate(),
    leafFile: 'client.crt',
    intermediates: [],
    authorities,
    trust: authorities.map(({ sha256 }) => sha256).join(' '),
    authoritiesFile: 'ca.crt',
    ignored: [],
    ...change,
  };
}

/** A unit of systemd that has run since `startedMs` after the watcher's start, its first run since the boot. */
export function unit(startedMs: number, change: Partial<UnitState> = {}): UnitState {
  const startedAtMs = EPOCH_MS + startedMs;
  return {
    kind: 'unit',
    id: 'mosquitto.service',
    up: true,
    status: 'active (running)',
    active: 'active',
    sub: 'running',
    result: 'success',
    masked: false,
    frozen: false,
    conditionUnmet: false,
    exitCode: undefined,
    restartCount: 0,
    startedAt: new Date(startedAtMs).toISOString(),
    startedAtMs,
    finishedAt: '',
    finishedAtMs: undefined,
    ofPodman: false,
    restartNeedsMs: 270_000,
    ...change,
  };
}

/** A unit that does not run since `finishedMs`, because it was stopped; `active: 'failed'` for one that has failed. */
export function unitAtRest(finishedMs: number, change: Partial<UnitState> = {}): UnitState {
  const finishedAtMs = EPOCH_MS + finishedMs;
  return unit(finishedMs - DAY_MS, {
    up: false,
    active: 'inactive',
    sub: 'dead',
    status: 'inactive (dead)',
    exitCode: 0,
    finishedAt: new Date(finishedAtMs).toISOString(),
    finishedAtMs,
    ...change,
  });
}

/** One of several sets: of a bridge if its name says so. */
export function named(name: string, files: NamedSet['files'], change: Partial<NamedSet> = {}): NamedSet {
  const isBridge = name.startsWith('bridge');
  return {
    name,
    role: isBridge ? 'bridge' : 'listener',
    caFile: isBridge ? `/certs/${name}/ca.crt` : undefined,
    caPath: undefined,
    certFile: `/certs/${name}/tls.crt`,
    keyFile: `/certs/${name}/tls.key`,
    crlFile: undefined,
    reloadsAtOnce: false,
    reportedAs: isBridge ? { name: name.slice(7), isWhole: false } : undefined,
    upstreams: isBridge ? [{ host: `${name.slice(7)}.example.com`, port: 8883 }] : [],
    listensAt: isBridge ? undefined : { host: 'broker', port: Number(name.slice(9)) },
    alpn: undefined,
    oldestTls: 'TLSv1.2',
    insecure: false,
    files,
    ...change,
  };
}

/** Several sets as one, as the wiring makes it. */
export function several(sets: readonly NamedSet[]): FilesObservation {
  const identity = JSON.stringify(sets.map((each) => [each.name, each.files.identity]));
  const conf: ConfSight = { path: '/mosquitto/mosquitto.conf', problem: undefined, findings: [] };
  const complete = sets.flatMap(({ files }) => (files.kind === 'complete' ? [files] : []));
  const [first] = complete.toSorted((a, b) => a.leaf.notAfterMs - b.leaf.notAfterMs);
  if (first === undefined) return { kind: 'incomplete', identity, complaints: [], sets, conf };
  return {
    ...first,
    identity,
    fingerprint: sets.map((each) => markOf(each)).join(' '),
    newestCtimeMs: Math.max(...complete.map(({ newestCtimeMs }) => newestCtimeMs)),
    sets,
    conf,
  };
}

/** A broker that has run since `startedMs` after the watcher's start, its first run. */
export function broker(startedMs: number, change: Partial<ContainerState> = {}): ContainerState {
  return {
    kind: 'container',
    id: 'b'.repeat(64),
    up: true,
    status: 'running',
    exitCode: 0,
    startError: '',
    oomKilled: false,
    restartPolicy: { name: 'no', retries: 0 },
    restartCount: 0,
    startedAt: new Date(EPOCH_MS + startedMs).toISOString(),
    startedAtMs: EPOCH_MS + startedMs,
    finishedAt: '0001-01-01T00:00:00Z',
    finishedAtMs: undefined,
    health: undefined,
    healthNeedsMs: 190_000,
    stopTimeoutS: undefined,
    ...change,
  };
}

type HeardBridges = Extract<BridgeSight, { ok: true }>;

/** What a broker says of its bridges: nothing unless told. */
export function sight(bridges: readonly Bridge[] = [], change: Partial<HeardBridges> = {}): HeardBridges {
  return {
    ok: true,
    bridges,
    messages: bridges.length,
    lastLive: 0,
    leftOut: { bridges: false, messages: false },
    ...change,
  };
}

/** A bridge that is up, and was so when we came. */
export function bridge(change: Partial<Bridge> = {}): Bridge {
  return { connection: 'edge.cloud', up: true, changes: 1, fellAt: 0, roseAt: 0, ...change };
}

export function engineFailure(change: Partial<EngineFailure> = {}): EngineFailure {
  return {
    ok: false,
    cause: 'connection_refused',
    problem: 'GET /var/run/docker.sock: connection refused',
    hint: 'start the engine',
    mayHaveHappened: false,
    ...change,
  };
}

export function probeSuccess(change: Partial<ProbeSuccess> = {}): ProbeSuccess {
  return { ok: true, proof: 'settled', protocol: 'TLSv1.3', durationMs: 2_100, phaseMs: {}, ...change };
}

export function probeFailure(change: Partial<ProbeFailure> = {}): ProbeFailure {
  return {
    ok: false,
    cause: 'client_cert_rejected',
    phase: 'settle',
    hint: 'let the upstream trust the issuer of client.crt',
    error: 'the upstream refused the client certificate (alert 48, unknown ca)',
    durationMs: 40,
    phaseMs: {},
    ...change,
  };
}
