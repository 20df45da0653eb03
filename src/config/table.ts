/** The one table of settings: the loader, `--help` and the README are made from it. */

import { LOG_LEVELS } from '../core/settings.ts';
import * as parsers from './parsers.ts';

export interface Entry<T> {
  /** the environment variable; in lower case the key in the configuration file */
  readonly name: string;
  /** as somebody would write it; undefined: unset */
  readonly fallback: string | undefined;
  /** shown instead of the default where that is not a plain value */
  readonly fallbackNote?: string;
  readonly parser: parsers.Parser<T>;
  readonly meaning: string;
}

function entry<const T>(
  name: string,
  fallback: string | undefined,
  parser: parsers.Parser<T>,
  meaning: string,
  fallbackNote?: string,
): Entry<T> {
  return { name, fallback, parser, meaning, ...(fallbackNote !== undefined && { fallbackNote }) };
}

export const TABLE = {
  certDir: entry('CERT_DIR', '/certs', parsers.path, 'directory with the three files'),
  caCertFile: entry(
    'CA_CERT_FILE',
    'ca.crt',
    parsers.path,
    'the CA certificates that the upstream is verified with',
  ),
  clientCertFile: entry(
    'CLIENT_CERT_FILE',
    'client.crt',
    parsers.path,
    'the client certificate, with its chain',
  ),
  clientKeyFile: entry(
    'CLIENT_KEY_FILE',
    'client.key',
    parsers.path,
    "the client's private key; only the probe opens it",
  ),
  container: entry(
    'MOSQUITTO_CONTAINER',
    'eclipse-mosquitto',
    parsers.list(parsers.containerName),
    'container to restart, by name or id; several: a,b,c, restarted one by one',
  ),
  label: entry(
    'MOSQUITTO_LABEL',
    undefined,
    parsers.label,
    '`key=value`: restart the containers with this label instead, one by one',
  ),
  service: entry(
    'MOSQUITTO_SERVICE',
    undefined,
    parsers.containerName,
    'update this Docker Swarm service instead of restarting containers',
  ),
  upstream: entry(
    'UPSTREAM_ADDR',
    undefined,
    parsers.hostPort(8883),
    'broker to probe: host:port or [v6]:port (port 8883 if left out)',
    'none; required while the probe is on',
  ),
  tlsSni: entry(
    'TLS_SNI',
    undefined,
    parsers.host,
    'server name sent and verified',
    'host of UPSTREAM_ADDR; none for an IP address',
  ),
  tlsTimeoutMs: entry('TLS_TIMEOUT', '5s', parsers.duration('10ms'), 'one budget for DNS, TCP and handshake'),
  probeMode: entry(
    'TLS_PROBE_MODE',
    'handshake',
    parsers.oneOf(['handshake', 'mqtt']),
    '`handshake`, or `mqtt`: log in as an MQTT client of its own',
  ),
  probeIntervalMs: entry(
    'TLS_PROBE_INTERVAL',
    '60s',
    parsers.duration('0'),
    'probe also between rotations; 0 = only at start and on a change',
  ),
  probeGate: entry(
    'TLS_PROBE_GATE',
    'rejected',
    parsers.oneOf(['off', 'rejected', 'any']),
    'which probe failure holds a restart: `off`, `rejected` (our certificate refused), `any`',
  ),
  checkIntervalMs: entry('CHECK_INTERVAL', '5s', parsers.duration('10ms'), 'polling, beside file events'),
  stabilityWindowMs: entry(
    'STABILITY_WINDOW',
    '10s',
    parsers.duration('0'),
    'how long the files must have been unchanged before a restart',
  ),
  cooldownMs: entry('RESTART_COOLDOWN', '300s', parsers.duration('0'), 'least time between two restarts'),
  restartSplayMs: entry(
    'RESTART_SPLAY',
    '0',
    parsers.duration('0'),
    'time over which a fleet spreads its restarts; each host has a fixed share of it',
  ),
  expiryWarnDays: entry(
    'EXPIRY_WARN_DAYS',
    '14',
    parsers.integer(0, 36_500),
    'days before expiry from which to warn',
  ),
  dockerSock: entry(
    'DOCKER_SOCK',
    '/var/run/docker.sock',
    parsers.path,
    'Docker Engine or Podman API socket',
  ),
  dockerHost: entry(
    'DOCKER_HOST',
    undefined,
    parsers.dockerHost,
    '`unix://` or `tcp://host:port` (a socket proxy); wins over DOCKER_SOCK',
    'unset',
  ),
  stopTimeoutMs: entry(
    'RESTART_STOP_TIMEOUT',
    undefined,
    parsers.duration('0'),
    'grace before the engine kills the broker, in whole seconds',
    "the container's own",
  ),
  verifyTimeoutMs: entry(
    'RESTART_VERIFY_TIMEOUT',
    '30s',
    parsers.duration('10ms'),
    'how long the broker has to be up again (and healthy, if it has a health check)',
  ),
  reloadStrategy: entry(
    'RELOAD_STRATEGY',
    'restart',
    parsers.oneOf(['restart', 'sighup']),
    '`restart`, or `sighup`: signal, and restart if BROKER_URL shows no effect',
  ),
  brokerUrls: entry(
    'BROKER_URL',
    undefined,
    parsers.list(parsers.brokerUrl),
    'listener at which to see whether bridges are up: `mqtt[s]://host:port`, one a broker',
    'unset (bridges are not looked at)',
  ),
  brokerCredentialsFile: entry(
    'BROKER_CREDENTIALS_FILE',
    undefined,
    parsers.path,
    'file with `user:password` for BROKER_URL',
  ),
  brokerCaFile: entry(
    'BROKER_CA_FILE',
    undefined,
    parsers.path,
    'CA certificates that a `mqtts` BROKER_URL is verified with',
    'CA_CERT_FILE',
  ),
  bridgeName: entry(
    'BRIDGE_NAME',
    undefined,
    parsers.topicLevel,
    'the one bridge connection that has to be up, as it stands under `$SYS`',
    'every bridge',
  ),
  probeEnabled: entry('ENABLE_TLS_PROBE', 'true', parsers.boolean, 'probe the upstream'),
  restartEnabled: entry(
    'ENABLE_RESTART',
    'true',
    parsers.boolean,
    'restart the broker; otherwise only say so',
  ),
  metricsEnabled: entry(
    'ENABLE_METRICS',
    'false',
    parsers.boolean,
    'HTTP server with metrics, health and status page',
  ),
  metricsPort: entry('METRICS_PORT', '9090', parsers.integer(1, 65_535), 'port of the HTTP server'),
  metricsHost: entry('METRICS_HOST', undefined, parsers.host, 'address of the HTTP server', 'all addresses'),
  stateFile: entry(
    'STATE_FILE',
    undefined,
    parsers.path,
    'where to remember the last applied set across restarts of the watcher',
    'unset (memory)',
  ),
  logLevel: entry('LOG_LEVEL', 'info', parsers.oneOf(LOG_LEVELS), 'debug, info, warn or error'),
} as const;

/** The default as shown to people. */
export function shownDefault(row: Entry<unknown>): string {
  return row.fallbackNote ?? row.fallback ?? 'unset';
}
