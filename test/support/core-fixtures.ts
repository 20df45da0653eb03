/** Values for tests of the core: a good set, a running broker, default settings, and what differs from them. */

import type { BrokerState, EngineFailure } from '../../src/core/broker.ts';
import type { Certificate } from '../../src/core/certificate.ts';
import type { CertificateSet, Moment } from '../../src/core/observation.ts';
import type { ProbeFailure, ProbeSuccess } from '../../src/core/probe.ts';
import type { Settings } from '../../src/core/settings.ts';

export const DAY_MS = 86_400_000;
/** when the tests take place: 2026-03-01T12:00:00Z */
export const EPOCH_MS = Date.UTC(2026, 2, 1, 12);

/** A moment `ms` after the watcher's start. */
export function at(ms: number): Moment {
  return { wallMs: EPOCH_MS + ms, monoMs: 1_000_000 + ms };
}

/** The defaults of the contract, with an upstream. */
export function settings(change: Partial<Settings> = {}): Settings {
  const { container = 'eclipse-mosquitto' } = change;
  return {
    certDir: '/certs',
    caCertFile: 'ca.crt',
    clientCertFile: 'client.crt',
    clientKeyFile: 'client.key',
    target: { kind: 'containers', names: [container] },
    container,
    upstream: { host: 'broker.example.com', port: 8883 },
    tlsSni: 'broker.example.com',
    tlsTimeoutMs: 5_000,
    probeMode: 'handshake',
    probeIntervalMs: 60_000,
    probeGate: 'rejected',
    checkIntervalMs: 5_000,
    stabilityWindowMs: 10_000,
    cooldownMs: 300_000,
    splayMs: 0,
    expiryWarnDays: 14,
    engine: { kind: 'unix', path: '/var/run/docker.sock' },
    stopTimeoutMs: undefined,
    verifyTimeoutMs: 30_000,
    reloadStrategy: 'restart',
    brokerUrls: [],
    brokerCredentialsFile: undefined,
    brokerCaFile: undefined,
    bridgeName: undefined,
    probeEnabled: true,
    restartEnabled: true,
    metricsEnabled: false,
    metricsPort: 9090,
    metricsHost: undefined,
    stateFile: undefined,
    logLevel: 'info',
    ...change,
  };
}

export function certificate(change: Partial<Certificate> = {}): Certificate {
  return {
    subject: 'CN=client.example.com',
    issuer: 'CN=CA.example.com',
    notBeforeMs: EPOCH_MS - 10 * DAY_MS,
    notAfterMs: EPOCH_MS + 90 * DAY_MS,
    isCa: false,
    sha256: 'c'.repeat(64),
    ...change,
  };
}

/** The set called `name`, whose files were last changed `ctimeMs` after the watcher's start. */
export function set(name: string, ctimeMs: number, change: Partial<CertificateSet> = {}): CertificateSet {
  return {
    kind: 'complete',
    identity: `${name}@${ctimeMs}`,
    fingerprint: name,
    newestCtimeMs: EPOCH_MS + ctimeMs,
    leaf: certificate(),
    leafFile: 'client.crt',
    authorities: [
      certificate({ subject: 'CN=CA.example.com', isCa: true, notAfterMs: EPOCH_MS + 900 * DAY_MS }),
    ],
    authoritiesFile: 'ca.crt',
    ...change,
  };
}

/** A broker that has run since `startedMs` after the watcher's start, its first run. */
export function broker(startedMs: number, change: Partial<BrokerState> = {}): BrokerState {
  return {
    id: 'b'.repeat(64),
    up: true,
    status: 'running',
    exitCode: 0,
    startedAt: new Date(EPOCH_MS + startedMs).toISOString(),
    startedAtMs: EPOCH_MS + startedMs,
    finishedAt: '0001-01-01T00:00:00Z',
    finishedAtMs: undefined,
    health: undefined,
    stopTimeoutS: undefined,
    ...change,
  };
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
