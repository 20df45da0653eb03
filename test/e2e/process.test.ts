/** The process itself: its signals and how it ends. Needs no engine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Daemon, PROGRAM } from '../../lab/daemon.ts';
import { until } from '../../lab/until.ts';
import { describeMeasured, MEASURED } from '../support/measured.ts';
import { describeWith, NAME_SPACES } from '../support/needs.ts';
import { OWN_RESOLVER, silentResolver } from '../support/silent-resolver.ts';
import { makeSet, nothingFollows, SHORT, test, watchWithoutEngine } from '../support/stage.ts';

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
