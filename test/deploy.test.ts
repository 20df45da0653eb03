/** What is shipped for deployments says only what the program understands, and nothing that contradicts itself. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { socketPolicy } from '../src/cli/socket-policy.ts';
import { loadSettings } from '../src/config/load.ts';
import { TABLE } from '../src/config/table.ts';
import { at, list, type Node, parseCompose, text, texts } from './support/compose-file.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIRECT = 'docker-compose.yml';
const STACK = 'deploy/docker-stack.yml';
const PROXIED = 'deploy/docker-compose.socket-proxy.yml';
const COMPOSE_FILES = [DIRECT, PROXIED] as const;
const UNIT = 'deploy/mosquitto-cert-watcher.service';

/** For the C library, not for us. */
const FOREIGN = ['MALLOC_ARENA_MAX'];

const SETTINGS = Object.values(TABLE).map(({ name }) => name);

function read(file: string): string {
  return readFileSync(`${ROOT}/${file}`, 'utf8');
}

function watcherIn(file: string): Node {
  return at(parseCompose(read(file)), 'services', 'mosquitto-cert-watcher');
}

function environmentOfUnit(): Readonly<Record<string, string>> {
  const lines = read(UNIT).matchAll(/^Environment=([A-Z_]+)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

const ENVIRONMENTS = [
  ...[...COMPOSE_FILES, STACK].map((file) => ({
    file,
    environment: texts(at(watcherIn(file), 'environment')),
  })),
  { file: UNIT, environment: environmentOfUnit() },
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

  acceptedByCompose(file);
});

describe('the stack', () => {
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
  test('runs the program as no existing user, and without capabilities', () => {
    expect(read(UNIT)).toMatch(/^DynamicUser=yes$/m);
    expect(read(UNIT)).toMatch(/^CapabilityBoundingSet=$/m);
  });

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
