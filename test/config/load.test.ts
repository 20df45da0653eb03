import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LISTENER_SETTINGS, settings } from '../../lab/core-fixtures.ts';
import { type Environment, type Loaded, loadSettings } from '../../src/config/load.ts';
import { shareOf } from '../../src/config/splay.ts';
import { shownDefault, TABLE } from '../../src/config/table.ts';
import type { ServerTls, Settings } from '../../src/core/model/settings.ts';
import { makeFifo, temporaryDirectory } from '../support/directory.ts';

/** The settings as the contract has them: name and default. */
const CONTRACT = `
| MOSQUITTO_CONF | unset |
| MOSQUITTO_CONF_MAP | unset |
| CERT_DIR | /certs |
| INCOMING_DIR | unset |
| CERT_ROLE | bridge |
| CA_CERT_FILE | ca.crt |
| CLIENT_CERT_FILE | client.crt |
| CLIENT_KEY_FILE | client.key |
| MOSQUITTO_CONTAINER | eclipse-mosquitto |
| MOSQUITTO_LABEL | unset |
| MOSQUITTO_SERVICE | unset |
| MOSQUITTO_UNIT | unset |
| UPSTREAM_ADDR | none; required while the probe is on |
| TLS_SNI | host of UPSTREAM_ADDR; none for an IP address |
| TLS_ALPN | unset (ALPN is not used) |
| TLS_TIMEOUT | 5s |
| TLS_PROBE_MODE | handshake |
| TLS_PROBE_INTERVAL | 60s |
| TLS_PROBE_GATE | rejected |
| CHECK_INTERVAL | 5s |
| STABILITY_WINDOW | 10s |
| RESTART_COOLDOWN | 300s |
| RESTART_SPLAY | 0 |
| RESTART_WINDOW | unset (at any time) |
| RESTART_WINDOW_TZ | UTC |
| EXPIRY_WARN_DAYS | 14 |
| DOCKER_SOCK | /var/run/docker.sock |
| DOCKER_HOST | unset |
| DOCKER_TLS_VERIFY | unset (plain HTTP) |
| DOCKER_CERT_PATH | ~/.docker |
| RESTART_STOP_TIMEOUT | the container's own |
| RESTART_VERIFY_TIMEOUT | 30s |
| RELOAD_STRATEGY | restart |
| BROKER_URL | unset (bridges are not looked at) |
| BROKER_USER | unset (not looked at) |
| BROKER_CREDENTIALS_FILE | unset |
| BROKER_CA_FILE | CA_CERT_FILE |
| BRIDGE_NAME | every bridge |
| STATUS_TOPIC | unset |
| HOMEASSISTANT_PREFIX | unset |
| ENABLE_TLS_PROBE | true |
| ENABLE_RESTART | true |
| ENABLE_METRICS | false |
| METRICS_PORT | 9090 |
| METRICS_HOST | all addresses |
| METRICS_TLS_CERT_FILE | unset |
| METRICS_TLS_KEY_FILE | unset |
| METRICS_CLIENT_CA_FILE | unset |
| METRICS_AUTH_FILE | unset |
| STATE_FILE | unset (memory) |
| NOTIFY_URL | unset |
| NOTIFY_URL_FILE | unset |
| NOTIFY_FORMAT | json |
| NOTIFY_LEVEL | warning |
| NOTIFY_CA_FILE | unset |
| HEARTBEAT_URL | unset |
| HEARTBEAT_URL_FILE | unset |
| HEARTBEAT_INTERVAL | 5m |
| LOG_LEVEL | info |
`;

const contract = [...CONTRACT.matchAll(/^\| (\w+) \| (.+) \|$/gm)].map(
  ([, name = '', fallback = '']) => [name, fallback] as const,
);

const UPSTREAM = { UPSTREAM_ADDR: 'broker.example.com:8883' };

async function load(environment: Environment, config?: string): Promise<Loaded> {
  return loadSettings(environment, config === undefined ? undefined : await configFile(config));
}

async function configFile(text: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'config.json');
  await writeFile(path, text);
  return path;
}

async function loaded(environment: Environment, config?: object): Promise<Settings> {
  const result = await load({ ...UPSTREAM, ...environment }, config && JSON.stringify(config));
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.settings;
}

/** The problems, without the name of the temporary directory in them. */
async function problems(environment: Environment, config?: string): Promise<readonly string[]> {
  const result = await load(environment, config);
  return result.ok
    ? ['no problem']
    : result.problems.map((line) => line.replace(/--config \S+\//, '--config '));
}

describe('the table of settings', () => {
  it('has every setting of the contract with its default, in its order', () => {
    expect(Object.values(TABLE).map((row) => [row.name, shownDefault(row)])).toEqual(contract);
  });

  it.each(Object.values(TABLE).map((row) => [row.name, row] as const))(
    'has a default of %s that its own parser takes',
    (_, row) => {
      const { fallback, parser } = row;
      expect(fallback === undefined || parser.parse(fallback) !== undefined).toBe(true);
    },
  );
});

describe('a setting that is not given', () => {
  it('has its default', async () => {
    expect(await loaded({})).toEqual(settings());
  });

  it.each(contract.map(([name]) => name).filter((name) => name !== 'UPSTREAM_ADDR'))(
    'nor is given by an empty variable: %s',
    async (name) => {
      expect(await loaded({ [name]: '' })).toEqual(settings());
    },
  );

  it('nor is given by an empty variable: UPSTREAM_ADDR', async () => {
    expect(await problems({ UPSTREAM_ADDR: '' })).toEqual([
      expect.stringMatching(/^UPSTREAM_ADDR is not set/),
    ]);
  });

  it('nor is given by an empty text in the file', async () => {
    expect(await loaded({}, { cert_dir: '', check_interval: '' })).toEqual(settings());
  });
});

/** What a setting needs beside it. */
const BESIDE: Readonly<Record<string, Environment>> = {
  DOCKER_TLS_VERIFY: { DOCKER_HOST: 'tcp://engine:2376', DOCKER_CERT_PATH: '/etc/engine' },
  DOCKER_CERT_PATH: { DOCKER_HOST: 'tcp://engine:2376', DOCKER_TLS_VERIFY: '1' },
  STATUS_TOPIC: { BROKER_URL: 'mqtt://b' },
  HOMEASSISTANT_PREFIX: { BROKER_URL: 'mqtt://b', STATUS_TOPIC: 'cert-watcher/edge-1' },
  MOSQUITTO_CONF: { UPSTREAM_ADDR: '' },
  MOSQUITTO_CONF_MAP: { MOSQUITTO_CONF: '/m.conf', UPSTREAM_ADDR: '' },
  METRICS_TLS_CERT_FILE: { METRICS_TLS_KEY_FILE: '/tls/server.key' },
  METRICS_TLS_KEY_FILE: { METRICS_TLS_CERT_FILE: '/tls/server.crt' },
  METRICS_CLIENT_CA_FILE: {
    METRICS_TLS_CERT_FILE: '/tls/server.crt',
    METRICS_TLS_KEY_FILE: '/tls/server.key',
  },
};

function engineWith(directory: string): Settings['engine'] {
  return { kind: 'tcp', host: 'engine', port: 2376, tls: { directory } };
}

function serverTls(change: Partial<ServerTls>): ServerTls {
  return { certFile: '/tls/server.crt', keyFile: '/tls/server.key', clientCaFile: undefined, ...change };
}

/** What the configuration of the broker says instead. */
const OF_CONF = { caCertFile: undefined, upstream: undefined, tlsSni: undefined };

/** A value of each setting that is not its default, and what comes of it. */
const VALID: readonly (readonly [string, string, Partial<Settings>])[] = [
  [
    'MOSQUITTO_CONF',
    '/etc/mosquitto/mosquitto.conf',
    { mosquittoConf: '/etc/mosquitto/mosquitto.conf', ...OF_CONF },
  ],
  [
    'MOSQUITTO_CONF_MAP',
    '/mosquitto/certs:/certs,/a:/b',
    {
      mosquittoConf: '/m.conf',
      confMap: [
        ['/mosquitto/certs', '/certs'],
        ['/a', '/b'],
      ],
      ...OF_CONF,
    },
  ],
  ['CERT_DIR', '/etc/mosquitto/certs', { certDir: '/etc/mosquitto/certs' }],
  ['INCOMING_DIR', '/var/lib/agent', { incomingDir: '/var/lib/agent' }],
  ['CERT_ROLE', 'bridge', { certRole: 'bridge' }],
  ['CA_CERT_FILE', 'root.pem', { caCertFile: 'root.pem' }],
  ['CLIENT_CERT_FILE', 'edge.pem', { clientCertFile: 'edge.pem' }],
  ['CLIENT_KEY_FILE', 'edge.key', { clientKeyFile: 'edge.key' }],
  ['MOSQUITTO_CONTAINER', '/broker_1', { targetLabel: 'broker_1' }],
  [
    'MOSQUITTO_CONTAINER',
    'left, /right',
    { targetLabel: 'left, right', target: { kind: 'containers', names: ['left', 'right'] } },
  ],
  [
    'MOSQUITTO_LABEL',
    'role=edge broker',
    { targetLabel: 'containers with role=edge broker', target: { kind: 'label', label: 'role=edge broker' } },
  ],
  [
    'MOSQUITTO_LABEL',
    'broker',
    { targetLabel: 'containers with broker', target: { kind: 'label', label: 'broker' } },
  ],
  [
    'MOSQUITTO_SERVICE',
    'edge_broker',
    { targetLabel: 'edge_broker', target: { kind: 'service', name: 'edge_broker' } },
  ],
  [
    'MOSQUITTO_UNIT',
    'mosquitto',
    { targetLabel: 'mosquitto.service', target: { kind: 'unit', name: 'mosquitto.service' } },
  ],
  ['UPSTREAM_ADDR', 'other', { upstream: { host: 'other', port: 8883 }, tlsSni: 'other' }],
  ['UPSTREAM_ADDR', '192.0.2.1:1', { upstream: { host: '192.0.2.1', port: 1 }, tlsSni: undefined }],
  ['UPSTREAM_ADDR', '[2001:db8::1]:1', { upstream: { host: '2001:db8::1', port: 1 }, tlsSni: undefined }],
  ['UPSTREAM_ADDR', '[2001:db8::1]', { upstream: { host: '2001:db8::1', port: 8883 }, tlsSni: undefined }],
  ['TLS_SNI', 'sni.example.com', { tlsSni: 'sni.example.com' }],
  ['TLS_ALPN', 'x-amzn-mqtt-ca', { tlsAlpn: 'x-amzn-mqtt-ca' }],
  ['TLS_TIMEOUT', '1.5s', { tlsTimeoutMs: 1_500 }],
  ['TLS_PROBE_MODE', 'mqtt', { probeMode: 'mqtt' }],
  ['TLS_PROBE_INTERVAL', '0', { probeIntervalMs: 0 }],
  ['TLS_PROBE_GATE', 'any', { probeGate: 'any' }],
  ['TLS_PROBE_GATE', 'off', { probeGate: 'off' }],
  ['CHECK_INTERVAL', '10ms', { checkIntervalMs: 10 }],
  ['STABILITY_WINDOW', '0', { stabilityWindowMs: 0 }],
  ['RESTART_COOLDOWN', '1h', { cooldownMs: 3_600_000 }],
  ['RESTART_SPLAY', '1h', { splayMs: Math.round(3_600_000 * shareOf(hostname())) }],
  [
    'RESTART_WINDOW',
    'Sun 02:00-04:00',
    {
      restartWindow: {
        text: 'Sun 02:00-04:00',
        timeZone: 'UTC',
        rules: [{ days: [0], fromMinute: 120, toMinute: 240 }],
      },
    },
  ],
  ['RESTART_WINDOW_TZ', 'Europe/Berlin', {}],
  ['EXPIRY_WARN_DAYS', '0', { expiryWarnDays: 0 }],
  ['DOCKER_SOCK', '/run/podman.sock', { engine: { kind: 'unix', path: '/run/podman.sock' } }],
  ['DOCKER_HOST', 'tcp://proxy:2375', { engine: { kind: 'tcp', host: 'proxy', port: 2375 } }],
  ['DOCKER_TLS_VERIFY', '1', { engine: engineWith('/etc/engine') }],
  ['DOCKER_TLS_VERIFY', '0', { engine: engineWith('/etc/engine') }],
  ['DOCKER_TLS_VERIFY', 'false', { engine: engineWith('/etc/engine') }],
  ['DOCKER_CERT_PATH', '/run/secrets', { engine: engineWith('/run/secrets') }],
  ['RESTART_STOP_TIMEOUT', '0', { stopTimeoutMs: 0 }],
  ['RESTART_VERIFY_TIMEOUT', '1m', { verifyTimeoutMs: 60_000 }],
  ['RELOAD_STRATEGY', 'restart', { reloadStrategy: 'restart' }],
  ['BROKER_URL', 'mqtt://broker', { brokerUrls: [{ tls: false, host: 'broker', port: 1883 }] }],
  ['BROKER_URL', 'mqtts://[::1]:1', { brokerUrls: [{ tls: true, host: '::1', port: 1 }] }],
  ['BROKER_USER', '1883', { brokerUser: { uid: 1883, gid: 1883 } }],
  ['BROKER_USER', '108:113', { brokerUser: { uid: 108, gid: 113 } }],
  ['BROKER_CREDENTIALS_FILE', '/run/secrets/mqtt', { brokerCredentialsFile: '/run/secrets/mqtt' }],
  ['BROKER_CA_FILE', '/etc/ca.crt', { brokerCaFile: '/etc/ca.crt' }],
  ['BRIDGE_NAME', 'edge.cloud', { bridgeName: 'edge.cloud' }],
  [
    'STATUS_TOPIC',
    'site/edge 1',
    { brokerUrls: [{ tls: false, host: 'b', port: 1883 }], statusTopic: 'site/edge 1' },
  ],
  [
    'HOMEASSISTANT_PREFIX',
    'home/assistant',
    {
      brokerUrls: [{ tls: false, host: 'b', port: 1883 }],
      statusTopic: 'cert-watcher/edge-1',
      homeassistantPrefix: 'home/assistant',
    },
  ],
  ['ENABLE_TLS_PROBE', 'F', { probeEnabled: false }],
  ['ENABLE_RESTART', '0', { restartEnabled: false }],
  ['ENABLE_METRICS', 'T', { metricsEnabled: true }],
  ['METRICS_PORT', '1', { metricsPort: 1 }],
  ['METRICS_HOST', '::', { metricsHost: '::' }],
  ['METRICS_TLS_CERT_FILE', '/tls/a.crt', { metricsTls: serverTls({ certFile: '/tls/a.crt' }) }],
  ['METRICS_TLS_KEY_FILE', '/tls/a.key', { metricsTls: serverTls({ keyFile: '/tls/a.key' }) }],
  ['METRICS_CLIENT_CA_FILE', '/tls/ca.crt', { metricsTls: serverTls({ clientCaFile: '/tls/ca.crt' }) }],
  ['METRICS_AUTH_FILE', '/run/secrets/users', { metricsAuthFile: '/run/secrets/users' }],
  ['STATE_FILE', '/data/state.json', { stateFile: '/data/state.json' }],
  [
    'NOTIFY_URL',
    'https://hooks.example.com/services/T0/s3cret',
    { notifyUrl: { kind: 'value', url: 'https://hooks.example.com/services/T0/s3cret' } },
  ],
  ['NOTIFY_URL', 'http://[::1]:9093', { notifyUrl: { kind: 'value', url: 'http://[::1]:9093/' } }],
  ['NOTIFY_URL_FILE', '/run/secrets/url', { notifyUrl: { kind: 'file', path: '/run/secrets/url' } }],
  ['NOTIFY_FORMAT', 'ntfy', { notifyFormat: 'ntfy' }],
  ['NOTIFY_FORMAT', 'slack', { notifyFormat: 'slack' }],
  ['NOTIFY_FORMAT', 'alertmanager', { notifyFormat: 'alertmanager' }],
  ['NOTIFY_LEVEL', 'critical', { notifyLevel: 'critical' }],
  ['NOTIFY_CA_FILE', '/etc/ca.crt', { notifyCaFile: '/etc/ca.crt' }],
  [
    'HEARTBEAT_URL',
    'https://hc.example.com/s3cret',
    { heartbeatUrl: { kind: 'value', url: 'https://hc.example.com/s3cret' } },
  ],
  ['HEARTBEAT_URL_FILE', '/run/secrets/hc', { heartbeatUrl: { kind: 'file', path: '/run/secrets/hc' } }],
  ['HEARTBEAT_INTERVAL', '1m', { heartbeatIntervalMs: 60_000 }],
  ['LOG_LEVEL', 'debug', { logLevel: 'debug' }],
];

describe('a setting that is given', () => {
  it.each(VALID)('is taken from the environment: %s=%s', async (name, value, change) => {
    expect(await loaded({ ...BESIDE[name], [name]: value })).toEqual(settings(change));
  });

  it.each(VALID)('is taken from the file: %s=%s', async (name, value, change) => {
    const environment = name === 'UPSTREAM_ADDR' ? { UPSTREAM_ADDR: undefined } : { ...BESIDE[name] };
    expect(await loaded(environment, { [name.toLowerCase()]: value })).toEqual(settings(change));
  });

  it.each(VALID)(
    'is taken from the environment rather than from the file: %s=%s',
    async (name, value, change) => {
      const file = { [name.toLowerCase()]: 'not / a : usable value' };
      expect(await loaded({ ...BESIDE[name], [name]: value }, file)).toEqual(settings(change));
    },
  );

  it('may be a number or a boolean in the file', async () => {
    const config = { metrics_port: 8080, expiry_warn_days: 0, enable_restart: false, enable_metrics: true };
    expect(await loaded({}, config)).toEqual(
      settings({ metricsPort: 8080, expiryWarnDays: 0, restartEnabled: false, metricsEnabled: true }),
    );
  });

  it('counts for nothing where the environment has an empty variable and the file a value', async () => {
    expect((await loaded({ CERT_DIR: '' }, { cert_dir: '/from-file' })).certDir).toBe('/from-file');
  });

  it('is tested by everybody: no setting is missing here', () => {
    expect(
      contract.map(([name]) => name).filter((name) => !VALID.some(([tested]) => tested === name)),
    ).toEqual([]);
  });
});

describe('MOSQUITTO_CONF', () => {
  it.each([
    ['CERT_DIR', '/certs'],
    ['INCOMING_DIR', '/incoming'],
    ['CERT_ROLE', 'bridge'],
    ['CA_CERT_FILE', 'ca.crt'],
    ['CLIENT_CERT_FILE', 'client.crt'],
    ['CLIENT_KEY_FILE', 'client.key'],
    ['UPSTREAM_ADDR', 'broker.example.com'],
    ['TLS_SNI', 'broker.example.com'],
    ['TLS_ALPN', 'mqtt'],
  ])('is refused with %s, which it says itself', async (name, value) => {
    expect(await problems({ MOSQUITTO_CONF: '/m.conf', [name]: value })).toEqual([
      `${name} and MOSQUITTO_CONF are set; the configuration of the broker says that: leave ${name} out`,
    ]);
  });

  it('is needed for its map', async () => {
    expect(await problems({ ...UPSTREAM, MOSQUITTO_CONF_MAP: '/a:/b' })).toEqual([
      'MOSQUITTO_CONF_MAP is set without MOSQUITTO_CONF; it says where the paths of that are',
    ]);
  });
});

describe('CERT_ROLE=listener', () => {
  const listener = { CERT_ROLE: 'listener' };

  async function ofListener(environment: Environment, config?: object): Promise<Settings> {
    return loaded({ UPSTREAM_ADDR: undefined, ...environment }, config);
  }

  it('needs nothing beside it: certbot names the files, and there is no upstream', async () => {
    expect(await ofListener(listener)).toEqual(settings(LISTENER_SETTINGS));
  });

  it('has a CA file where one is named, and other names where they are given', async () => {
    const names = { CA_CERT_FILE: 'clients.pem', CLIENT_CERT_FILE: 'cert.pem', CLIENT_KEY_FILE: 'key.pem' };
    expect(await ofListener({ ...listener, ...names })).toMatchObject({
      caCertFile: 'clients.pem',
      clientCertFile: 'cert.pem',
      clientKeyFile: 'key.pem',
    });
  });

  it('may stand in the file', async () => {
    expect((await ofListener({}, { cert_role: 'listener' })).clientCertFile).toBe('fullchain.pem');
  });

  it.each([
    ['UPSTREAM_ADDR', 'broker.example.com:8883'],
    ['TLS_SNI', 'broker.example.com'],
    ['TLS_ALPN', 'mqtt'],
  ])('is refused with %s: a listener has no upstream', async (name, value) => {
    expect(await problems({ ...listener, [name]: value })).toEqual([
      `${name} and CERT_ROLE=listener are set; the certificate of a listener has no upstream: leave ${name} out, and name the listener in BROKER_URL`,
    ]);
  });
});

describe('settings that depend on each other', () => {
  it('UPSTREAM_ADDR is required while the probe is on', async () => {
    expect(await problems({})).toEqual([
      'UPSTREAM_ADDR is not set; name the broker to probe as host:port, or set ENABLE_TLS_PROBE=false',
    ]);
  });

  it('UPSTREAM_ADDR is not required while the probe is off', async () => {
    expect((await loaded({ UPSTREAM_ADDR: undefined, ENABLE_TLS_PROBE: 'false' })).upstream).toBeUndefined();
  });

  it('UPSTREAM_ADDR has to be usable also while the probe is off', async () => {
    expect(await problems({ ENABLE_TLS_PROBE: 'false', UPSTREAM_ADDR: ':' })).toEqual([
      expect.stringMatching(/^UPSTREAM_ADDR=":" is not host:port/),
    ]);
  });

  it('TLS_SNI wins over the host of UPSTREAM_ADDR, also for an address', async () => {
    expect((await loaded({ UPSTREAM_ADDR: '192.0.2.1', TLS_SNI: 'broker' })).tlsSni).toBe('broker');
  });

  it('takes sighup where each broker has an address at which it is proved', async () => {
    const two = { MOSQUITTO_CONTAINER: 'a,b', BROKER_URL: 'mqtt://a,mqtt://b', RELOAD_STRATEGY: 'sighup' };
    expect((await loaded(two)).reloadStrategy).toBe('sighup');
  });

  it.each([
    [
      { MOSQUITTO_CONTAINER: 'a', MOSQUITTO_SERVICE: 'b' },
      'MOSQUITTO_CONTAINER and MOSQUITTO_SERVICE are set; only one of them can say which brokers to restart',
    ],
    [
      { MOSQUITTO_SERVICE: 'a', MOSQUITTO_UNIT: 'b' },
      'MOSQUITTO_SERVICE and MOSQUITTO_UNIT are set; only one of them can say which brokers to restart',
    ],
    [
      { STATUS_TOPIC: 'cert-watcher/edge-1' },
      'STATUS_TOPIC needs BROKER_URL: the broker at which the state is published',
    ],
    [
      { BROKER_URL: 'mqtt://a', HOMEASSISTANT_PREFIX: 'homeassistant' },
      'HOMEASSISTANT_PREFIX needs STATUS_TOPIC: the state that Home Assistant shows',
    ],
    [
      { BROKER_URL: 'mqtt://a,mqtt://b' },
      'BROKER_URL has 2 addresses for 1 broker; give one for all, or one for each name in MOSQUITTO_CONTAINER',
    ],
    [
      { MOSQUITTO_CONTAINER: 'a,b,c', BROKER_URL: 'mqtt://a,mqtt://b' },
      'BROKER_URL has 2 addresses for 3 brokers; give one for all, or one for each name in MOSQUITTO_CONTAINER',
    ],
    [
      { RELOAD_STRATEGY: 'sighup' },
      'RELOAD_STRATEGY=sighup needs BROKER_URL, one for each broker: without it nothing proves that a signal was enough',
    ],
    [
      { MOSQUITTO_LABEL: 'a=b', BROKER_URL: 'mqtt://a', RELOAD_STRATEGY: 'sighup' },
      'RELOAD_STRATEGY=sighup needs MOSQUITTO_CONTAINER or MOSQUITTO_UNIT: each broker is asked by itself',
    ],
    [
      { DOCKER_TLS_VERIFY: '1' },
      'DOCKER_TLS_VERIFY is set, and the engine is the unix socket /var/run/docker.sock, where there is no TLS; set DOCKER_HOST=tcp://host:2376, or unset DOCKER_TLS_VERIFY',
    ],
    [
      { DOCKER_TLS_VERIFY: '1', DOCKER_HOST: 'unix:///run/podman.sock', DOCKER_CERT_PATH: '/etc/engine' },
      'DOCKER_TLS_VERIFY is set, and the engine is the unix socket /run/podman.sock, where there is no TLS; set DOCKER_HOST=tcp://host:2376, or unset DOCKER_TLS_VERIFY',
    ],
    [
      { DOCKER_CERT_PATH: '/etc/engine', DOCKER_HOST: 'tcp://engine:2376' },
      'DOCKER_CERT_PATH is set without DOCKER_TLS_VERIFY, so that nothing would be verified; set DOCKER_TLS_VERIFY=1 too, or none of them',
    ],
    [
      { DOCKER_TLS_VERIFY: '1', DOCKER_HOST: 'tcp://engine:2376' },
      'DOCKER_CERT_PATH is not set, and there is no HOME; name the directory with ca.pem, cert.pem and key.pem',
    ],
    [
      { DOCKER_TLS_VERIFY: '1', DOCKER_HOST: 'ssh://engine' },
      'DOCKER_HOST="ssh://engine" is not unix:///path/to/socket or tcp://host:port',
    ],
    [
      { METRICS_TLS_CERT_FILE: '/tls/server.crt' },
      'METRICS_TLS_CERT_FILE is set without METRICS_TLS_KEY_FILE; name the key of the certificate too',
    ],
    [
      { METRICS_TLS_KEY_FILE: '/tls/server.key' },
      'METRICS_TLS_KEY_FILE is set without METRICS_TLS_CERT_FILE; name the certificate of the key too',
    ],
    [
      { METRICS_CLIENT_CA_FILE: '/tls/ca.crt', METRICS_AUTH_FILE: '/run/secrets/users' },
      'METRICS_CLIENT_CA_FILE is set without METRICS_TLS_CERT_FILE, and without TLS there are no client certificates; set METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE too',
    ],
  ])('are refused where they contradict each other: %j', async (environment, problem) => {
    expect(await problems({ ...UPSTREAM, ...environment })).toEqual([problem]);
  });

  it('DOCKER_CERT_PATH is .docker in HOME, as for the docker CLI', async () => {
    const { engine } = await loaded({
      DOCKER_HOST: 'tcp://engine:2376',
      DOCKER_TLS_VERIFY: '1',
      HOME: '/home/edge',
    });
    expect(engine).toEqual(engineWith('/home/edge/.docker'));
  });

  it('a window for restarts is in its time zone, and a problem with either is told', async () => {
    const window = { RESTART_WINDOW: 'Sun 02:00-04:00', RESTART_WINDOW_TZ: 'Europe/Berlin' };
    expect((await loaded(window)).restartWindow).toMatchObject({ timeZone: 'Europe/Berlin' });
    expect(await problems({ ...UPSTREAM, RESTART_WINDOW: 'Sun 02:00', RESTART_WINDOW_TZ: '+02:00' })).toEqual(
      [
        'RESTART_WINDOW="Sun 02:00" is not windows such as Mon-Fri 02:00-04:00, Sat,Sun 00:00-06:00: "02:00" is not a time span such as 02:00-04:00',
        'RESTART_WINDOW_TZ="+02:00" is not the IANA name of a time zone, such as Europe/Berlin',
      ],
    );
  });

  it('DOCKER_HOST wins over DOCKER_SOCK', async () => {
    const { engine } = await loaded({ DOCKER_HOST: 'unix:///a.sock', DOCKER_SOCK: '/b.sock' });
    expect(engine).toEqual({ kind: 'unix', path: '/a.sock' });
  });
});

/** A value of each setting that nobody can use, but for DOCKER_TLS_VERIFY, which any value sets. Names of files may be anything that a file system takes. */
const INVALID: Readonly<Record<string, string>> = {
  MOSQUITTO_CONF: 'a\0',
  MOSQUITTO_CONF_MAP: '/certs',
  CERT_DIR: 'a\0',
  INCOMING_DIR: 'a\0',
  CERT_ROLE: 'server',
  CA_CERT_FILE: 'a\0',
  CLIENT_CERT_FILE: 'a\0',
  CLIENT_KEY_FILE: 'a\0',
  MOSQUITTO_CONTAINER: 'my broker',
  MOSQUITTO_LABEL: 'a key=value',
  MOSQUITTO_SERVICE: 'my service',
  MOSQUITTO_UNIT: 'mosquitto.socket',
  UPSTREAM_ADDR: 'broker:mqtts',
  TLS_SNI: 'a b',
  TLS_ALPN: 'mqtt,http/1.1',
  TLS_TIMEOUT: '0',
  TLS_PROBE_MODE: 'tcp',
  TLS_PROBE_INTERVAL: '-1s',
  TLS_PROBE_GATE: 'all',
  CHECK_INTERVAL: '0',
  STABILITY_WINDOW: '10',
  RESTART_COOLDOWN: '5 min',
  RESTART_SPLAY: '-1h',
  RESTART_WINDOW: 'Sun 02:00-02:00',
  RESTART_WINDOW_TZ: 'Europe/Berlln',
  EXPIRY_WARN_DAYS: '-1',
  DOCKER_SOCK: 'a\0',
  DOCKER_HOST: 'ssh://host',
  DOCKER_CERT_PATH: 'a\0',
  RESTART_STOP_TIMEOUT: 'soon',
  RESTART_VERIFY_TIMEOUT: '9ms',
  RELOAD_STRATEGY: 'reload',
  BROKER_URL: 'amqp://broker',
  BROKER_USER: 'mosquitto',
  BROKER_CREDENTIALS_FILE: 'a\0',
  BROKER_CA_FILE: 'a\0',
  BRIDGE_NAME: 'a/b',
  STATUS_TOPIC: 'cert-watcher/+',
  HOMEASSISTANT_PREFIX: '/homeassistant',
  ENABLE_TLS_PROBE: 'yes',
  ENABLE_RESTART: 'on',
  ENABLE_METRICS: 'TrUe',
  METRICS_PORT: '0',
  METRICS_HOST: 'a b',
  METRICS_TLS_CERT_FILE: 'a\0',
  METRICS_TLS_KEY_FILE: 'a\0',
  METRICS_CLIENT_CA_FILE: 'a\0',
  METRICS_AUTH_FILE: 'a\0',
  STATE_FILE: 'a\0',
  NOTIFY_URL: 'example.com/hook',
  NOTIFY_URL_FILE: 'https://example.com/hook',
  NOTIFY_FORMAT: 'xml',
  NOTIFY_LEVEL: 'ok',
  NOTIFY_CA_FILE: 'a\0b',
  HEARTBEAT_URL: 'example.com/ping',
  HEARTBEAT_URL_FILE: 'https://example.com/ping',
  HEARTBEAT_INTERVAL: '0',
  LOG_LEVEL: 'INFO',
};

describe('a value that is not usable', () => {
  it.each(Object.entries(INVALID))('is a problem, never a silent default: %s=%j', async (name, value) => {
    const row = Object.values(TABLE).find((each) => each.name === name);
    const why = row?.parser.explain?.(value);
    expect(await problems({ ...UPSTREAM, [name]: value })).toEqual([
      `${name}${row?.parser.isSecret ? '' : `=${JSON.stringify(value)}`} is not ${row?.parser.accepts}${why === undefined ? '' : `: ${why}`}`,
    ]);
  });

  it.each([
    ['mqtt://watcher:s3cret@broker', 'mqtt://…@broker'],
    ['mqtt://watcher:s3:c/r@et@broker', 'mqtt://…'],
    ['mqtt://left,mqtts://watcher:s3cret@right', 'mqtt://left,mqtts://…@right'],
    ['mqtt://watcher:s3c,ret@broker', 'mqtt://…@broker'],
    ['watcher:s3cret@broker', '…@broker'],
  ])('is shown without the password that somebody has put into it: %s', async (text, shown) => {
    const [inEnvironment] = await problems({ ...UPSTREAM, BROKER_URL: text });
    const [inFile] = await problems(UPSTREAM, JSON.stringify({ broker_url: text }));
    expect(inEnvironment).toContain(`BROKER_URL="${shown}" is not mqtt://host:port`);
    expect(inFile).toBe(inEnvironment);
  });

  it.each([
    ['NOTIFY_URL', 'hooks.example.com/services/s3cret'],
    ['NOTIFY_URL', 'ftp://hooks.example.com/s3cret'],
    ['NOTIFY_URL', 's3cret'],
    ['NOTIFY_URL', 'https:///s3cret'],
    ['NOTIFY_URL', 'https://hooks.example.com/services/s3cret and more'],
    ['NOTIFY_URL_FILE', 'https://hooks.example.com/services/s3cret'],
    ['HEARTBEAT_URL', 'hc.example.com/s3cret'],
    ['HEARTBEAT_URL_FILE', 'https://hc.example.com/s3cret'],
  ])('is a secret of which nothing is shown: %s=%s', async (name, text) => {
    for (const found of [
      await problems({ ...UPSTREAM, [name]: text }),
      await problems(UPSTREAM, JSON.stringify({ [name.toLowerCase()]: text })),
    ]) {
      expect(found).toEqual([expect.stringMatching(new RegExp(`^${name} is not (?!.*s3cret)`))]);
    }
  });

  it.each(['NOTIFY_URL', 'HEARTBEAT_URL'])(
    'is one address too many, of which nothing is shown: %s',
    async (name) => {
      const both = { [name]: 'https://example.com/s3cret', [`${name}_FILE`]: '/run/secrets/s3cret' };
      expect(await problems({ ...UPSTREAM, ...both })).toEqual([
        `${name} and ${name}_FILE are set; only one of them can say where to send`,
      ]);
    },
  );

  const ADDRESSES = Object.values(TABLE)
    .filter(({ parser }) => parser.isAddress)
    .map(({ name }) => name);
  const WITH_SECRETS = [
    'user:s3cret@host',
    'mqtts://user:s3cret@host:8883',
    'tcp://user:s3cret@host:2375',
    'ssh://user:s3cret@host',
    'mqtts://host:8883/s3cret',
    'mqtts://host:8883?password=s3cret',
    'mqtts://host?password=s3cret',
    'host?s3cret',
    'tcp://host#s3cret',
    'host/s3cret:8883',
    'user:s3cret:host',
    'user@s3cret@host',
  ];

  it('is an address in five settings', () => {
    expect(ADDRESSES).toEqual(['UPSTREAM_ADDR', 'TLS_SNI', 'DOCKER_HOST', 'BROKER_URL', 'METRICS_HOST']);
  });

  it.each(Object.values(TABLE).flatMap(({ name }) => WITH_SECRETS.map((text) => [name, text])))(
    'never shows a secret that somebody has put into it, from wherever it comes: %s=%s',
    async (name, text) => {
      // a path, a name or a label may be such a text
      const isAddress = ADDRESSES.includes(name);
      for (const [environment, file] of [
        [{ ...UPSTREAM, [name]: text }, undefined],
        [name === 'UPSTREAM_ADDR' ? {} : UPSTREAM, JSON.stringify({ [name.toLowerCase()]: text })],
      ] as const) {
        const found = await problems(environment, file);
        if (isAddress)
          expect(found).toEqual([expect.stringMatching(new RegExp(`^${name}="[^"]*…[^"]*" is not`))]);
        if (isAddress || text.includes('@') || text.includes('://'))
          expect(found.join('\n')).not.toContain('s3cret');
      }
    },
  );

  it.each([
    '{"broker_url": "mqtts://user:s3cret@host" "log_level": 1}',
    '{"broker_url": s3cret}',
    '{"broker_url": "s3cret}',
    '{"broker_url": "mqtts://user:s3cret@host",}',
    's3cret',
    '"s3cret" s3cret',
    '{"mqtts://user:s3cret@host": 1}',
    '{"broker_url": ["mqtts://user:s3cret@host"]}',
    '{"broker_url": {"user": "s3cret"}}',
    '{"broker_url": null, "upstream_addr": "user:s3cret@host"}',
  ])('shows nothing of a file that cannot be understood: %s', async (text) => {
    const found = await problems(UPSTREAM, text);
    expect(found.join('\n')).toMatch(/^(?!.*s3cret)--config config\.json: |^BROKER_URL=/);
  });

  it('is a problem in the file too', async () => {
    expect(await problems(UPSTREAM, '{"check_interval": "often"}')).toEqual([
      expect.stringMatching(/^CHECK_INTERVAL="often" is not a duration such as /),
    ]);
  });

  it.each(['5', 5])('is a duration without a unit, also as a number in the file: %j', async (value) => {
    expect(await problems(UPSTREAM, JSON.stringify({ check_interval: value }))).toEqual([
      expect.stringMatching(/^CHECK_INTERVAL="5" is not a duration/),
    ]);
  });

  it('is reported with all others at once', async () => {
    const named = (await problems(INVALID)).map((line) => line.split(/=| is /)[0]);
    const others = contract.map(([name]) => name).filter((name) => name !== 'DOCKER_TLS_VERIFY');
    expect(named.toSorted()).toEqual(others.toSorted());
  });

  it('is reported along with what is wrong with the file', async () => {
    const found = await problems({ LOG_LEVEL: 'loud' }, '{"cert_dri": "/x", "metrics_port": []}');
    expect(found).toEqual([
      '--config config.json: unknown key "cert_dri"; did you mean cert_dir?',
      '--config config.json: metrics_port must be a string, a number or true or false',
      expect.stringMatching(/^UPSTREAM_ADDR is not set/),
      'LOG_LEVEL="loud" is not one of debug, info, warn, error',
    ]);
  });

  it('takes one line, whatever stands in it', async () => {
    const found = await problems({ ...UPSTREAM, LOG_LEVEL: 'a\nb' });
    expect(found).toEqual([expect.stringMatching(/^.*$/)]);
  });
});

describe('the configuration file', () => {
  it('may begin with a byte order mark', async () => {
    expect(await problems(UPSTREAM, '\uFEFF{"log_level": "warn"}')).toEqual(['no problem']);
  });

  it.each([
    ['a key in capitals', '{"CERT_DIR": "/x"}', 'unknown key "CERT_DIR"; did you mean cert_dir?'],
    ['a key that means nothing', '{"listener": "/x"}', 'unknown key "listener"'],
    ['a key that every object has', '{"__proto__": "/x", "cert_dir": "/y"}', 'unknown key "__proto__"'],
    ['null as a value', '{"cert_dir": null}', 'cert_dir must be a string, a number or true or false'],
    ['a list as a value', '{"cert_dir": ["/x"]}', 'cert_dir must be a string, a number or true or false'],
    ['an object as a value', '{"cert_dir": {}}', 'cert_dir must be a string, a number or true or false'],
    ['a list', '[]', 'must be one JSON object'],
    ['null', 'null', 'must be one JSON object'],
    ['a text', '"CERT_DIR=/x"', 'must be one JSON object'],
  ])('is refused with %s', async (_, text, problem) => {
    expect(await problems(UPSTREAM, text)).toEqual([`--config config.json: ${problem}`]);
  });

  it.each(['cert_dir: /x\n', '{"cert_dir": "/x",}', '{', 'CERT_DIR=/x\n\n'])(
    'is refused if it is not JSON: %j',
    async (text) => {
      expect(await problems(UPSTREAM, text)).toEqual([
        expect.stringMatching(/^--config config\.json: is not JSON: .+$/),
      ]);
    },
  );

  it.each<[string, (path: string) => Promise<unknown>, string]>([
    ['missing', async () => undefined, 'does not exist'],
    ['empty', (path) => writeFile(path, ''), 'is empty'],
    ['a directory', (path) => mkdir(path), 'is a directory, not a file'],
    ['a FIFO', makeFifo, 'is a FIFO, not a regular file'],
  ])('is a problem if it is %s', async (_, make, problem) => {
    const path = join(await temporaryDirectory(), 'config.json');
    await make(path);
    expect(await loadSettings(UPSTREAM, path)).toEqual({
      ok: false,
      problems: [`--config ${path}: ${problem}`],
    });
  });
});
