/** A watcher in surroundings that turn against it. Restarts are counted and timed by the engine's own events. */

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import { makeFifo } from '../support/directory.ts';
import { all, describeWith, ENGINE, NAME_SPACES, program, ROOT } from '../support/needs.ts';
import {
  type Broker,
  type CertificateFiles,
  makeSet,
  nothingFollows,
  type Stage,
  settled,
  test,
} from '../support/stage.ts';

const run = promisify(execFile);

/** How long the hostile writer goes on; more by hand: HOSTILE_SECONDS=300. */
const HOSTILE_MS = Number(process.env['HOSTILE_SECONDS'] ?? 25) * 1_000;
/** Event times are the engine's, the cooldown is the watcher's: what lies between is a call over a socket. */
const TOLERANCE_MS = 100;

async function settledWatcher(
  stage: Stage,
  settings: Readonly<Record<string, string>> = {},
  wrapper?: string[],
) {
  await stage.certs.install(await makeSet());
  const broker = await stage.broker();
  const daemon = stage.watch(broker, settings, wrapper === undefined ? {} : { wrapper });
  await daemon.says('broker_already_current', { withinMs: 30_000 });
  return { broker, daemon };
}

/** The least time between two restarts of the broker, in milliseconds. */
function closestRestarts(broker: Broker): number {
  const times = broker.events.all().flatMap(({ action, atMs }) => (action === 'restart' ? [atMs] : []));
  return Math.min(Number.POSITIVE_INFINITY, ...times.slice(1).map((at, index) => at - (times[index] ?? at)));
}

const NAMES = ['ca.crt', 'client.crt', 'client.key'] as const;
type Mischief = (directory: string, set: CertificateFiles) => Promise<unknown>;

/** Ways of writing certificates that no careful agent has, and ways of doing worse. */
const MISCHIEF: readonly Mischief[] = [
  (directory, { cert }) => put(join(directory, 'client.crt'), cert.slice(0, cert.length / 2)),
  (directory) => truncate(join(directory, 'client.key'), 0),
  (directory, { key }) => put(join(directory, 'client.key'), key),
  (directory) => rm(join(directory, 'client.crt')),
  (directory) => put(join(directory, 'ca.crt'), 'no certificate at all'),
  (directory) => utimes(join(directory, 'client.crt'), new Date(0), new Date(4_000_000_000_000)),
  async (directory) => {
    await rm(join(directory, 'client.crt'), { force: true });
    await makeFifo(join(directory, 'client.crt'));
  },
  async (directory) => {
    await rm(join(directory, 'ca.crt'), { force: true, recursive: true });
    await mkdir(join(directory, 'ca.crt'));
  },
  async (directory) => {
    await rm(join(directory, 'client.crt'), { force: true, recursive: true });
    await symlink('client.crt', join(directory, 'client.crt'));
  },
  async (directory, set) => {
    await putAway(directory);
    for (const [name, text] of [
      ['ca.crt', set.ca],
      ['client.crt', set.cert],
      ['client.key', set.key],
    ] as const)
      await writeFile(join(directory, name), text);
  },
];

/** In the place of whatever lies there: writing to a FIFO would hang the writer. */
async function put(path: string, text: string): Promise<void> {
  await rm(path, { force: true, recursive: true });
  await writeFile(path, text);
}

/** Whatever the last mischief has left in the place of a file. */
async function putAway(directory: string): Promise<void> {
  for (const name of NAMES) await rm(join(directory, name), { force: true, recursive: true });
}

function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

function openFiles({ pid }: Daemon): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

describeWith(ENGINE, 'a hostile writer', () => {
  test('brings no two restarts within a cooldown, and the good set that it ends with is loaded', {
    timeout: HOSTILE_MS + 60_000,
  }, async ({ stage }) => {
    const { broker, daemon } = await settledWatcher(stage, { RESTART_COOLDOWN: '3s' });
    const before = openFiles(daemon);
    const sets = [await makeSet(), await makeSet(), await makeSet()];
    const endAt = performance.now() + HOSTILE_MS;
    while (performance.now() < endAt) {
      // a mischief may hit what an earlier one has removed: that is no matter
      await pick(MISCHIEF)(stage.certs.path, pick(sets)).catch(() => undefined);
      await quietly(Math.random() * 1_200, 'no rhythm that the watcher could fall into');
    }
    await putAway(stage.certs.path);
    const installedAt = await stage.certs.install(await makeSet());
    await until('a restart after the last set', () =>
      broker.events.all().some(({ action, atMs }) => action === 'restart' && atMs > installedAt),
    );
    await nothingFollows();
    expect(closestRestarts(broker)).toBeGreaterThan(3_000 - TOLERANCE_MS);
    expect(daemon.count('cycle_failed')).toBe(0);
    expect(openFiles(daemon)).toBeLessThanOrEqual(before + 2);
  });
});

describeWith(all(NAME_SPACES, ENGINE), 'a full disk under the state file', () => {
  test('is told, keeps no rotation back, and is made good when there is room', async ({ stage }) => {
    const disk = join(stage.directory, 'disk');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=16k,mode=755', 'tmpfs', disk]);
    stage.onEnd(() => run('umount', ['--lazy', disk]));
    const STATE_FILE = join(disk, 'state.json');
    const { broker, daemon } = await settledWatcher(stage, { STATE_FILE });
    // as much as fits
    await run('dd', ['if=/dev/zero', `of=${disk}/ballast`, 'bs=4096']).catch(() => undefined);
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
    expect((await daemon.says('watch_degraded')).details).toMatchObject({ part: 'state_file' });
    await rm(join(disk, 'ballast'));
    await stage.certs.install(await makeSet());
    await settled(daemon, 2);
    await daemon.kill();
    const successor = stage.watch(broker, { STATE_FILE });
    await successor.says('cert_parsed');
    await nothingFollows();
    expect(broker.restarts()).toBe(2);
    expect(successor.count('broker_already_current')).toBe(0);
  });
});

describeWith(all(ENGINE, program('prlimit')), 'a limit of open files', () => {
  test('that is used up restarts nothing and loses nothing', async ({ stage }) => {
    const port = await closedPort();
    const metrics = { ENABLE_METRICS: 'true', METRICS_HOST: '127.0.0.1', METRICS_PORT: String(port) };
    const { broker, daemon } = await settledWatcher(stage, metrics, ['prlimit', '--nofile=48']);
    const clients = Array.from({ length: 60 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    stage.onEnd(() => clients.map((client) => client.destroy()));
    await until('the limit to be reached', () => openFiles(daemon) >= 47);
    await stage.certs.install(await makeSet());
    await quietly(2_000, 'several check intervals in want');
    expect(daemon.hasEnded()).toBe(false);
    for (const client of clients) client.destroy();
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(all(ROOT, ENGINE, program('unshare')), 'no inotify at all', () => {
  test('is told once, and rotations are found by polling', async ({ stage }) => {
    const withoutInotify = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"';
    const wrapper = ['unshare', '--user', '--map-root-user', 'sh', '-c', withoutInotify, 'sh'];
    const { broker, daemon } = await settledWatcher(stage, {}, wrapper);
    expect((await daemon.says('watch_degraded')).details).toMatchObject({ part: 'file_events' });
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect([broker.restarts(), daemon.count('watch_degraded')]).toEqual([1, 1]);
  });
});

describeWith(ENGINE, 'a watcher that is stopped and continued', () => {
  test('in the middle of a rotation restarts the broker once', async ({ stage }) => {
    const { broker, daemon } = await settledWatcher(stage);
    await stage.certs.install(await makeSet());
    await quietly(200, 'the window runs');
    daemon.signal('SIGSTOP');
    await quietly(3_000, 'longer than window and cooldown');
    daemon.signal('SIGCONT');
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('while the broker is being restarted restarts it once', async ({ stage }) => {
    const { broker, daemon } = await settledWatcher(stage);
    await stage.certs.install(await makeSet());
    await broker.events.next('kill');
    daemon.signal('SIGSTOP');
    await quietly(3_000, 'longer than the cooldown');
    daemon.signal('SIGCONT');
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'a watcher killed a hundred times at random moments', () => {
  test('restarts the broker once for each of five rotations, and not otherwise', {
    timeout: 240_000,
  }, async ({ stage }) => {
    const settings = { STATE_FILE: join(stage.directory, 'state.json'), RESTART_COOLDOWN: '1s' };
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    for (let rotation = 1; rotation <= 5; rotation++) {
      await stage.certs.install(await makeSet());
      for (let life = 0; life < 20; life++) {
        const daemon = stage.watch(broker, settings);
        await quietly(Math.random() * 1_000, 'its life');
        await daemon.kill();
      }
      const survivor = stage.watch(broker, settings);
      await until('the rotation to be done', () => broker.restarts() >= rotation);
      await nothingFollows();
      await survivor.kill();
      expect(broker.restarts()).toBe(rotation);
    }
    expect(closestRestarts(broker)).toBeGreaterThan(1_000 - TOLERANCE_MS);
  });
});
