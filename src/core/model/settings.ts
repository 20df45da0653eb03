/** The settings of the program as typed values; `config/` determines where they come from. */

import type { RestartWindow } from './calendar.ts';
import type { ProbeGate } from './probe.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where the Docker Engine (or Podman) API listens. */
export type EngineEndpoint = { readonly kind: 'unix'; readonly path: string } | TcpEndpoint;

export interface TcpEndpoint extends HostPort {
  readonly kind: 'tcp';
  /** undefined: plain HTTP */
  readonly tls?: EngineTls;
}

/** TLS to the engine, whose certificate is always verified. */
export interface EngineTls {
  /** contains `ca.pem`, and `cert.pem` and `key.pem` if the engine requires a client certificate */
  readonly directory: string;
}

export type TlsEndpoint = TcpEndpoint & { readonly tls: EngineTls };

export function isTls(endpoint: EngineEndpoint): endpoint is TlsEndpoint {
  return endpoint.kind === 'tcp' && endpoint.tls !== undefined;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Whose certificates are watched: those of a bridge, which has an upstream, or those of a listener. */
export const CERT_ROLES = ['bridge', 'listener'] as const;
export type CertRole = (typeof CERT_ROLES)[number];

/** The user that the broker runs as, by number, once it has dropped its rights. */
export interface BrokerUser {
  readonly uid: number;
  readonly gid: number;
}

/** What MOSQUITTO_CONTAINER is if it is unset. */
export const DEFAULT_CONTAINER = 'eclipse-mosquitto';

/** Which brokers are managed. */
export type Target =
  /** containers by name or id, in restart order */
  | { readonly kind: 'containers'; readonly names: readonly string[] }
  /** every container with this label: `key=value`, or `key` with any value */
  | { readonly kind: 'label'; readonly label: string }
  /** a service of a Docker Swarm */
  | { readonly kind: 'service'; readonly name: string }
  /** a service of systemd, by its full name */
  | { readonly kind: 'unit'; readonly name: string };

/** What a broker of this target is, also while nobody has seen it. */
export function brokerKind({ kind }: Target): 'container' | 'service' | 'unit' {
  return kind === 'containers' || kind === 'label' ? 'container' : kind;
}

/** Where a broker listens for MQTT clients. */
export interface BrokerUrl extends HostPort {
  readonly tls: boolean;
}

/** An address that is a secret, or the file that contains it, which may be replaced at any time. */
export type SecretUrl =
  | { readonly kind: 'value'; readonly url: string }
  | { readonly kind: 'file'; readonly path: string };

export const NOTIFY_FORMATS = ['json', 'ntfy', 'slack', 'alertmanager'] as const;
export type NotifyFormat = (typeof NOTIFY_FORMATS)[number];

/** The lowest level that is notified. */
export const NOTIFY_LEVELS = ['warning', 'critical'] as const;
export type NotifyLevel = (typeof NOTIFY_LEVELS)[number];

/** The TLS files of the HTTP server. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** undefined: a client needs no certificate */
  readonly clientCaFile: string | undefined;
}

/** Every setting, validated. Durations are milliseconds. */
export interface Settings {
  readonly certDir: string;
  /** where the agent writes; undefined: directly to `certDir` */
  readonly incomingDir: string | undefined;
  /** the broker's configuration, which names its sets; undefined: there is one set, in `certDir` */
  readonly mosquittoConf: string | undefined;
  /** where the watcher sees the broker's directories: its path, ours; the longest that fits counts */
  readonly confMap: readonly (readonly [from: string, to: string])[];
  readonly certRole: CertRole;
  /** undefined: a listener's set without one */
  readonly caCertFile: string | undefined;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly target: Target;
  /** a short name for the broker, or for all of them, for people */
  readonly targetLabel: string;
  /** always present while the probe is enabled and the set is that of a bridge */
  readonly upstream: HostPort | undefined;
  readonly tlsSni: string | undefined;
  /** the protocol that is asked for by ALPN; undefined: none */
  readonly tlsAlpn: string | undefined;
  readonly tlsTimeoutMs: number;
  readonly probeMode: 'handshake' | 'mqtt';
  readonly probeIntervalMs: number;
  readonly probeGate: ProbeGate;
  readonly checkIntervalMs: number;
  readonly stabilityWindowMs: number;
  readonly cooldownMs: number;
  /** this host's share of the time over which a fleet spreads its restarts (`RESTART_SPLAY`) */
  readonly splayMs: number;
  /** undefined: restarts may be made at any time */
  readonly restartWindow: RestartWindow | undefined;
  readonly expiryWarnDays: number;
  readonly engine: EngineEndpoint;
  /** undefined: the container's own */
  readonly stopTimeoutMs: number | undefined;
  readonly verifyTimeoutMs: number;
  readonly reloadStrategy: 'restart' | 'sighup';
  /** none: bridges are not watched; otherwise one for all brokers, or one for each in their order */
  readonly brokerUrls: readonly BrokerUrl[];
  /** undefined: it is not looked at whether the broker may read the files */
  readonly brokerUser: BrokerUser | undefined;
  /** one line, `user:password` */
  readonly brokerCredentialsFile: string | undefined;
  /** CA file to verify `mqtts` brokers with; undefined: the one in the certificate directory, if there is one */
  readonly brokerCaFile: string | undefined;
  /** the one bridge that counts; undefined: every one */
  readonly bridgeName: string | undefined;
  /** MQTT topic below which the watcher publishes its state; undefined: nowhere */
  readonly statusTopic: string | undefined;
  /** undefined: Home Assistant is not told */
  readonly homeassistantPrefix: string | undefined;
  readonly probeEnabled: boolean;
  readonly restartEnabled: boolean;
  readonly metricsEnabled: boolean;
  readonly metricsPort: number;
  readonly metricsHost: string | undefined;
  /** undefined: plain HTTP */
  readonly metricsTls: ServerTls | undefined;
  /** lines of `user:bcrypt`; undefined: no password */
  readonly metricsAuthFile: string | undefined;
  readonly stateFile: string | undefined;
  /** where notifications are sent; undefined: nowhere */
  readonly notifyUrl: SecretUrl | undefined;
  readonly notifyFormat: NotifyFormat;
  readonly notifyLevel: NotifyLevel;
  /** PEM; trusted in addition to the public authorities, for notifications and the heartbeat */
  readonly notifyCaFile: string | undefined;
  /** address that is requested as long as the loop is alive; undefined: none */
  readonly heartbeatUrl: SecretUrl | undefined;
  readonly heartbeatIntervalMs: number;
  readonly logLevel: LogLevel;
}

/** The directory to which the agent writes, with the name of its setting. */
export function agentsDirectory({ certDir, incomingDir }: Pick<Settings, 'certDir' | 'incomingDir'>) {
  return incomingDir === undefined
    ? ({ path: certDir, setting: 'CERT_DIR' } as const)
    : ({ path: incomingDir, setting: 'INCOMING_DIR' } as const);
}

/** The brokers that are named one by one, and signalled or restarted by this watcher itself. */
export function namesOf(target: Target): readonly string[] {
  if (target.kind === 'unit') return [target.name];
  return target.kind === 'containers' ? target.names : [];
}

/** Where the broker called `name` listens, if each of them has an address of its own in `BROKER_URL`. */
export function listenerOf({ target, brokerUrls }: Settings, name: string): BrokerUrl | undefined {
  const names = namesOf(target);
  return names.length === brokerUrls.length ? brokerUrls[names.indexOf(name)] : undefined;
}

/** Whether there is an upstream to ask. Without one, an enabled probe only compares key and certificate. */
export function asksUpstream({
  probeEnabled,
  upstream,
  mosquittoConf,
  certRole,
}: Pick<Settings, 'probeEnabled' | 'upstream' | 'mosquittoConf' | 'certRole'>): boolean {
  return probeEnabled && (upstream !== undefined || (mosquittoConf !== undefined && certRole === 'bridge'));
}

/** Whether the broker called `name` has a TLS listener of its own whose certificate is compared with the one on disk. */
export function isComparedAt(settings: Settings, name: string): boolean {
  return settings.certRole === 'listener' && listenerOf(settings, name)?.tls === true;
}

/**
 * Whether the listeners that the configuration names can be looked at as those of the broker called `name`: it is the
 * only one, or it has an address of its own.
 */
export function comparesSetsAt(settings: Settings, name: string): boolean {
  const { mosquittoConf, target } = settings;
  const isOnly = target.kind !== 'label' && namesOf(target).length === 1;
  return mosquittoConf !== undefined && (isOnly || listenerOf(settings, name) !== undefined);
}

/**
 * Whether the watcher logs in at `url` to see the bridges. A TLS listener whose certificate is watched is asked for
 * that only where the operator says how to log in there or for which bridge, or has the state published there.
 */
export function watchesBridgesAt(
  { certRole, brokerCredentialsFile, brokerCaFile, bridgeName, statusTopic }: Settings,
  { tls }: BrokerUrl,
): boolean {
  if (certRole === 'bridge' || !tls) return true;
  return [brokerCredentialsFile, brokerCaFile, bridgeName, statusTopic].some(
    (setting) => setting !== undefined,
  );
}

/** What the leaf of the set is called. */
export function leafName({ certRole }: Pick<Settings, 'certRole'>): string {
  return certRole === 'listener' ? 'certificate' : 'client certificate';
}

/** Whether the HTTP server requires TLS or a password. */
export function isGuarded({ metricsTls, metricsAuthFile }: Settings): boolean {
  return metricsTls !== undefined || metricsAuthFile !== undefined;
}
