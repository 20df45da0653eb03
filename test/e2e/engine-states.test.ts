/** What a broker may be doing when a rotation comes for it, by a real engine: starting for long, paused, stopped. */

import { expect } from 'vitest';
import { TINI } from '../../lab/broker-image.ts';
import type { Daemon } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { MEASURED } from '../support/measured.ts';
import { all, describeWith, ENGINE, program } from '../support/needs.ts';
import {
  type BrokerOptions,
  makeSet,
  nothingFollows,
  type Stage,
  settled,
  test,
  watched,
} from '../support/stage.ts';

/** As above, and its health check passes from the beginning. */
async function watchedAndHealthy(
  stage: Stage,
  healthCheck: NonNullable<BrokerOptions['healthCheck']>,
  settings: Record<string, string>,
) {
  await stage.certs.install(await makeSet());
  const broker = await stage.broker({ healthCheck, started: false });
  await broker.configure('healthy', '');
  await broker.start();
  const daemon = stage.watch(broker, settings);
  await daemon.says('broker_already_current');
  return { broker, daemon, rotate: async () => stage.certs.install(await makeSet()) };
}

const lineOf = (daemon: Daemon, event: string) => daemon.lines.find((line) => line.event === event);

describeWith(ENGINE, 'a broker whose health check takes longer than RESTART_VERIFY_TIMEOUT', () => {
  const SLOW = { Interval: 3e9, Timeout: 10e9 };
  const SHORTER = { RESTART_VERIFY_TIMEOUT: '1s' };

  test('is told to be starting, and its restart is completed when the check passes', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedAndHealthy(stage, SLOW, SHORTER);
    await rotate();
    await settled(daemon);
    expect(lineOf(daemon, 'broker_starting')?.details).toMatchObject({ health: 'starting' });
    expect(lineOf(daemon, 'restart_completed')?.details).toMatchObject({ health: 'healthy' });
    expect(Number(lineOf(daemon, 'restart_completed')?.details['duration_ms'])).toBeGreaterThan(3_000);
    expect({ restarts: broker.restarts(), unhealthy: daemon.count('broker_unhealthy') }).toEqual({
      restarts: 1,
      unhealthy: 0,
    });
  });

  test('by the settings of its image gets their time', async ({ stage }) => {
    const imageChange = 'HEALTHCHECK --interval=3s --timeout=10s CMD ["/bin/sh", "-c", "true"]';
    const { daemon, rotate } = await watched(stage, { imageChange }, SHORTER);
    await rotate();
    await settled(daemon);
    expect([daemon.count('broker_starting'), daemon.count('broker_unhealthy')]).toEqual([1, 0]);
  });

  test('that is switched off has none', async ({ stage }) => {
    const { daemon, rotate } = await watched(stage, { healthCheck: { Test: ['NONE'] } }, SHORTER);
    await rotate();
    await settled(daemon);
    expect(lineOf(daemon, 'restart_completed')?.details).not.toHaveProperty('health');
    expect(daemon.count('broker_starting')).toBe(0);
  });

  test('is not well when the check fails, and is not restarted a second time', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedAndHealthy(stage, { ...SLOW, Retries: 1 }, SHORTER);
    await broker.withdraw('healthy');
    await rotate();
    const { details } = await daemon.says('broker_unhealthy');
    await nothingFollows();
    expect(details).toMatchObject({
      error: 'its health check says unhealthy',
      health: 'unhealthy',
      hint: expect.stringContaining('docker inspect'),
    });
    expect({ starting: daemon.count('broker_starting'), restarts: broker.restarts() }).toEqual({
      starting: 1,
      restarts: 1,
    });
  });

  test(
    'keeps a watcher that is told to stop no longer than that, and its successor restarts nothing',
    MEASURED,
    async ({ stage }) => {
      const { broker, daemon, rotate } = await watchedAndHealthy(stage, SLOW, SHORTER);
      await rotate();
      await daemon.says('broker_starting');
      const toldMs = performance.now();
      daemon.signal('SIGTERM');
      expect(await daemon.ended).toMatchObject({ code: 0 });
      expect(performance.now() - toldMs).toBeLessThan(1_500);
      const successor = stage.watch(broker, SHORTER);
      await successor.says('broker_already_current');
      await nothingFollows();
      expect(broker.restarts()).toBe(1);
    },
  );

  test('lets the loop and /healthz go on', async ({ stage }) => {
    const port = await closedPort();
    const metrics = { ENABLE_METRICS: 'true', METRICS_PORT: `${port}`, METRICS_HOST: '127.0.0.1' };
    const { daemon, rotate } = await watchedAndHealthy(stage, SLOW, { ...SHORTER, ...metrics });
    await rotate();
    await daemon.says('broker_starting');
    const health = await fetch(`http://127.0.0.1:${port}/healthz`);
    const status = await fetch(`http://127.0.0.1:${port}/status.json`);
    expect(health.status).toBe(200);
    expect(await status.json()).toMatchObject({
      decision: { reason: 'broker_starting', rotation_pending: true },
      broker: { status: 'running', health: 'starting' },
    });
    await settled(daemon);
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toMatch(/last_restart_success 1$/m);
    expect(text).toMatch(/broker_well\{container="[^"]+"\} 1$/m);
  });
});

describeWith(ENGINE, 'a paused broker', () => {
  test('is left alone, told, and restarted when it goes on', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.pause();
    await rotate();
    const { level, details } = await daemon.says('broker_paused');
    await nothingFollows();
    expect({ level, status: details['status'], now: (await broker.inspect()).status }).toEqual({
      level: 'warn',
      status: 'paused',
      now: 'paused',
    });
    expect(broker.restarts()).toBe(0);
    await broker.unpause();
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('of a pair keeps the other one from being restarted', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const left = await stage.broker();
    const right = await stage.broker();
    const daemon = stage.watch(left, { MOSQUITTO_CONTAINER: `${left.name},${right.name}` });
    await daemon.says('broker_already_current', { skip: 1 });
    await left.pause();
    await stage.certs.install(await makeSet());
    const { details } = await daemon.says('roll_stopped');
    await nothingFollows();
    expect(details).toMatchObject({ container: left.name, error: 'is paused' });
    expect([left.restarts(), right.restarts()]).toEqual([0, 0]);
    await left.unpause();
    await settled(daemon, 2);
    expect([left.restarts(), right.restarts()]).toEqual([1, 1]);
  });

  test('that was paused after its restart is verified when it goes on', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await rotate();
    await broker.events.next('restart');
    await broker.pause();
    await daemon.says('broker_paused');
    expect(daemon.count('restart_completed')).toBe(0);
    await broker.unpause();
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(all(ENGINE, program(TINI)), 'a broker that was stopped', () => {
  test('under an init, with exit code 143, is left alone', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage, { underInit: true });
    await broker.stop();
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    await nothingFollows();
    expect([details['exit_code'], broker.restarts()]).toEqual([143, 0]);
  });

  for (const restartPolicy of ['always', 'unless-stopped', 'on-failure'] as const) {
    test(`under the restart policy ${restartPolicy}, and had to be killed, is left alone`, async ({
      stage,
    }) => {
      const deaf = { stopSignal: 'SIGWINCH', restartPolicy };
      const { broker, daemon, rotate } = await watched(stage, deaf);
      await broker.engine.ask('POST', `/containers/${broker.name}/stop?t=0`);
      await rotate();
      const { details } = await daemon.says('broker_not_running');
      await nothingFollows();
      expect([details['exit_code'], broker.restarts()]).toEqual([137, 0]);
    });
  }
});

describeWith(ENGINE, 'a broker that the engine cannot start', () => {
  test('is told a second after its restart, with a next try that is not over, and restarted when it can be', async ({
    stage,
  }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker({ needs: 'needed', restartPolicy: 'always' });
    const daemon = stage.watch(broker, { RESTART_VERIFY_TIMEOUT: '20s', RESTART_COOLDOWN: '3s' });
    await daemon.says('broker_already_current');
    await broker.withdraw('needed');
    await stage.certs.install(await makeSet());
    const { details, timestamp } = await daemon.says('restart_failed');
    expect(details).toMatchObject({
      cause: 'engine_error',
      message: expect.stringContaining('does not run'),
    });
    expect(Number(details['duration_ms'])).toBeLessThan(8_000);
    expect(Date.parse(String(details['next_try']))).toBeGreaterThanOrEqual(Date.parse(timestamp));
    await broker.configure('needed', '');
    await settled(daemon);
    expect(await broker.inspect()).toMatchObject({ running: true });
  });

  test('is not taken for one that was stopped, whatever its restart policy', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker({ needs: 'needed', restartPolicy: 'always' });
    await broker.withdraw('needed');
    await broker.engine.call('POST', `/containers/${broker.name}/restart?t=5`);
    await broker.configure('needed', '');
    await stage.certs.install(await makeSet());
    const daemon = stage.watch(broker);
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});
