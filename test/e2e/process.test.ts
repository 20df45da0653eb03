/** The process itself: settings, signals, exit codes and odd surroundings. Needs no engine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Daemon, PROGRAM } from '../../lab/daemon.ts';
import { until } from '../../lab/until.ts';
import { describeMeasured, MEASURED } from '../support/measured.ts';
import { describeWith, NAME_SPACES } from '../support/needs.ts';
import { OWN_RESOLVER, silentResolver } from '../support/silent-resolver.ts';
import { makeSet, nothingFollows, SHORT, type Stage, test } from '../support/stage.ts';

/** A watcher of certificates that are there, and of an engine that is not. */
async function watchWithoutEngine(stage: Stage, settings: Readonly<Record<string, string>> = {}) {
  await stage.certs.install(await makeSet());
  const base = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: join(stage.directory, 'none.sock') };
  return stage.daemon({ ...base, ...settings });
}

/** How it ends after a signal, and how long that takes. */
async function endAfter(daemon: Daemon, signal: () => void) {
  const sentAt = performance.now();
  signal();
  const exit = await daemon.ended;
  return { exit, tookMs: performance.now() - sentAt, last: daemon.lines.at(-1)?.event };
}

describe('signals', MEASURED, () => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    test(`${name} ends it with exit code 0 within a second, and "stopped" is its last line`, async ({
      stage,
    }) => {
      const daemon = await watchWithoutEngine(stage);
      await daemon.says('restart_failed');
      const { exit, tookMs, last } = await endAfter(daemon, () => daemon.signal(name));
      expect({ exit, last }).toEqual({ exit: { code: 0, signal: null }, last: 'stopped' });
      expect(tookMs).toBeLessThan(1_000);
    });
  }

  test('SIGTERM ends it within a second while the engine keeps it waiting for an answer', async ({
    stage,
  }) => {
    const socketPath = join(stage.directory, 'silent.sock');
    let callers = 0;
    const server = createServer(() => {
      callers += 1;
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    stage.onEnd(() => server.close());
    const daemon = await watchWithoutEngine(stage, { DOCKER_SOCK: socketPath });
    await until('the watcher to ask the engine', () => callers > 0);
    const { exit, tookMs } = await endAfter(daemon, () => daemon.signal('SIGTERM'));
    expect(exit.code).toBe(0);
    expect(tookMs).toBeLessThan(1_000);
  });

  test('a signal that comes again while it stops changes nothing', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage);
    await daemon.says('restart_failed');
    daemon.signal('SIGTERM');
    const { exit } = await endAfter(daemon, () => daemon.signal('SIGINT'));
    expect({ exit, told: daemon.count('stopped') }).toEqual({ exit: { code: 0, signal: null }, told: 1 });
  });
});

describe('SIGHUP and SIGUSR1', MEASURED, () => {
  test('look at once, and answer, without an end', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage, { CHECK_INTERVAL: '1h', LOG_LEVEL: 'debug' });
    await daemon.says('restart_failed');
    const before = daemon.count('state_path');
    daemon.signal('SIGHUP');
    await until('another look', () => daemon.count('state_path') > before);
    daemon.signal('SIGUSR1');
    await daemon.says('restart_requested');
    const { exit } = await endAfter(daemon, () => daemon.signal('SIGTERM'));
    expect(exit).toEqual({ code: 0, signal: null });
  });

  test('in a flood cost few lines, and its end comes within a second as ever', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage, { CHECK_INTERVAL: '1h', LOG_LEVEL: 'debug' });
    await daemon.says('restart_failed');
    const flood = setInterval(() => {
      for (const name of ['SIGHUP', 'SIGUSR1'] as const) daemon.signal(name);
    }, 1);
    stage.onEnd(() => clearInterval(flood));
    await daemon.says('restart_requested');
    await nothingFollows();
    const told = daemon.lines.length;
    const { exit, tookMs, last } = await endAfter(daemon, () => daemon.signal('SIGTERM'));
    expect({ exit, last }).toEqual({ exit: { code: 0, signal: null }, last: 'stopped' });
    expect(tookMs).toBeLessThan(1_000);
    expect(told).toBeLessThan(30);
  });

  test('do not disturb a command that looks once', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const settings = {
      ...SHORT,
      CERT_DIR: stage.certs.path,
      DOCKER_SOCK: join(stage.directory, 'none'),
      // however fast it starts, a restart is due
      STABILITY_WINDOW: '0s',
    };
    const command = spawn(PROGRAM.node, [PROGRAM.main, 'check'], { env: settings, stdio: 'ignore' });
    const ended = once(command, 'exit');
    await until('its handlers', () => catchesHangup(command.pid ?? 0));
    for (const name of ['SIGHUP', 'SIGUSR1', 'SIGHUP'] as const) command.kill(name);
    // there is no engine
    expect(await ended).toEqual([2, null]);
  });
});

/** Whether a process has a handler for SIGHUP, signal 1, the last that it sets up (proc_pid_status(5), SigCgt). */
function catchesHangup(pid: number): boolean {
  const caught = /^SigCgt:\t[0-9a-f]*([0-9a-f])$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number.parseInt(caught ?? '0', 16) & 1) === 1;
}

describeMeasured(OWN_RESOLVER, 'a resolver that never answers', () => {
  test('does not keep SIGTERM from ending it within a second, with exit code 0', async ({ stage }) => {
    const { asked, wrapper } = await silentResolver(stage);
    await stage.certs.install(await makeSet());
    const settings = { ...SHORT, CERT_DIR: stage.certs.path, ENABLE_TLS_PROBE: 'true' };
    const daemon = stage.daemon(
      { ...settings, DOCKER_SOCK: '/nowhere.sock', UPSTREAM_ADDR: 'broker.example.com' },
      { wrapper },
    );
    await asked;
    const { exit, tookMs, last } = await endAfter(daemon, () => daemon.signal('SIGTERM'));
    expect({ exit, last }).toEqual({ exit: { code: 0, signal: null }, last: 'stopped' });
    expect(tookMs).toBeLessThan(1_000);
  });
});

describeWith(NAME_SPACES, 'as PID 1', () => {
  test('SIGHUP and SIGUSR1 are heard, and SIGTERM ends it with exit code 0', async ({ stage }) => {
    const settings = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: '/nowhere.sock' };
    const daemon = stage.daemon(settings, { wrapper: ['unshare', '--pid', '--fork', '--kill-child'] });
    await daemon.says('cert_missing');
    const pid = childOf(daemon.pid);
    expect(pidInItsNamespace(pid)).toBe(1);
    for (const name of ['SIGHUP', 'SIGUSR1'] as const) process.kill(pid, name);
    await daemon.says('restart_requested');
    const { exit, last } = await endAfter(daemon, () => process.kill(pid, 'SIGTERM'));
    expect({ exit, last }).toEqual({ exit: { code: 0, signal: null }, last: 'stopped' });
  });
});

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

function pidInItsNamespace(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^NSpid:.*\t(\d+)$/m.exec(status)?.[1]);
}

/** One invalid value for every setting that can have one. */
const WRONG = {
  MOSQUITTO_CONTAINER: 'my broker',
  UPSTREAM_ADDR: 'broker.example.com:mqtts',
  TLS_SNI: 'broker.example.com:8883',
  TLS_TIMEOUT: '5',
  TLS_PROBE_MODE: 'ping',
  TLS_PROBE_INTERVAL: '-1m',
  TLS_PROBE_GATE: 'always',
  CHECK_INTERVAL: '0',
  STABILITY_WINDOW: 'ten seconds',
  RESTART_COOLDOWN: '5 min',
  RESTART_SPLAY: '-1h',
  RESTART_WINDOW: 'Mon 02:00-02:00',
  RESTART_WINDOW_TZ: 'Atlantis',
  EXPIRY_WARN_DAYS: '1.5',
  DOCKER_HOST: 'ssh://host',
  RESTART_STOP_TIMEOUT: '10 s',
  RESTART_VERIFY_TIMEOUT: 'forever',
  MOSQUITTO_LABEL: 'a key',
  MOSQUITTO_SERVICE: 'my service',
  RELOAD_STRATEGY: 'reload',
  BROKER_URL: 'http://broker',
  BRIDGE_NAME: 'a/b',
  ENABLE_TLS_PROBE: 'yes',
  ENABLE_RESTART: 'on',
  ENABLE_METRICS: 'enabled',
  METRICS_PORT: '65536',
  METRICS_HOST: 'http://localhost',
  LOG_LEVEL: 'verbose',
} as const;

describe.concurrent('settings', () => {
  /** Starts it and waits for its end. */
  async function refused(stage: Stage, settings: Readonly<Record<string, string>>, args: string[] = []) {
    const daemon = stage.daemon({ ENABLE_TLS_PROBE: 'false', ...settings }, { args });
    const { code } = await daemon.ended;
    return { code, stdout: daemon.lines.length + daemon.offences.length, stderr: daemon.stderr() };
  }

  test('that are all wrong at once are all named, with the values given; exit code 2, nothing on stdout', async ({
    stage,
  }) => {
    const { code, stdout, stderr } = await refused(stage, WRONG);
    expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
    for (const [name, value] of Object.entries(WRONG)) expect(stderr).toContain(`${name}="${value}"`);
  });

  test('without UPSTREAM_ADDR, while the probe is on, are refused', async ({ stage }) => {
    const { code, stdout, stderr } = await refused(stage, { ENABLE_TLS_PROBE: '' });
    expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
    expect(stderr).toContain('UPSTREAM_ADDR');
  });

  for (const name of [
    'two words',
    'path/to/broker',
    '-broker',
    'über',
    'broker?t=0',
    '../version',
    'one,,two',
    'one,one',
  ]) {
    test(`with a container called "${name}" are refused`, async ({ stage }) => {
      const { code, stdout, stderr } = await refused(stage, { MOSQUITTO_CONTAINER: name });
      expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
      expect(stderr).toContain('MOSQUITTO_CONTAINER');
    });
  }

  for (const [what, text] of [
    ['is not JSON', '{ "cert_dir": '],
    ['is not an object', '["/certs"]'],
    ['is empty', ''],
    ['has an unknown key', '{ "cert_dirr": "/certs" }'],
    ['has a wrong value', '{ "check_interval": "5 s" }'],
    ['has an object for a value', '{ "check_interval": { "seconds": 5 } }'],
  ] as const) {
    test(`from a file that ${what} are refused`, async ({ stage }) => {
      const file = join(stage.directory, 'config.json');
      await writeFile(file, text);
      const { code, stdout, stderr } = await refused(stage, {}, ['--config', file]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: 0 });
      expect(stderr).toContain(what === 'has a wrong value' ? 'CHECK_INTERVAL' : file);
    });
  }

  test('from a file that does not exist are refused', async ({ stage }) => {
    const file = join(stage.directory, 'none.json');
    const { code, stderr } = await refused(stage, {}, ['--config', file]);
    expect(code).toBe(2);
    expect(stderr).toContain(file);
  });

  test('from a file hold, and the environment wins', async ({ stage }) => {
    const file = join(stage.directory, 'config.json');
    await writeFile(file, JSON.stringify({ cert_dir: '/nowhere', mosquitto_container: 'from-file' }));
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: stage.certs.path }, { args: ['--config', file] });
    const { details } = await daemon.says('started');
    expect(details).toMatchObject({ cert_dir: stage.certs.path, container: 'from-file' });
  });
});

describe.concurrent('surroundings', () => {
  test('a reader of its log that goes away does not end it', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage);
    await daemon.says('restart_failed');
    daemon.closeStdout();
    for (let round = 0; round < 2; round += 1) {
      await stage.certs.install(await makeSet());
      await nothingFollows();
    }
    expect(daemon.hasEnded()).toBe(false);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
  });

  test('a CERT_DIR that is a file is told with a hint', async ({ stage }) => {
    const file = join(stage.directory, 'certs.pem');
    await writeFile(file, 'not a directory');
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: file });
    const { details } = await daemon.says('cert_missing');
    expect(details['hint']).toBe(`CERT_DIR ${file} is not a directory`);
  });

  test('a CERT_DIR that appears later is found', async ({ stage }) => {
    const late = join(stage.directory, 'late');
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: late });
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet());
    await rename(stage.certs.path, late);
    expect((await daemon.says('cert_parsed')).details).toMatchObject({ file: 'client.crt' });
  });

  test('an engine socket that is a regular file is told as such', async ({ stage }) => {
    const file = join(stage.directory, 'docker.sock');
    await writeFile(file, '');
    const daemon = await watchWithoutEngine(stage, { DOCKER_SOCK: file });
    expect((await daemon.says('restart_failed')).details).toMatchObject({ cause: 'not_a_socket' });
  });

  test('an engine socket that is a directory, as docker makes of a missing mount, is told as such', async ({
    stage,
  }) => {
    const daemon = await watchWithoutEngine(stage, { DOCKER_SOCK: stage.directory });
    expect((await daemon.says('restart_failed')).details).toMatchObject({ cause: 'not_a_socket' });
  });

  test('an engine socket that does not exist is told once, with the next try', async ({ stage }) => {
    const daemon = await watchWithoutEngine(stage);
    const { details } = await daemon.says('restart_failed');
    await nothingFollows();
    expect(details).toMatchObject({ cause: 'socket_missing', next_try: expect.stringMatching(/Z$/) });
    expect(daemon.count('restart_failed')).toBe(1);
  });

  test('a state file that holds nonsense is told and does not end it', async ({ stage }) => {
    const file = join(stage.directory, 'state.json');
    await writeFile(file, '{"version": 99}');
    const daemon = await watchWithoutEngine(stage, { STATE_FILE: file });
    expect((await daemon.says('watch_degraded')).details).toMatchObject({ part: 'state_file' });
  });
});
