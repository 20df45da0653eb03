/** The settings of the program as typed values; where they come from is `config/`'s affair. */

import type { ProbeGate } from './probe.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where the Docker Engine (or Podman) API listens. */
export type EngineEndpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Every setting, validated. Durations are milliseconds. */
export interface Settings {
  readonly certDir: string;
  readonly caCertFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly container: string;
  /** always present while the probe is enabled */
  readonly upstream: HostPort | undefined;
  readonly tlsSni: string | undefined;
  readonly tlsTimeoutMs: number;
  readonly probeMode: 'handshake' | 'mqtt';
  readonly probeIntervalMs: number;
  readonly probeGate: ProbeGate;
  readonly checkIntervalMs: number;
  readonly stabilityWindowMs: number;
  readonly cooldownMs: number;
  /** what falls to this host of the time over which a fleet spreads its restarts (`RESTART_SPLAY`) */
  readonly splayMs: number;
  readonly expiryWarnDays: number;
  readonly engine: EngineEndpoint;
  /** undefined: the container's own */
  readonly stopTimeoutMs: number | undefined;
  readonly verifyTimeoutMs: number;
  readonly probeEnabled: boolean;
  readonly restartEnabled: boolean;
  readonly metricsEnabled: boolean;
  readonly metricsPort: number;
  readonly metricsHost: string | undefined;
  readonly stateFile: string | undefined;
  readonly logLevel: LogLevel;
}
