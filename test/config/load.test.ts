import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Environment, type Loaded, loadSettings } from '../../src/config/load.ts';
import { shareOf } from '../../src/config/splay.ts';
import { shownDefault, TABLE } from '../../src/config/table.ts';
import type { Settings } from '../../src/core/settings.ts';
import { settings } from '../support/core-fixtures.ts';
import { makeFifo, temporaryDirectory } from '../support/directory.ts';

/** The settings as the contract has them: name and default. */
const CONTRACT = `
| CERT_DIR | /certs |
| CA_CERT_FILE | ca.crt |
| CLIENT_CERT_FILE | client.crt |
| CLIENT_KEY_FILE | client.key |
| MOSQUITTO_CONTAINER | eclipse-mosquitto |
| MOSQUITTO_LABEL | unset |
| MOSQUITTO_SERVICE | unset |
| UPSTREAM_ADDR | none; required while the probe is on |
| TLS_SNI | host of UPSTREAM_ADDR; none for an IP address |
| TLS_TIMEOUT | 5s |
| TLS_PROBE_MODE | handshake |
| TLS_PROBE_INTERVAL | 60s |
| TLS_PROBE_GATE | rejected |
| CHECK_INTERVAL | 5s |
| STABILITY_WINDOW | 10s |
| RESTART_COOLDOWN | 300s |
| RESTART_SPLAY | 0 |
| EXPIRY_WARN_DAYS | 14 |
| DOCKER_SOCK | /var/run/docker.sock |
| DOCKER_HOST | unset |
| RESTART_STOP_TIMEOUT | the container's own |
| RESTART_VERIFY_TIMEOUT | 30s |
| RELOAD_STRATEGY | restart |
| BROKER_URL | unset (bridges are not looked at) |
| BROKER_CREDENTIALS_FILE | unset |
| BROKER_CA_FILE | CA_CERT_FILE |
| BRIDGE_NAME | every bridge |
| ENABLE_TLS_PROBE | true |
| ENABLE_RESTART | true |
| ENABLE_METRICS | false |
| METRICS_PORT | 9090 |
| METRICS_HOST | all addresses |
| STATE_FILE | unset (memory) |
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

/** A value of each setting that is not its default, and what comes of it. */
const VALID: readonly (readonly [string, string, Partial<Settings>])[] = [
  ['CERT_DIR', '/etc/mosquitto/certs', { certDir: '/etc/mosquitto/certs' }],
  ['CA_CERT_FILE', 'root.pem', { caCertFile: 'root.pem' }],
  ['CLIENT_CERT_FILE', 'edge.pem', { clientCertFile: 'edge.pem' }],
  ['CLIENT_KEY_FILE', 'edge.key', { clientKeyFile: 'edge.key' }],
  ['MOSQUITTO_CONTAINER', '/broker_1', { container: 'broker_1' }],
  [
    'MOSQUITTO_CONTAINER',
    'left, /right',
    { container: 'left, right', target: { kind: 'containers', names: ['left', 'right'] } },
  ],
  [
    'MOSQUITTO_LABEL',
    'role=edge broker',
    { container: 'containers with role=edge broker', target: { kind: 'label', label: 'role=edge broker' } },
  ],
  [
    'MOSQUITTO_LABEL',
    'broker',
    { container: 'containers with broker', target: { kind: 'label', label: 'broker' } },
  ],
  [
    'MOSQUITTO_SERVICE',
    'edge_broker',
    { container: 'edge_broker', target: { kind: 'service', name: 'edge_broker' } },
  ],
  ['UPSTREAM_ADDR', 'other', { upstream: { host: 'other', port: 8883 }, tlsSni: 'other' }],
  ['UPSTREAM_ADDR', '192.0.2.1:1', { upstream: { host: '192.0.2.1', port: 1 }, tlsSni: undefined }],
  ['UPSTREAM_ADDR', '[2001:db8::1]:1', { upstream: { host: '2001:db8::1', port: 1 }, tlsSni: undefined }],
  ['UPSTREAM_ADDR', '[2001:db8::1]', { upstream: { host: '2001:db8::1', port: 8883 }, tlsSni: undefined }],
  ['TLS_SNI', 'sni.example.com', { tlsSni: 'sni.example.com' }],
  ['TLS_TIMEOUT', '1.5s', { tlsTimeoutMs: 1_500 }],
  ['TLS_PROBE_MODE', 'mqtt', { probeMode: 'mqtt' }],
  ['TLS_PROBE_INTERVAL', '0', { probeIntervalMs: 0 }],
  ['TLS_PROBE_GATE', 'any', { probeGate: 'any' }],
  ['TLS_PROBE_GATE', 'off', { probeGate: 'off' }],
  ['CHECK_INTERVAL', '10ms', { checkIntervalMs: 10 }],
  ['STABILITY_WINDOW', '0', { stabilityWindowMs: 0 }],
  ['RESTART_COOLDOWN', '1h', { cooldownMs: 3_600_000 }],
  ['RESTART_SPLAY', '1h', { splayMs: Math.round(3_600_000 * shareOf(hostname())) }],
  ['EXPIRY_WARN_DAYS', '0', { expiryWarnDays: 0 }],
  ['DOCKER_SOCK', '/run/podman.sock', { engine: { kind: 'unix', path: '/run/podman.sock' } }],
  ['DOCKER_HOST', 'tcp://proxy:2375', { engine: { kind: 'tcp', host: 'proxy', port: 2375 } }],
  ['RESTART_STOP_TIMEOUT', '0', { stopTimeoutMs: 0 }],
  ['RESTART_VERIFY_TIMEOUT', '1m', { verifyTimeoutMs: 60_000 }],
  ['RELOAD_STRATEGY', 'restart', { reloadStrategy: 'restart' }],
  ['BROKER_URL', 'mqtt://broker', { brokerUrls: [{ tls: false, host: 'broker', port: 1883 }] }],
  ['BROKER_URL', 'mqtts://[::1]:1', { brokerUrls: [{ tls: true, host: '::1', port: 1 }] }],
  ['BROKER_CREDENTIALS_FILE', '/run/secrets/mqtt', { brokerCredentialsFile: '/run/secrets/mqtt' }],
  ['BROKER_CA_FILE', '/etc/ca.crt', { brokerCaFile: '/etc/ca.crt' }],
  ['BRIDGE_NAME', 'edge.cloud', { bridgeName: 'edge.cloud' }],
  ['ENABLE_TLS_PROBE', 'F', { probeEnabled: false }],
  ['ENABLE_RESTART', '0', { restartEnabled: false }],
  ['ENABLE_METRICS', 'T', { metricsEnabled: true }],
  ['METRICS_PORT', '1', { metricsPort: 1 }],
  ['METRICS_HOST', '::', { metricsHost: '::' }],
  ['STATE_FILE', '/data/state.json', { stateFile: '/data/state.json' }],
  ['LOG_LEVEL', 'debug', { logLevel: 'debug' }],
];

describe('a setting that is given', () => {
  it.each(VALID)('is taken from the environment: %s=%s', async (name, value, change) => {
    expect(await loaded({ [name]: value })).toEqual(settings(change));
  });

  it.each(VALID)('is taken from the file: %s=%s', async (name, value, change) => {
    const environment = name === 'UPSTREAM_ADDR' ? { UPSTREAM_ADDR: undefined } : {};
    expect(await loaded(environment, { [name.toLowerCase()]: value })).toEqual(settings(change));
  });

  it.each(VALID)(
    'is taken from the environment rather than from the file: %s=%s',
    async (name, value, change) => {
      expect(await loaded({ [name]: value }, { [name.toLowerCase()]: 'not / a : usable value' })).toEqual(
        settings(change),
      );
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
      'RELOAD_STRATEGY=sighup needs MOSQUITTO_CONTAINER: each broker is asked by itself',
    ],
  ])('are refused where they contradict each other: %j', async (environment, problem) => {
    expect(await problems({ ...UPSTREAM, ...environment })).toEqual([problem]);
  });

  it('DOCKER_HOST wins over DOCKER_SOCK', async () => {
    const { engine } = await loaded({ DOCKER_HOST: 'unix:///a.sock', DOCKER_SOCK: '/b.sock' });
    expect(engine).toEqual({ kind: 'unix', path: '/a.sock' });
  });
});

/** A value of each setting that nobody can use. Names of files may be anything that a file system takes. */
const INVALID: Readonly<Record<string, string>> = {
  CERT_DIR: 'a\0',
  CA_CERT_FILE: 'a\0',
  CLIENT_CERT_FILE: 'a\0',
  CLIENT_KEY_FILE: 'a\0',
  MOSQUITTO_CONTAINER: 'my broker',
  MOSQUITTO_LABEL: 'a key=value',
  MOSQUITTO_SERVICE: 'my service',
  UPSTREAM_ADDR: 'broker:mqtts',
  TLS_SNI: 'a b',
  TLS_TIMEOUT: '0',
  TLS_PROBE_MODE: 'tcp',
  TLS_PROBE_INTERVAL: '-1s',
  TLS_PROBE_GATE: 'all',
  CHECK_INTERVAL: '0',
  STABILITY_WINDOW: '10',
  RESTART_COOLDOWN: '5 min',
  RESTART_SPLAY: '-1h',
  EXPIRY_WARN_DAYS: '-1',
  DOCKER_SOCK: 'a\0',
  DOCKER_HOST: 'ssh://host',
  RESTART_STOP_TIMEOUT: 'soon',
  RESTART_VERIFY_TIMEOUT: '9ms',
  RELOAD_STRATEGY: 'reload',
  BROKER_URL: 'amqp://broker',
  BROKER_CREDENTIALS_FILE: 'a\0',
  BROKER_CA_FILE: 'a\0',
  BRIDGE_NAME: 'a/b',
  ENABLE_TLS_PROBE: 'yes',
  ENABLE_RESTART: 'on',
  ENABLE_METRICS: 'TrUe',
  METRICS_PORT: '0',
  METRICS_HOST: 'a b',
  STATE_FILE: 'a\0',
  LOG_LEVEL: 'INFO',
};

describe('a value that is not usable', () => {
  it.each(Object.entries(INVALID))('is a problem, never a silent default: %s=%j', async (name, value) => {
    const row = Object.values(TABLE).find((each) => each.name === name);
    expect(await problems({ ...UPSTREAM, [name]: value })).toEqual([
      `${name}=${JSON.stringify(value)} is not ${row?.parser.accepts}`,
    ]);
  });

  it.each([
    ['mqtt://watcher:s3cret@broker', 'mqtt://…@broker'],
    ['mqtt://watcher:s3:c/r@et@broker', 'mqtt://…@broker'],
    ['mqtt://left,mqtts://watcher:s3cret@right', 'mqtt://left,mqtts://…@right'],
    ['mqtt://watcher:s3c,ret@broker', 'mqtt://…@broker'],
    ['watcher:s3cret@broker', '…@broker'],
  ])('is shown without the password that somebody has put into it: %s', async (text, shown) => {
    const [inEnvironment] = await problems({ ...UPSTREAM, BROKER_URL: text });
    const [inFile] = await problems(UPSTREAM, JSON.stringify({ broker_url: text }));
    expect(inEnvironment).toContain(`BROKER_URL="${shown}" is not mqtt://host:port`);
    expect(inFile).toBe(inEnvironment);
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
    const named = (await problems(INVALID)).map((line) => line.split('=')[0]);
    expect(named.toSorted()).toEqual(contract.map(([name]) => name).toSorted());
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
