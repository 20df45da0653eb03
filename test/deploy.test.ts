/** What is shipped for deployments says only what the program understands, and nothing that contradicts itself. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { socketPolicy } from '../src/cli/socket-policy.ts';
import { loadSettings } from '../src/config/load.ts';
import { TABLE } from '../src/config/table.ts';
import { at, isMapping, list, type Node, parseCompose, text, texts } from './support/compose-file.ts';
import { twoPhases } from './support/unit-remarks.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIRECT = 'docker-compose.yml';
const STACK = 'deploy/docker-stack.yml';
const PROXIED = 'deploy/docker-compose.socket-proxy.yml';
const COMPOSE_FILES = [DIRECT, PROXIED] as const;
const TWO_PHASES = 'deploy/docker-compose.two-phases.yml';
const UNIT = 'deploy/mosquitto-cert-watcher.service';
const UNIT_SETTINGS = 'deploy/debian/default';

/** For the C library, not for us. */
const FOREIGN = ['MALLOC_ARENA_MAX'];

const SETTINGS = Object.values(TABLE).map(({ name }) => name);

function read(file: string): string {
  return readFileSync(`${ROOT}/${file}`, 'utf8');
}

function watcherIn(file: string): Node {
  return at(parseCompose(read(file)), 'services', 'mosquitto-cert-watcher');
}

/** What the unit sets itself, and the settings that it reads. */
function environmentOfUnit(): Readonly<Record<string, string>> {
  const lines = [
    ...read(UNIT).matchAll(/^Environment=([A-Z_]+)=(.*)$/gm),
    ...read(UNIT_SETTINGS).matchAll(/^([A-Z_]+)=(.*)$/gm),
  ];
  return Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]));
}

const ENVIRONMENTS = [
  ...[...COMPOSE_FILES, TWO_PHASES, STACK].map((file) => ({
    file,
    environment: texts(at(watcherIn(file), 'environment')),
  })),
  // as installed it does not run before this is set
  { file: UNIT, environment: { ...environmentOfUnit(), UPSTREAM_ADDR: 'broker.example.com' } },
];

describe.each(ENVIRONMENTS)('the environment in $file', ({ environment }) => {
  test('names only settings that exist', () => {
    const unknown = Object.keys(environment).filter((name) => ![...SETTINGS, ...FOREIGN].includes(name));
    expect(unknown).toEqual([]);
  });

  test('is accepted by the program as it stands', async () => {
    expect(await loadSettings(environment, undefined)).toMatchObject({ ok: true });
  });
});

describe.each(COMPOSE_FILES)('%s', (file) => {
  test('names the image of this version', () => {
    expect(text(at(watcherIn(file), 'image'))).toBe(`mosquitto-cert-watcher:${manifest.version}`);
  });

  test('gives the watcher no rights that it does not need', () => {
    const watcher = watcherIn(file);
    expect(text(at(watcher, 'user'))).toMatch(/^1000:/);
    expect(text(at(watcher, 'read_only'))).toBe('true');
    expect(list(at(watcher, 'cap_drop'))).toEqual(['ALL']);
    expect(list(at(watcher, 'security_opt'))).toEqual(['no-new-privileges:true']);
  });

  test('restarts the container that it starts', () => {
    const name = text(at(parseCompose(read(file)), 'services', 'mosquitto', 'container_name'));
    expect(texts(at(watcherIn(file), 'environment'))).toMatchObject({ MOSQUITTO_CONTAINER: name });
  });

  test('shows the broker and the watcher the same certificates, as a directory', () => {
    const mounts = list(at(watcherIn(file), 'volumes'));
    const brokers = list(at(parseCompose(read(file)), 'services', 'mosquitto', 'volumes'));
    const certs = brokers.filter((mount) => mount.includes(':/certs:'));
    expect(mounts).toEqual(expect.arrayContaining(certs));
    expect([...mounts, ...brokers].filter((mount) => /\.(crt|key|conf|pem|cfg)(:|$)/.test(mount))).toEqual(
      [],
    );
  });

  test('tells the watcher where the broker says whether its bridge is up', () => {
    expect(texts(at(watcherIn(file), 'environment'))).toMatchObject({ BROKER_URL: 'mqtt://mosquitto:1883' });
  });

  test('shows the page of the watcher to this machine only', () => {
    expect(list(at(watcherIn(file), 'ports'))).toEqual(['127.0.0.1:9090:9090']);
  });

  limitedAndHealthy(file);
  acceptedByCompose(file);
});

describe('the configuration of the broker', () => {
  test('reports its bridge, and only to its own clients', () => {
    expect(read('deploy/mosquitto/mosquitto.conf')).toMatch(/^notifications_local_only true$/m);
    expect(read('deploy/mosquitto/mosquitto.conf')).not.toMatch(/^notifications /m);
  });

  test('lets nobody publish what the broker reports about itself', () => {
    expect(read('deploy/mosquitto/mosquitto.conf')).toMatch(/^acl_file \/mosquitto\/config\/acl$/m);
    const rules = read('deploy/mosquitto/acl').match(/^[^#\n].*$/gm);
    expect(rules).toEqual(['topic readwrite #', 'topic read $SYS/#']);
  });
});

describe('the stack', () => {
  limitedAndHealthy(STACK);
  test('updates the service of its own broker, by the name that the swarm gives it', () => {
    const { MOSQUITTO_SERVICE: service } = texts(at(watcherIn(STACK), 'environment'));
    expect(service).toBe('mqtt_mosquitto');
    expect(at(parseCompose(read(STACK)), 'services', 'mosquitto')).toBeDefined();
    expect(read(STACK)).toMatch(/^# {3}docker stack deploy -c deploy\/docker-stack\.yml mqtt$/m);
  });

  test('names the image of this version', () => {
    expect(text(at(watcherIn(STACK), 'image'))).toBe(`mosquitto-cert-watcher:${manifest.version}`);
  });

  test('watches on managers only, which alone can update a service', () => {
    expect(list(at(watcherIn(STACK), 'deploy', 'placement', 'constraints'))).toEqual([
      'node.role == manager',
    ]);
  });

  test('says what happens to an update that fails', () => {
    const update = at(parseCompose(read(STACK)), 'services', 'mosquitto', 'deploy', 'update_config');
    expect(texts(update)).toMatchObject({ failure_action: 'rollback', parallelism: '1' });
  });

  acceptedByCompose(STACK);
});

describe('the compose file in two phases', () => {
  const mountsOf = (name: string) => list(at(parseCompose(read(TWO_PHASES)), 'services', name, 'volumes'));

  test('tells the watcher what the direct one does, and where the agent writes', () => {
    const { INCOMING_DIR: incoming, ...others } = texts(at(watcherIn(TWO_PHASES), 'environment'));
    expect(others).toEqual(texts(at(watcherIn(DIRECT), 'environment')));
    expect(incoming).toBe('/incoming');
  });

  test('lets the watcher alone write to the live directory, and nobody to the incoming one', () => {
    expect(mountsOf('mosquitto')).toContain('/etc/mosquitto/live:/certs:ro');
    expect(mountsOf('mosquitto-cert-watcher')).toEqual(
      expect.arrayContaining(['/etc/mosquitto/certs:/incoming:ro', '/etc/mosquitto/live:/certs']),
    );
    expect(mountsOf('mosquitto').join()).not.toContain('incoming');
  });

  test('names the image of this version', () => {
    expect(text(at(watcherIn(TWO_PHASES), 'image'))).toBe(`mosquitto-cert-watcher:${manifest.version}`);
  });

  limitedAndHealthy(TWO_PHASES);
  acceptedByCompose(TWO_PHASES);
});

test('the two compose files differ in how the engine is reached, and in nothing else that the watcher is told', () => {
  const { DOCKER_HOST: host, ...proxied } = texts(at(watcherIn(PROXIED), 'environment'));
  expect(proxied).toEqual(texts(at(watcherIn(DIRECT), 'environment')));
  expect(host).toBe('tcp://docker-socket-proxy:2375');
});

test('behind the socket proxy the watcher has neither the socket nor its group', () => {
  const watcher = watcherIn(PROXIED);
  const socketGroup = text(at(watcherIn(DIRECT), 'user')).split(':')[1];
  expect(list(at(watcher, 'volumes')).join()).not.toContain('docker.sock');
  expect([text(at(watcher, 'user')).split(':')[1], ...list(at(watcher, 'group_add'))]).not.toContain(
    socketGroup,
  );
});

test('the socket proxy has the policy that the program writes for the settings behind it', async () => {
  const loaded = await loadSettings(texts(at(watcherIn(PROXIED), 'environment')), undefined);
  if (!loaded.ok) throw new Error(loaded.problems.join());
  let policy = '';
  socketPolicy(loaded.settings, { json: false }, (text) => {
    policy += text;
  });
  expect(read('deploy/socket-proxy/haproxy.cfg')).toBe(policy);
});

describe('the unit', () => {
  test('runs the program as a user of its own, and without capabilities', () => {
    const [, user] = /^User=(.*)$/m.exec(read(UNIT)) ?? [];
    expect(read('deploy/debian/sysusers.conf')).toMatch(new RegExp(`^u ${user} - `, 'm'));
    expect(read(UNIT)).toMatch(/^CapabilityBoundingSet=$/m);
  });

  test('does not run before UPSTREAM_ADDR is set', () => {
    expect(environmentOfUnit()).toMatchObject({ UPSTREAM_ADDR: '' });
    expect(read(UNIT)).toMatch(/^ExecCondition=.*UPSTREAM_ADDR/m);
  });

  test('is not ordered after the unit that it restarts: each would wait for the other when it is stopped', () => {
    expect(read(UNIT)).not.toMatch(/^After=.*mosquitto\.service/m);
  });

  test('is started again when it gives no sign of life, however it ends', () => {
    expect(read(UNIT)).toMatch(/^Type=notify$/m);
    expect(read(UNIT)).toMatch(/^NotifyAccess=all$/m);
    expect(read(UNIT)).toMatch(/^WatchdogSec=\d+s$/m);
    expect(read(UNIT)).toMatch(/^Restart=always$/m);
  });

  test('names in remarks only settings that exist', () => {
    const named = [read(UNIT), read(UNIT_SETTINGS)].flatMap((text) => [
      ...text.matchAll(/^#(?:Environment=)?([A-Z]+_[A-Z_]+)=/gm),
    ]);
    expect(named.map(([, name = '']) => name).filter((name) => !SETTINGS.includes(name as never))).toEqual(
      [],
    );
  });

  const { commands, settings, service } = twoPhases(read(UNIT_SETTINGS), read(UNIT));

  test('has an example with two directories that its settings accept', async () => {
    const example = Object.fromEntries(settings.map((line) => line.split('=')));
    expect(Object.keys(example).toSorted()).toEqual(['CERT_DIR', 'INCOMING_DIR']);
    const environment = { ...environmentOfUnit(), UPSTREAM_ADDR: 'broker.example.com', ...example };
    expect(await loadSettings(environment, undefined)).toMatchObject({ ok: true });
    expect(service).toEqual([`ReadWritePaths=${example['CERT_DIR']}`]);
  });

  test.each([...commands.trim().split('\n'), ...settings, ...service])(
    'has an example with two directories that the operating guide tells: %s',
    (line) => {
      expect(read('docs/operating.md')).toContain(line);
    },
  );

  const analyze = spawnSync('systemd-analyze', ['--version']).error === undefined;
  test.skipIf(!analyze)(
    `has the exposure that the operating guide tells${analyze ? '' : ' [skipped: no systemd-analyze here]'}`,
    () => {
      const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', `${ROOT}/${UNIT}`], {
        encoding: 'utf8',
      });
      // versions of systemd weigh a setting differently by a tenth or two
      expect(Math.abs(exposureIn(stdout) - exposureIn(read('docs/operating.md')))).toBeLessThan(0.5);
    },
  );
});

/** What is rated OK; NaN if there is no such line. */
function exposureIn(text: string): number {
  const line = /Overall exposure level for mosquitto-cert-watcher\.service: ([\d.]+) OK/;
  return Number(line.exec(text)?.[1]);
}

/** Logs that end, and a broker whose health is asked with what its image has. */
function limitedAndHealthy(file: string) {
  const services = at(parseCompose(read(file)), 'services');
  const names = isMapping(services) ? Object.keys(services) : [];

  test.each(names)('keeps the log of %s from growing', (name) => {
    const options = texts(at(services, name, 'logging', 'options'));
    expect(options).toEqual({ 'max-size': '5m', 'max-file': '3' });
  });

  test('asks the broker for its health with its own client', () => {
    const command = list(at(services, 'mosquitto', 'healthcheck', 'test'));
    expect(command.slice(0, 2)).toEqual(['CMD', 'mosquitto_sub']);
  });

  test('has no version, which Compose calls obsolete', () => {
    expect(read(file)).not.toMatch(/^version:/m);
  });
}

/** The plugin of today, or the program of old. */
function acceptedByCompose(file: string) {
  const compose = composeCommand();
  test.skipIf(compose === undefined)(
    `is accepted by docker compose${compose === undefined ? ' [skipped: no docker compose here]' : ''}`,
    () => {
      const [program = '', ...args] = compose ?? [];
      const { status, stderr } = spawnSync(program, [...args, '-f', `${ROOT}/${file}`, 'config'], {
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );
}

function composeCommand(): readonly string[] | undefined {
  return [['docker', 'compose'], ['docker-compose']].find(
    ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
  );
}
