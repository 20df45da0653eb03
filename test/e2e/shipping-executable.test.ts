/** The executables as they are shipped: what they need, what they cannot be talked into, and that they do their work. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect } from 'vitest';
import { footprintOf } from '../../bench/process.ts';
import { createAuthority, type Issued } from '../../lab/certificates.ts';
import type { Daemon } from '../../lab/daemon.ts';
import { evict } from '../../lab/page-cache.ts';
import { closedPort, startTlsServer } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import manifest from '../../package.json' with { type: 'json' };
import { sha256Of } from '../../scripts/shipping/file-facts.ts';
import type { Command } from '../../src/cli/commands.ts';
import { all, describeWith, ENGINE, program, skipped } from '../support/needs.ts';
import { startObedientEngine } from '../support/scripted-engine.ts';
import {
  copyOfRepository,
  DEBIAN_MIRROR,
  REPOSITORY,
  SHIPPING,
  ship,
  thisTarget,
} from '../support/shipping.ts';
import { OWN_RESOLVER, silentResolver } from '../support/silent-resolver.ts';
import { makeSet, SHORT, type Stage, settled, test } from '../support/stage.ts';

const run = promisify(execFile);
const DIST = join(REPOSITORY, 'dist');

/** What the runtime and its libraries would do something with, each with a value that would show. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ['NODE_OPTIONS', '--require=/nowhere.js --inspect=127.0.0.1:0'],
  ['NODE_DEBUG', '*'],
  ['NODE_DEBUG_NATIVE', 'PROCESS_HOST_OBJECT,DIAGNOSTICS,SEA'],
  ['NODE_V8_COVERAGE', 'coverage'],
  ['NODE_EXTRA_CA_CERTS', '/nowhere.crt'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ['NODE_USE_SYSTEM_CA', '1'],
  ['NODE_USE_ENV_PROXY', '1'],
  ['NODE_PENDING_DEPRECATION', '1'],
  ['NODE_REDIRECT_WARNINGS', 'warnings'],
  ['NODE_NO_WARNINGS', '1'],
  ['NODE_REPL_EXTERNAL_MODULE', '/nowhere.js'],
  ['NODE_REPL_HISTORY', 'history'],
  ['NODE_ICU_DATA', '/nowhere'],
  ['NODE_COMPILE_CACHE', 'cache'],
  ['NODE_DISABLE_COLORS', '1'],
  ['NODE_PRESERVE_SYMLINKS', '1'],
  ['NODE_PRESERVE_SYMLINKS_MAIN', '1'],
  ['NODE_PATH', '/nowhere'],
  ['NODE_TEST_CONTEXT', 'child-v8'],
  ['NODE_UNIQUE_ID', '1'],
  ['NODE_CHANNEL_FD', 'x'],
  ['NODE_CHANNEL_FD', '0'],
  ['NODE_CHANNEL_SERIALIZATION_MODE', 'x'],
  ['NODE_SKIP_PLATFORM_CHECK', '1'],
  ['NODE_INSPECT_RESUME_ON_START', '1'],
  ['UV_THREADPOOL_SIZE', '1'],
  ['UV_USE_IO_URING', '1'],
  ['OPENSSL_CONF', 'broken.cnf'],
  ['OPENSSL_MODULES', '/nowhere'],
  ['OPENSSL_ENGINES', '/nowhere'],
  ['OPENSSL_ia32cap', '0:0'],
  ['SSL_CERT_FILE', '/nowhere.crt'],
  ['SSL_CERT_DIR', '/nowhere'],
  ['SSLKEYLOGFILE', 'keys'],
  ['FORCE_COLOR', '3'],
  ['ICU_TIMEZONE_FILES_DIR', '/nowhere'],
  ['SIMDUTF_FORCE_IMPLEMENTATION', 'nonsense'],
  ['WATCH_REPORT_DEPENDENCIES', '1'],
];
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

  const said = async ({ directory }: Stage, environment: Readonly<Record<string, string>>) => {
    await writeFile(join(directory, 'broken.cnf'), 'nodejs_conf = x\n[x\n');
    const { stdout, stderr } = await run(EXECUTABLE, ['socket-policy', '--json'], {
      cwd: directory,
      env: { UPSTREAM_ADDR: 'broker.example.com', ...environment },
    });
    return { stdout, stderr, files: await readdir(directory) };
  };
  /** Without any of them; the directory has no part in it. */
  let undisturbed: ReturnType<typeof said> | undefined;

  for (const [name, value] of FOREIGN) {
    test(`takes no orders from ${name}=${value.replaceAll('\0', '')}`, async ({ stage }) => {
      undisturbed ??= said(stage, {});
      const usual = await undisturbed;
      expect(await said(stage, { [name]: value })).toEqual(usual);
    });
  }

  test('takes no orders from all of them together while it watches', async ({ stage }) => {
    const daemon = await watchAlone(stage, Object.fromEntries(FOREIGN));
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

/** Each command with settings that let it do something without an engine and a broker, and how it ends. */
const COMMAND_LINES: Readonly<
  Record<Exclude<Command, 'run'>, readonly [args: string, code: number, says: RegExp]>
> = {
  check: ['--json', 1, /"exit_code": ?1,/],
  probe: ['--json', 1, /"cause": ?"/],
  fleet: ['--url mqtt://127.0.0.1:1', 3, /127\.0\.0\.1/],
  'socket-policy': ['', 0, /^frontend /m],
  'unit-policy': ['--user root', 0, /polkit\.addRule/],
  'notify-test': ['', 1, /127\.0\.0\.1/],
  healthcheck: ['', 0, /there is no server to ask/],
};

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A test vector of crypt_blowfish. */
const [PASSWORD, HASH] = ['U*U', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'] as const;

describeWith(SHIPPING, 'the executable has the chunk of', () => {
  beforeAll(makeExecutable);

  for (const [command, [args, code, says]] of Object.entries(COMMAND_LINES)) {
    test(`the command ${command}`, async ({ stage }) => {
      await stage.certs.install(await makeSet());
      const env = {
        CERT_DIR: stage.certs.path,
        UPSTREAM_ADDR: '127.0.0.1:1',
        NOTIFY_URL: 'http://127.0.0.1:1',
        ...(command === 'unit-policy' ? { MOSQUITTO_UNIT: 'mosquitto' } : { DOCKER_SOCK: '/nowhere.sock' }),
      };
      const words = [command, ...args.split(' ').filter((word) => word !== '')];
      const ended = await run(EXECUTABLE, words, { env }).catch((error: unknown) => error);
      const { stdout = '', stderr = '', code: exit = 0 } = ended as Partial<Ended>;
      expect({ exit, said: stdout + stderr }).toEqual({ exit: code, said: expect.stringMatching(says) });
    });
  }

  test('metrics, pages and their guard', async ({ stage }) => {
    const port = await closedPort();
    const passwords = join(stage.directory, 'passwords');
    await writeFile(passwords, `prometheus:${HASH}\n`);
    const served = { ENABLE_METRICS: 'true', METRICS_HOST: '127.0.0.1', METRICS_PORT: String(port) };
    await watchAlone(stage, { ...served, METRICS_AUTH_FILE: passwords });
    const headers = { Authorization: `Basic ${Buffer.from(`prometheus:${PASSWORD}`).toString('base64')}` };
    const answers = ['/', '/status.json', '/metrics'].map(async (path) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      return [path, answer.status, answer.headers.get('content-type')?.split(';')[0]];
    });
    expect(await Promise.all(answers)).toEqual([
      ['/', 200, 'text/html'],
      ['/status.json', 200, 'application/json'],
      ['/metrics', 200, 'text/plain'],
    ]);
  });
});

/** Whom nobody has told the executable to trust. */
const stranger = await createAuthority({ cn: 'Stranger CA' });
const ours = await createAuthority({ cn: 'Example CA' });

/** The cause of the verdict about an upstream of `server`, in an environment that would make another one of it. */
async function verdictOf(
  stage: Stage,
  server: Issued,
  environment: (directory: string) => Readonly<Record<string, string>>,
) {
  const { port, close } = await startTlsServer(server, ours.certPem, { ciphers: 'DEFAULT@SECLEVEL=0' });
  stage.onEnd(close);
  const client = await ours.issue({ cn: 'edge-1' });
  const { directory } = stage;
  await writeFile(join(directory, 'ca.crt'), ours.certPem);
  await writeFile(join(directory, 'client.crt'), client.chainPem);
  await writeFile(join(directory, 'client.key'), client.keyPem);
  await writeFile(join(directory, 'stranger.crt'), stranger.certPem);
  await writeFile(join(directory, 'weak.cnf'), WEAK);
  const env = { CERT_DIR: directory, UPSTREAM_ADDR: `127.0.0.1:${port}`, ...environment(directory) };
  const probe = await run(EXECUTABLE, ['probe', '--json'], { env }).catch((error: unknown) => error);
  const { stdout = '', stderr } = probe as { stdout?: string; stderr?: string };
  return { cause: JSON.parse(stdout).cause, stderr };
}

const WEAK = `nodejs_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
CipherString = DEFAULT@SECLEVEL=0
`;

describeWith(all(SHIPPING, OWN_RESOLVER), 'the executable, deleted by an upgrade', () => {
  beforeAll(makeExecutable);

  test('is ended by SIGTERM with exit code 0, also while a resolver never answers', async ({ stage }) => {
    const { asked, wrapper } = await silentResolver(stage);
    await stage.certs.install(await makeSet());
    const node = join(stage.directory, 'mosquitto-cert-watcher');
    await copyFile(EXECUTABLE, node);
    const settings = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: '/nowhere.sock' };
    const probed = { ...settings, ENABLE_TLS_PROBE: 'true', UPSTREAM_ADDR: 'broker.example.com' };
    const daemon = stage.daemon(probed, { program: { node }, wrapper });
    await asked;
    await rm(node);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
  });
});

describeWith(SHIPPING, 'the executable asks an upstream', () => {
  beforeAll(makeExecutable);

  for (const [what, environment] of [
    ['NODE_EXTRA_CA_CERTS', (path) => ({ NODE_EXTRA_CA_CERTS: `${path}/stranger.crt` })],
    ['SSL_CERT_FILE', (path) => ({ NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: `${path}/stranger.crt` })],
    ['NODE_TLS_REJECT_UNAUTHORIZED', () => ({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })],
    ['NODE_OPTIONS', () => ({ NODE_OPTIONS: '--use-openssl-ca --tls-cipher-list=DEFAULT@SECLEVEL=0' })],
  ] satisfies [string, Parameters<typeof verdictOf>[2]][]) {
    test(`and trusts nobody more for ${what}`, async ({ stage }) => {
      const server = await stranger.issue({ cn: 'broker', sans: ['127.0.0.1'] });
      expect(await verdictOf(stage, server, environment)).toEqual({
        cause: 'server_cert_untrusted',
        stderr: '',
      });
    });
  }

  test('and takes no weaker key for OPENSSL_CONF', async ({ stage }) => {
    const server = await ours.issue({ cn: 'broker', sans: ['127.0.0.1'], key: 'rsa-1024' });
    expect(await verdictOf(stage, server, (path) => ({ OPENSSL_CONF: `${path}/weak.cnf` }))).toEqual({
      cause: 'server_cert_untrusted',
      stderr: '',
    });
  });
});

/**
 * A fifth more than `make footprint` shows, in MiB. What is behind it: docs/decisions/0009-one-executable.md. It is made
 * less, or somebody says there what the more is for.
 */
const MOST_PRIVATE = { withoutMetrics: 15, withMetrics: 16 };

/** When the collector has been through what the start has left. */
const COLLECTED_MS = 20_000;

// not concurrent: the executable is evicted from the page cache, so nobody may run it
describe.skipIf(!SHIPPING.ok)(`the executable, idle${skipped(SHIPPING)}`, () => {
  beforeAll(makeExecutable);

  test('has written to little memory, and none that it writes to can be executed', async ({ stage }) => {
    const server = await ours.issue({ cn: 'broker', sans: ['127.0.0.1'] });
    const { port, close } = await startTlsServer(server, ours.certPem);
    stage.onEnd(close);
    const client = await ours.issue({ cn: 'edge-1' });
    await stage.certs.install({ ca: ours.certPem, cert: client.chainPem, key: client.keyPem });
    const settings = {
      CERT_DIR: stage.certs.path,
      UPSTREAM_ADDR: `127.0.0.1:${port}`,
      DOCKER_SOCK: '/nowhere.sock',
      MALLOC_ARENA_MAX: '1',
    };
    const metrics = {
      ENABLE_METRICS: 'true',
      METRICS_HOST: '127.0.0.1',
      METRICS_PORT: String(await closedPort()),
    };
    evict(EXECUTABLE);
    const program = { node: EXECUTABLE };
    const without = stage.daemon(settings, { program });
    const with_ = stage.daemon({ ...settings, ...metrics }, { program });
    for (const daemon of [without, with_]) await daemon.says('tls_probe_success');
    await quietly(COLLECTED_MS, 'the collector has been through what the start has left');
    const answer = await fetch(`http://127.0.0.1:${metrics.METRICS_PORT}/metrics`);
    expect(await answer.text()).toContain('tls_probe_success_total 1');
    expect(footprintOf(without.pid).privateMb).toBeLessThan(MOST_PRIVATE.withoutMetrics);
    expect(footprintOf(with_.pid).privateMb).toBeLessThan(MOST_PRIVATE.withMetrics);
    for (const { pid } of [without, with_]) expect(executableMemoryOf(pid)).toEqual([]);
  });
});

/** Mappings that can be executed and are no files that are only read: MemoryDenyWriteExecute= of systemd forbids them. */
function executableMemoryOf(pid: number): string[] {
  const mappings = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return mappings.filter((line) => /^\S+ (?:.wx|..x\S \S+ \S+ 0 *$)/.test(line));
}

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

describeWith(SHIPPING, "the executable, with an engine of the test's own", () => {
  beforeAll(makeExecutable);

  test('restarts the broker once per rotation', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const engine = await startObedientEngine(stage.onEnd, { startedAt: new Date(Date.now() + 1) });
    const settings = { ...SHORT, CERT_DIR: stage.certs.path, ...engine.settings };
    const daemon = stage.daemon(settings, { program: { node: EXECUTABLE } });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(engine.requests.filter((request) => request.startsWith('POST '))).toHaveLength(1);
  });
});

const QEMU = 'qemu-aarch64-static';

/** Whether a process has used no processor time since this was last asked. */
function isAtRest(pid: number): () => Promise<boolean> {
  let before = '';
  return async () => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // utime and stime, see proc_pid_stat(5); the name before them may contain anything
    const used = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).join();
    const isSame = used === before;
    before = used;
    return isSame;
  };
}

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

    test('tells its version, and sees nothing of the environment of its runtime', async () => {
      const [command, ...args] = emulated;
      const env = { ...process.env, NODE_CHANNEL_FD: 'x', NODE_DEBUG: '*' };
      const { stdout, stderr } = await run(command, [...args, '--version'], { env });
      expect(stdout).toContain(`mosquitto-cert-watcher ${manifest.version}`);
      expect(stderr).toBe('');
    });

    test('watches, and ends with exit code 0 on SIGTERM', async ({ stage }) => {
      await stage.certs.install(await makeSet());
      // between two looks: the emulator cannot start the program again that a look under way would need to end at once
      const quiet = { ...SHORT, CHECK_INTERVAL: '1m' };
      const settings = { ...quiet, CERT_DIR: stage.certs.path, DOCKER_SOCK: '/nowhere.sock' };
      const [node, ...args] = emulated;
      const daemon = stage.daemon(settings, { program: { node }, args });
      await daemon.says('restart_failed', { withinMs: 90_000 });
      await until('the end of the look', isAtRest(daemon.pid), { withinMs: 60_000, everyMs: 500 });
      daemon.signal('SIGTERM');
      expect(await daemon.ended).toEqual({ code: 0, signal: null });
    });
  },
);
