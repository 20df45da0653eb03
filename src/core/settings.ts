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

/** Which brokers are looked after. */
export type Target =
  /** containers by name or id, in the order in which they are restarted */
  | { readonly kind: 'containers'; readonly names: readonly string[] }
  /** every container with this label: `key=value`, or `key` with any value */
  | { readonly kind: 'label'; readonly label: string }
  /** a service of a Docker Swarm */
  | { readonly kind: 'service'; readonly name: string };

/** Where a broker listens for MQTT clients. */
export interface BrokerUrl extends HostPort {
  readonly tls: boolean;
}

/** Every setting, validated. Durations are milliseconds. */
export interface Settings {
  readonly certDir: string;
  readonly caCertFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly target: Target;
  /** the broker, or all of them, as named to people */
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
  readonly reloadStrategy: 'restart' | 'sighup';
  /** none: nobody looks whether bridges are up; else one for all brokers, or one for each in their order */
  readonly brokerUrls: readonly BrokerUrl[];
  /** one line, `user:password` */
  readonly brokerCredentialsFile: string | undefined;
  /** what `mqtts` brokers are verified with; undefined: the CA file of the certificate directory */
  readonly brokerCaFile: string | undefined;
  /** the one bridge that counts; undefined: every one */
  readonly bridgeName: string | undefined;
  readonly probeEnabled: boolean;
  readonly restartEnabled: boolean;
  readonly metricsEnabled: boolean;
  readonly metricsPort: number;
  readonly metricsHost: string | undefined;
  readonly stateFile: string | undefined;
  readonly logLevel: LogLevel;
}

/** Where this one broker listens, if each of them has an address of its own in `BROKER_URL`. */
export function listenerOf({ target, brokerUrls, container }: Settings): BrokerUrl | undefined {
  if (target.kind !== 'containers' || target.names.length !== brokerUrls.length) return undefined;
  return brokerUrls[target.names.indexOf(container)];
}
