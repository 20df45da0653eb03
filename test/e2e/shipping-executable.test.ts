/** The executables as they are shipped: what they need, what they cannot be talked into, and that they do their work. */

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { sha256Of } from '../../scripts/shipping/file-facts.ts';
import type { Daemon } from '../support/daemon.ts';
import { all, describeWith, ENGINE, program, skipped } from '../support/needs.ts';
import { http, inspection, json, type Script, startScriptedEngine } from '../support/scripted-engine.ts';
import {
  copyOfRepository,
  DEBIAN_MIRROR,
  REPOSITORY,
  SHIPPING,
  ship,
  thisTarget,
} from '../support/shipping.ts';
import { makeSet, SHORT, type Stage, settled, test } from '../support/stage.ts';

const run = promisify(execFile);
const DIST = join(REPOSITORY, 'dist');
const EXECUTABLE = join(DIST, 'mosquitto-cert-watcher');

let built: Promise<string> | undefined;

/** As `make build` makes it; once for all tests. */
async function makeExecutable() {
  built ??= ship('build');
  await built;
}

/** A watcher of a set that is there, without an engine. */
async function watchAlone(stage: Stage, environment: Readonly<Record<string, string>> = {}): Promise<Daemon> {
  await stage.certs.install(await makeSet());
  const settings = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: '/nowhere.sock', ...environment };
  const daemon = stage.daemon(settings, { program: { node: EXECUTABLE } });
  await daemon.says('cert_parsed');
  return daemon;
}

/** That it goes on and ends as always, and what it has said on standard error until then. */
async function endOf(stage: Stage, daemon: Daemon) {
  const known = daemon.count('cert_parsed');
  await stage.certs.install(await makeSet());
  await daemon.says('cert_parsed', { skip: known });
  daemon.signal('SIGTERM');
  const { code } = await daemon.ended;
  return { code, stderr: daemon.stderr() };
}

describeWith(SHIPPING, 'the executable', () => {
  beforeAll(makeExecutable);

  test('tells its version and the commit that it was built from', async () => {
    const { stdout } = await run(EXECUTABLE, ['--version']);
    const commit = await run('git', ['log', '-1', '--format=%h'], { cwd: REPOSITORY });
    const [hash = ''] = /^.{7}/.exec(commit.stdout) ?? [];
    expect(stdout).toMatch(
      new RegExp(`^mosquitto-cert-watcher ${manifest.version} \\(${hash}(-modified)?\\)\\n$`),
    );
  });

  test('is linked with the C and C++ libraries of every Linux, and needs nothing else', async () => {
    const { stdout } = await run('ldd', [EXECUTABLE]);
    const names = [...stdout.matchAll(/^\s+(\S+) =>/gm)].map(([, name]) => name);
    expect(names.toSorted()).toEqual([
      'libc.so.6',
      'libdl.so.2',
      'libgcc_s.so.1',
      'libm.so.6',
      'libpthread.so.0',
      'libstdc++.so.6',
    ]);
  });

  test('runs where no Node.js can be found', async () => {
    const { stdout } = await run(EXECUTABLE, ['--help'], { cwd: '/', env: { PATH: '/nowhere' } });
    expect(stdout).toContain('mosquitto-cert-watcher');
  });

  test('opens no inspector on SIGUSR1, and goes on', async ({ stage }) => {
    const daemon = await watchAlone(stage);
    daemon.signal('SIGUSR1');
    expect(await endOf(stage, daemon)).toEqual({ code: 0, stderr: '' });
  });

  test('takes no orders from NODE_OPTIONS', async ({ stage }) => {
    const daemon = await watchAlone(stage, { NODE_OPTIONS: '--require=/nowhere.js --inspect=127.0.0.1:0' });
    expect(await endOf(stage, daemon)).toEqual({ code: 0, stderr: '' });
  });

  test('is the same, bit for bit, when it is built in another directory', async ({ stage }) => {
    const elsewhere = await copyOfRepository();
    stage.onEnd(() => rm(elsewhere, { recursive: true }));
    await ship('build', [thisTarget().name], { root: elsewhere });
    const twin = join(elsewhere, 'dist', `mosquitto-cert-watcher-${thisTarget().name}`);
    expect(await sha256Of(twin)).toBe(await sha256Of(EXECUTABLE));
  });
});

describeWith(all(SHIPPING, ENGINE), 'the executable, with a real engine', () => {
  beforeAll(makeExecutable);

  test('restarts the broker once per rotation', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, {}, { program: { node: EXECUTABLE } });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

// not concurrent: the scripted engine lives as long as the test that vitest takes for the current one
describe.skipIf(!SHIPPING.ok)(`the executable, with an engine of the test's own${skipped(SHIPPING)}`, () => {
  beforeAll(makeExecutable);

  test('restarts the broker once per rotation', async ({ stage }) => {
    let startedAt = new Date();
    const script: Script = {
      inspect: (socket) => json(inspection({ State: { StartedAt: startedAt.toISOString() } }))(socket),
      restart: (socket) => {
        startedAt = new Date();
        http(204)(socket);
      },
    };
    const engine = await startScriptedEngine(script, 'unix', stage.onEnd);
    await stage.certs.install(await makeSet());
    startedAt = new Date(Date.now() + 1);
    const path = engine.endpoint.kind === 'unix' ? engine.endpoint.path : '';
    const settings = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: path };
    const daemon = stage.daemon(settings, { program: { node: EXECUTABLE } });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(engine.requests.filter((request) => request.startsWith('POST '))).toHaveLength(1);
  });
});

const QEMU = 'qemu-aarch64-static';

describeWith(
  all(SHIPPING, program(QEMU), DEBIAN_MIRROR),
  'the executable for arm64, with the libraries of its image, under emulation',
  () => {
    const rootfs = join(DIST, 'rootfs-arm64', 'root');
    const emulated = [QEMU, '-L', rootfs, join(rootfs, 'mosquitto-cert-watcher')] as const;

    // the emulator and the runtime that it emulates are slow starters
    beforeAll(async () => {
      await ship('image', ['--rootfs', 'linux-arm64']);
    });

    test('tells its version', async () => {
      const [command, ...args] = emulated;
      const { stdout } = await run(command, [...args, '--version']);
      expect(stdout).toContain(`mosquitto-cert-watcher ${manifest.version}`);
    });

    test('watches, and ends with exit code 0 on SIGTERM', async ({ stage }) => {
      await stage.certs.install(await makeSet());
      const settings = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: '/nowhere.sock' };
      const [node, ...args] = emulated;
      const daemon = stage.daemon(settings, { program: { node }, args });
      await daemon.says('restart_failed');
      daemon.signal('SIGTERM');
      expect(await daemon.ended).toEqual({ code: 0, signal: null });
    });
  },
);
