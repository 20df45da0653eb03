/**
 * The image as it is shipped, with what the compose files say about it: on a real engine, beside a real Mosquitto
 * that bridges to a real upstream with mutual TLS.
 */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, chown, cp, lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { beforeAll, expect } from 'vitest';
import { createCertDirectory } from '../../lab/cert-directory.ts';
import type { LogLine } from '../../lab/daemon.ts';
import { executable } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import manifest from '../../package.json' with { type: 'json' };
import {
  createSite,
  HURRY,
  IMAGE,
  IMAGE_NEEDS,
  KEY_GID,
  makeImage,
  PROXIED,
  resolvConf,
  rotate,
  SOCKET_GID,
  SOURCE_URL,
  TWO_PHASES,
  textAt,
  UID,
} from '../support/image-site.ts';
import { startNameServer } from '../support/name-server.ts';
import { all, describeWith, engineSocketPath } from '../support/needs.ts';
import { REPOSITORY, thisTarget } from '../support/shipping.ts';
import { startSocketProxy } from '../support/socket-proxy.ts';
import { type Broker, nothingFollows, type Stage, test } from '../support/stage.ts';
import type { WatcherContainer } from '../support/watcher-container.ts';

describeWith(IMAGE_NEEDS, 'the image, with the settings of docker-compose.yml', () => {
  beforeAll(makeImage);

  test('brings one rotation to the broker by one restart, and the bridge logs in with the new certificate', async ({
    stage,
  }) => {
    const site = await createSite(stage);
    await site.bridged(site.first);
    const watcher = await site.start();
    await watcher.says('broker_already_current');
    const second = await rotate(stage);
    await watcher.says('restart_completed');
    await site.bridged(second);
    await nothingFollows();
    expect(site.broker.restarts()).toBe(1);
  });

  test('tells a rotation in its log and in its metrics, and nothing that is wrong', async ({ stage }) => {
    const site = await createSite(stage);
    const watcher = await site.start();
    await watcher.says('broker_already_current');
    await rotate(stage);
    await watcher.says('restart_completed');
    const metrics = await textAt(site.metricsPort, '/metrics');
    expect(metrics).toMatch(/^mosquitto_restarts_total 1$/m);
    expect(metrics).toMatch(/^tls_probe_success_total [1-9]/m);
    expect(metrics).toMatch(/^mosquitto_cert_watcher_last_restart_success 1$/m);
    const log = await watcher.log();
    expect(log.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['cert_parsed', 'tls_probe_success', 'mosquitto_restart_triggered']),
    );
    expect(log.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  test('in two phases takes the live directory over and promotes a set, with no right but that of a group', async ({
    stage,
  }) => {
    const site = await createSite(stage);
    await chown(stage.certs.path, UID, KEY_GID);
    await chmod(stage.certs.path, 0o2770);
    const incoming = await createCertDirectory(join(stage.directory, 'incoming'));
    for (const file of ['ca.crt', 'client.crt', 'client.key']) {
      await cp(join(stage.certs.path, file), join(incoming.path, file));
      await chown(join(incoming.path, file), 0, KEY_GID);
    }
    const watcher = await site.start({ mounts: { '/incoming': incoming.path } }, TWO_PHASES);
    await watcher.says('broker_already_current');
    const liveKey = join(stage.certs.path, 'client.key');
    await until('the take-over', async () => (await lstat(liveKey)).isSymbolicLink());
    expect(site.broker.restarts()).toBe(0);
    const second = await rotate({ certs: incoming });
    await watcher.says('set_promoted');
    await watcher.says('restart_completed');
    await site.bridged(second);
    await nothingFollows();
    expect(site.broker.restarts()).toBe(1);
    const { uid, gid, mode } = await stat(liveKey);
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: UID, gid: KEY_GID, mode: 0o640 });
    expect((await watcher.log()).filter(({ level }) => level !== 'info')).toEqual([]);
  });

  test('is found healthy by its own health check', async ({ stage }) => {
    const site = await createSite(stage);
    const watcher = await site.start();
    await until('the engine to find it healthy', async () => (await watcher.inspect()).health === 'healthy');
    expect(await textAt(site.metricsPort, '/healthz')).toMatch(/^ok/);
  });

  test('is seen as unhealthy when nobody answers for it', async ({ stage }) => {
    const site = await createSite(stage);
    // the health check asks the metrics port, and another program has it
    const settings = { METRICS_PORT: String(site.upstream.port) };
    const watcher = await site.start({ settings });
    await until(
      'the engine to find it unhealthy',
      async () => (await watcher.inspect()).health === 'unhealthy',
    );
    expect(await watcher.says('server_failed')).toMatchObject({ level: 'error' });
  });

  test('has one uid, the groups of socket and key, no capability, no way to more, and a root that is read-only', async ({
    stage,
  }) => {
    const watcher = await (await createSite(stage)).start();
    await watcher.says('started');
    expect(rightsOf(await watcher.pid())).toEqual({
      uids: [UID],
      gids: [SOCKET_GID],
      groups: expect.arrayContaining([KEY_GID]),
      capabilities: [0, 0, 0, 0, 0],
      noNewPrivileges: 1,
      rootIsReadOnly: true,
    });
  });

  test('with another group than that of the socket restarts nothing, and says why', async ({ stage }) => {
    const site = await createSite(stage);
    const watcher = await site.start({ user: `${UID}:${UID}` });
    expect((await watcher.says('restart_failed')).details).toMatchObject({ cause: 'permission_denied' });
    expect(site.engine.calls).toEqual([]);
  });

  test('remembers in its volume what it has done: a new container restarts nothing', async ({ stage }) => {
    const site = await createSite(stage);
    const before = await site.start();
    await before.says('broker_already_current');
    await rotate(stage);
    await before.says('restart_completed');
    // what it has said last is on disk when it ends
    await before.stop();
    await before.remove();
    const after = await site.start({ settings: { LOG_LEVEL: 'debug' } });
    await until('the set to be recognized', async () =>
      (await after.log()).some(({ details }) => details['reason'] === 'unchanged'),
    );
    await nothingFollows();
    expect(site.broker.restarts()).toBe(1);
    // without the volume it would have had to ask the engine
    expect((await after.log()).map(({ event }) => event)).not.toContain('broker_already_current');
  });

  test('finds the upstream by a name server, without a line in /etc/hosts', async ({ stage }) => {
    const nameServer = await startNameServer('127.0.0.1');
    stage.onEnd(nameServer.close);
    const site = await createSite(stage);
    const watcher = await site.start({
      hosts: [],
      mounts: { '/etc/resolv.conf': await resolvConf(stage, nameServer.address) },
    });
    await watcher.says('tls_probe_success');
    await nameServer.asked;
  });
});

describeWith(IMAGE_NEEDS, 'the image', () => {
  beforeAll(makeImage);

  test('holds the program, the libraries that it is linked with, licences, and nothing else', async () => {
    const { gnu, loader } = thisTarget();
    const libraries = ['libc.so.6', 'libdl.so.2', 'libgcc_s.so.1', 'libm.so.6', 'libpthread.so.0'];
    expect(await filesInImage()).toEqual(
      [
        'etc/nsswitch.conf',
        ...[...libraries, 'libstdc++.so.6'].map((name) => `lib/${gnu}/${name}`),
        loader.slice(1),
        'licenses/NOTICES',
        'mosquitto-cert-watcher',
      ].toSorted(),
    );
  });

  test('says what it is in the labels of the OCI', async ({ stage }) => {
    const { Labels: labels } = await configOfImage(stage);
    const { stdout } = await promisify(execFile)('git', ['log', '-1', '--format=%h %ct'], {
      cwd: REPOSITORY,
    });
    const [hash = '', seconds] = stdout.trim().split(' ');
    expect(labels).toMatchObject({
      'org.opencontainers.image.title': 'mosquitto-cert-watcher',
      'org.opencontainers.image.version': manifest.version,
      'org.opencontainers.image.licenses': manifest.license,
      'org.opencontainers.image.vendor': 'mosquitto-cert-watcher maintainers',
      'org.opencontainers.image.source': SOURCE_URL,
      'org.opencontainers.image.url': SOURCE_URL,
      'org.opencontainers.image.documentation': `${SOURCE_URL}#readme`,
      'org.opencontainers.image.revision': expect.stringMatching(`^${hash.slice(0, 7)}(-modified)?$`),
      'org.opencontainers.image.created': new Date(Number(seconds) * 1_000).toISOString(),
    });
  });

  test('is nobody special, and checks its own health, if nothing else is said', async ({ stage }) => {
    expect(await configOfImage(stage)).toMatchObject({
      User: String(UID),
      Entrypoint: ['/mosquitto-cert-watcher'],
      Healthcheck: { Test: ['CMD', '/mosquitto-cert-watcher', 'healthcheck'] },
    });
  });
});

describeWith(IMAGE_NEEDS, 'two watchers of one broker', () => {
  beforeAll(makeImage);

  const linesOf = async (watchers: readonly WatcherContainer[]) =>
    (await Promise.all(watchers.map(({ log }) => log()))).flat();

  /** Waits until `count` restarts are verified, no matter by whom. */
  async function verified(watchers: readonly WatcherContainer[], count: number) {
    let lines: readonly LogLine[] = [];
    const look = async () => {
      lines = await linesOf(watchers);
      return lines.filter(({ event }) => event === 'restart_completed').length >= count;
    };
    const otherwise = () => lines.map((line) => JSON.stringify(line)).join('\n');
    await until(`restart ${count} to be verified`, look, { everyMs: 100, otherwise });
  }

  /** Rotates again and again; after each, when the broker has been up for longer than the cooldown, one more restart. */
  async function rotateOften(
    stage: Stage,
    broker: Broker,
    watchers: readonly WatcherContainer[],
    times: number,
  ) {
    for (let rotation = 1; rotation <= times; rotation++) {
      await rotate(stage);
      await verified(watchers, rotation);
      await until('the cooldown of both to be over', async () => {
        const { startedAt } = await broker.inspect();
        return Date.now() - Date.parse(startedAt) > 4_000;
      });
      expect(broker.restarts(), `restarts after ${rotation} rotations`).toBe(rotation);
    }
  }

  test('in containers make one restart for each of 20 rotations', async ({ stage }) => {
    const site = await createSite(stage);
    const ports = [site.metricsPort, await closedPort()];
    const watchers = [];
    for (const port of ports) watchers.push(await site.start({ settings: { METRICS_PORT: String(port) } }));
    // they share a state file: one that starts after the other has written it knows already that the broker is current
    for (const watcher of watchers) await watcher.says('cert_parsed');
    await rotateOften(stage, site.broker, watchers, 20);
    const lines = await linesOf(watchers);
    expect(lines.filter(({ event }) => event === 'restart_completed')).toHaveLength(20);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('of which one is a process of the host make one restart for a rotation, by the one in the container', async ({
    stage,
  }) => {
    const site = await createSite(stage);
    // the process is the older one, but the container cannot see it; it waits for the other one for this long and more
    const unit = stage.watch(site.broker, { ...HURRY, RESTART_STOP_TIMEOUT: '60s' });
    await unit.says('broker_already_current');
    const watcher = await site.start();
    await watcher.says('broker_already_current');
    await rotateOften(stage, site.broker, [watcher], 5);
    expect(unit.count('restart_completed')).toBe(0);
  });
});

/** What the proxy has to refuse for the container `name`, whose id begins with `id`. */
const REFUSED: readonly (readonly [method: string, path: (name: string, id: string) => string])[] = [
  ['GET', () => '/containers/json'],
  ['GET', () => '/version'],
  ['GET', () => '/events'],
  ['GET', () => '/images/json'],
  ['HEAD', () => '/_ping'],
  ['POST', () => '/_ping'],
  ['POST', () => '/containers/create'],
  ['POST', () => '/build'],
  ['POST', () => '/session'],
  ['POST', (name) => `/containers/${name}/exec`],
  ['POST', (name) => `/containers/${name}/stop`],
  ['POST', (name) => `/containers/${name}/kill?signal=SIGKILL`],
  ['POST', (name) => `/containers/${name}/update`],
  ['POST', (name) => `/containers/${name}/rename?name=other`],
  ['POST', (name) => `/containers/${name}/json`],
  ['GET', (name) => `/containers/${name}/restart`],
  ['GET', (name) => `/containers/${name}/logs?stdout=1`],
  ['GET', (name) => `/containers/${name}/archive?path=/`],
  ['PUT', (name) => `/containers/${name}/archive?path=/`],
  ['DELETE', (name) => `/containers/${name}?force=1`],
  ['GET', () => '/containers/other/json'],
  ['POST', () => '/containers/other/restart'],
  ['GET', (name) => `/containers/${name}2/json`],
  ['POST', (name) => `/containers/${name}/restart`],
  ['GET', (_name, id) => `/containers/${id}/json`],
  ['POST', (_name, id) => `/v1.41/containers/${id.slice(0, 12)}/restart`],
  ['POST', (_name, id) => `/containers/${id}/stop`],
  ['GET', (name) => `/containers/json?all=/containers/${name}/json`],
  ['POST', (name) => `/containers/create?name=/containers/${name}/restart`],
  ['GET', (name) => `/containers/json#/containers/${name}/json`],
  ['GET', (name) => `/containers/${name}%2Fjson`],
  ['GET', (name) => `/containers%2f${name}/json`],
  ['POST', (name) => `/containers/other%2f..%2f${name}/restart`],
  ['GET', (name) => `/containers/${name}/../other/json`],
  ['GET', (name) => `/containers/${name}/json/../../other/json`],
  ['GET', (name) => `/containers/other/json?/../../${name}/json`],
  ['GET', (name) => `/v1.41/../containers/${name}/json`],
  ['GET', (name) => `//containers/${name}/json`],
  ['GET', (name) => `/containers/${name}/json/`],
  ['GET', (name) => `/containers/${name}/json%0a`],
  ['GET', (name) => `/v1.41x/containers/${name}/json`],
  ['GET', () => 'http://docker/containers/json'],
];

describeWith(
  all(
    IMAGE_NEEDS,
    executable('haproxy') === undefined ? { ok: false, reason: 'no haproxy here' } : { ok: true },
  ),
  'behind the socket proxy',
  () => {
    beforeAll(makeImage);

    /** A site whose broker is reached through the proxy; what the engine behind it is asked is recorded. */
    async function createProxiedSite(stage: Stage) {
      const site = await createSite(stage);
      const { socketPath } = site;
      const proxy = await startSocketProxy(stage.directory, { container: site.broker.name, socketPath });
      stage.onEnd(proxy.close);
      return { ...site, proxy };
    }

    test('the image, with the settings of the compose file for it, does one rotation by three kinds of calls', async ({
      stage,
    }) => {
      const site = await createProxiedSite(stage);
      const settings = { DOCKER_HOST: `tcp://127.0.0.1:${site.proxy.port}` };
      const watcher = await site.start({ settings }, PROXIED);
      await watcher.says('broker_already_current');
      const second = await rotate(stage);
      await watcher.says('restart_completed');
      await site.bridged(second);
      await nothingFollows();
      expect(site.broker.restarts()).toBe(1);
      const kinds = site.engine.calls.map(({ method, path }) =>
        `${method} ${path}`
          .replace(/\?.*/, '')
          .replace(/ \/v1\.\d+/, ' /v1.x')
          .replace(/[0-9a-f]{64}/, '{id}'),
      );
      expect(new Set(kinds)).toEqual(
        new Set([
          'GET /_ping',
          `GET /v1.x/containers/${site.broker.name}/json`,
          'POST /v1.x/containers/{id}/restart',
        ]),
      );
    });

    test('every other call is refused, and the engine never hears of it', async ({ stage }) => {
      const { broker, engine, proxy } = await createProxiedSite(stage);
      const id = await idOf(broker);
      const heard = engine.calls.length;
      const answers = await Promise.all(
        REFUSED.map(async ([method, path]) => {
          const asked = path(broker.name, id);
          return `${method} ${asked} ${await proxy.call(method, asked)}`;
        }),
      );
      expect(answers.filter((answer) => !/ (403|400)$/.test(answer))).toEqual([]);
      expect(engine.calls.slice(heard)).toEqual([]);
    });
  },
);

async function idOf(broker: Broker): Promise<string> {
  const text = await broker.engine.ask('GET', `/containers/${broker.name}/json`);
  return v.parse(v.object({ Id: v.string() }), JSON.parse(text)).Id;
}

/** What the kernel says about the process. */
function rightsOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const words = (name: string) => {
    const line = new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1]?.trim() ?? '';
    return line.split(/\s+/).filter(Boolean);
  };
  const numbers = (name: string) => [...new Set(words(name).map(Number))];
  return {
    uids: numbers('Uid'),
    gids: numbers('Gid'),
    groups: numbers('Groups'),
    capabilities: ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) =>
      Number.parseInt(words(name)[0] ?? '', 16),
    ),
    noNewPrivileges: numbers('NoNewPrivs')[0],
    rootIsReadOnly: /^\d+ \d+ \S+ \S+ \/ ro\b/m.test(readFileSync(`/proc/${pid}/mountinfo`, 'utf8')),
  };
}

const CONFIG = v.object({
  Config: v.looseObject({ Labels: v.record(v.string(), v.string()) }),
});

async function configOfImage({ engine }: Stage) {
  return v.parse(CONFIG, JSON.parse(await engine.ask('GET', `/images/${IMAGE}/json`))).Config;
}

/** What the engine itself puts into every container. */
const OF_THE_ENGINE = /^(\.dockerenv|dev\/.*|proc\/.*|sys\/.*|etc\/(hostname|hosts|mtab|resolv\.conf))$/;

/** Every file in the image, without directories. */
async function filesInImage(): Promise<string[]> {
  const script = `id=$(docker create ${IMAGE}) && docker export "$id" | tar -t; docker rm "$id" >/dev/null`;
  const env = { ...process.env, DOCKER_HOST: `unix://${engineSocketPath()}` };
  const { stdout } = await promisify(execFile)('sh', ['-c', script], { env });
  const names = stdout.split('\n').filter((name) => name !== '' && !name.endsWith('/'));
  return names.filter((name) => !OF_THE_ENGINE.test(name)).toSorted();
}
