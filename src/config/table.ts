/** The one table of settings: the loader, `--help` and the README are generated from it. */

import { LOG_LEVELS, NOTIFY_FORMATS, NOTIFY_LEVELS } from '../core/model/settings.ts';
import { BROKER_ROWS } from './broker-rows.ts';
import { CERTIFICATE_ROWS } from './certificate-rows.ts';
import { type Entry, entry } from './entry.ts';
import * as parsers from './parsers.ts';
import { STATUS_ROWS } from './status-rows.ts';

export type { Entry } from './entry.ts';

export const TABLE = {
  ...CERTIFICATE_ROWS,
  ...BROKER_ROWS,
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
  tlsAlpn: entry(
    'TLS_ALPN',
    undefined,
    parsers.alpn,
    'protocol that is asked for by ALPN, as `bridge_alpn` of the bridge',
    'unset (ALPN is not used)',
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
  restartWindow: entry(
    'RESTART_WINDOW',
    undefined,
    parsers.restartWindow,
    'when the broker may be restarted: `Mon-Fri 02:00-04:00, Sat,Sun 00:00-06:00`',
    'unset (at any time)',
  ),
  restartWindowTimeZone: entry(
    'RESTART_WINDOW_TZ',
    'UTC',
    parsers.timeZone,
    'time zone of RESTART_WINDOW, by its IANA name',
  ),
  expiryWarnDays: entry(
    'EXPIRY_WARN_DAYS',
    '14',
    parsers.integer(0, 36_500),
    'days before expiry from which to warn, but never before two thirds of the lifetime',
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
    '`unix://` or `tcp://host:port` (socket proxy, engine with TLS); wins over DOCKER_SOCK',
    'unset',
  ),
  dockerTlsVerify: entry(
    'DOCKER_TLS_VERIFY',
    undefined,
    parsers.presence,
    'any value, even `0` (as for the docker CLI): TLS with the engine, which is verified',
    'unset (plain HTTP)',
  ),
  dockerCertPath: entry(
    'DOCKER_CERT_PATH',
    undefined,
    parsers.path,
    'directory with `ca.pem`, `cert.pem` and `key.pem` for DOCKER_TLS_VERIFY',
    '~/.docker',
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
  brokerUser: entry(
    'BROKER_USER',
    undefined,
    parsers.brokerUser,
    '`uid[:gid]` of the broker: a set that it cannot read is not applied',
    'unset (not looked at)',
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
  ...STATUS_ROWS,
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
  metricsTlsCertFile: entry(
    'METRICS_TLS_CERT_FILE',
    undefined,
    parsers.path,
    "the HTTP server's certificate, with its chain: it speaks TLS then",
  ),
  metricsTlsKeyFile: entry('METRICS_TLS_KEY_FILE', undefined, parsers.path, 'key of METRICS_TLS_CERT_FILE'),
  metricsClientCaFile: entry(
    'METRICS_CLIENT_CA_FILE',
    undefined,
    parsers.path,
    'CA certificates, of which a client of the HTTP server needs a certificate',
  ),
  metricsAuthFile: entry(
    'METRICS_AUTH_FILE',
    undefined,
    parsers.path,
    'file of `user:bcrypt` lines (`htpasswd -nB USER`): the HTTP server asks for a password',
  ),
  stateFile: entry(
    'STATE_FILE',
    undefined,
    parsers.path,
    'where to remember the last applied set across restarts of the watcher',
    'unset (memory)',
  ),
  notifyUrl: entry(
    'NOTIFY_URL',
    undefined,
    parsers.secretUrl,
    'where to POST when something is wrong, and when all is well again; a secret',
  ),
  notifyUrlFile: entry('NOTIFY_URL_FILE', undefined, parsers.secretPath, 'file with the NOTIFY_URL instead'),
  notifyFormat: entry(
    'NOTIFY_FORMAT',
    'json',
    parsers.oneOf(NOTIFY_FORMATS),
    '`json` (webhook), `ntfy`, `slack` (also Mattermost), `alertmanager`',
  ),
  notifyLevel: entry(
    'NOTIFY_LEVEL',
    'warning',
    parsers.oneOf(NOTIFY_LEVELS),
    'level from which on to notify: `warning`, `critical`',
  ),
  notifyCaFile: entry(
    'NOTIFY_CA_FILE',
    undefined,
    parsers.path,
    'CA certificates to trust for NOTIFY_URL and HEARTBEAT_URL, beside the public ones',
  ),
  heartbeatUrl: entry(
    'HEARTBEAT_URL',
    undefined,
    parsers.secretUrl,
    'what to GET as long as the watcher is alive: its silence raises the alarm; a secret',
  ),
  heartbeatUrlFile: entry(
    'HEARTBEAT_URL_FILE',
    undefined,
    parsers.secretPath,
    'file with the HEARTBEAT_URL instead',
  ),
  heartbeatIntervalMs: entry(
    'HEARTBEAT_INTERVAL',
    '5m',
    parsers.duration('10ms'),
    'time between two heartbeats',
  ),
  logLevel: entry('LOG_LEVEL', 'info', parsers.oneOf(LOG_LEVELS), 'debug, info, warn or error'),
} as const;

/** The default as shown to people. */
export function shownDefault(row: Entry<unknown>): string {
  return row.fallbackNote ?? row.fallback ?? 'unset';
}
