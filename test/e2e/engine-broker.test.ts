/** Brokers in every state: missing, stopped, crashed, deaf, dying, unhealthy. */

import { expect } from 'vitest';
import { until } from '../../lab/until.ts';
import { MEASURED } from '../support/measured.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { type Broker, nothingFollows, settled, test, watched } from '../support/stage.ts';

const GARBAGE = 'this is no configuration\n';

describeWith(ENGINE, 'a broker that is missing', () => {
  test('is waited for, and told once', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.remove();
    await rotate();
    const { details } = await daemon.says('restart_failed');
    await nothingFollows();
    expect(details).toMatchObject({ cause: 'container_missing', container: broker.name });
    expect(daemon.count('restart_failed')).toBe(1);
  });

  test('and is created and started later has read the files: no restart', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.remove();
    await rotate();
    await daemon.says('restart_failed');
    await broker.create();
    await broker.start();
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('and is created but never started is left alone', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.remove();
    await rotate();
    await daemon.says('restart_failed');
    await broker.create();
    await daemon.says('broker_not_running');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('and comes back is restarted for the rotations that follow', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.remove();
    await rotate();
    await daemon.says('restart_failed');
    await broker.create();
    await broker.start();
    await daemon.says('broker_already_current', { skip: 1 });
    await rotate();
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'a broker that does not run', () => {
  test('because the operator stopped it is left alone', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.stop();
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    await nothingFollows();
    expect(details).toMatchObject({ exit_code: 0, status: 'exited' });
    expect(await broker.inspect()).toMatchObject({ running: false });
    expect(broker.restarts()).toBe(0);
  });

  test('because the operator stopped it, and starts it again, needs no restart', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.stop();
    await rotate();
    await daemon.says('broker_not_running');
    await broker.start();
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('because it crashed is restarted for a rotation', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.kill('SIGKILL');
    await rotate();
    await settled(daemon);
    expect(await broker.inspect()).toMatchObject({ running: true });
    expect(broker.restarts()).toBe(1);
  });

  test('because it crashed is not restarted without a rotation', async ({ stage }) => {
    const { broker } = await watched(stage);
    await broker.kill('SIGKILL');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });
});

describeWith(ENGINE, 'a broker that does not come back well', () => {
  test('is told with its exit code, and not restarted a second time for the same set', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.listens();
    await broker.configure('mosquitto.conf', GARBAGE);
    await rotate();
    const { level, details } = await daemon.says('broker_unhealthy');
    await nothingFollows();
    expect({ level, exitCode: details['exit_code'] }).toEqual({
      level: 'error',
      exitCode: (await broker.inspect()).exitCode,
    });
    expect({ restarts: broker.restarts(), completed: daemon.count('restart_completed') }).toEqual({
      restarts: 1,
      completed: 0,
    });
  });

  test('is not restarted a second time by its watcher, however often its restart policy tries', async ({
    stage,
  }) => {
    const { broker, daemon, rotate } = await watched(stage, { restartPolicy: 'always' });
    await broker.listens();
    await broker.configure('mosquitto.conf', GARBAGE);
    await rotate();
    await daemon.says('broker_unhealthy');
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('is restarted for the next rotation', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    await broker.listens();
    await broker.configure('mosquitto.conf', GARBAGE);
    await rotate();
    await daemon.says('broker_unhealthy');
    await broker.configure('mosquitto.conf', 'listener 1883 127.0.0.1\nuser root\n');
    await rotate();
    await settled(daemon);
    expect(broker.restarts()).toBe(2);
  });

  test('because of its health check is told, and not restarted a second time', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(
      stage,
      { healthCheck: true },
      { RESTART_VERIFY_TIMEOUT: '3s' },
    );
    await rotate();
    const { details } = await daemon.says('broker_unhealthy');
    await nothingFollows();
    expect(details).toMatchObject({ health: 'unhealthy', status: 'running' });
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'a broker with a health check', () => {
  test('counts as restarted once it is healthy', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage, { healthCheck: true });
    await broker.configure('healthy', '');
    await until('it to be healthy', async () => (await broker.inspect()).health === 'healthy');
    await rotate();
    await settled(daemon);
    const completed = daemon.lines.find(({ event }) => event === 'restart_completed');
    expect(completed?.details).toMatchObject({ health: 'healthy' });
    expect(broker.restarts()).toBe(1);
  });

  test('may take its time: it is not said to be restarted before it is healthy', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage, { healthCheck: true });
    await rotate();
    await broker.events.next('restart');
    await nothingFollows();
    const tooEarly = daemon.count('restart_completed');
    await broker.configure('healthy', '');
    await settled(daemon);
    expect({ tooEarly, restarts: broker.restarts() }).toEqual({ tooEarly: 0, restarts: 1 });
  });
});

describeWith(ENGINE, 'a broker that is deaf to its stop signal', () => {
  /** Nobody handles SIGWINCH, so nothing happens. */
  const DEAF = { stopSignal: 'SIGWINCH' };

  /** From the engine's first signal to its last one: how long it takes to end the container after that is its own affair. */
  async function graceOf(broker: Broker): Promise<number> {
    const first = await broker.events.next('kill');
    await broker.events.next('die');
    const last = broker.events.all().findLast(({ action }) => action === 'kill') ?? first;
    return (last.atMs - first.atMs) / 1_000;
  }

  test('is killed after RESTART_STOP_TIMEOUT, and the restart is completed', MEASURED, async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage, DEAF, { RESTART_STOP_TIMEOUT: '1s' });
    await rotate();
    await settled(daemon);
    expect(await graceOf(broker)).toBeCloseTo(1, 0);
    expect(broker.restarts()).toBe(1);
  });

  test(
    "is killed after the container's own stop timeout where the settings have none",
    MEASURED,
    async ({ stage }) => {
      const { broker, daemon, rotate } = await watched(stage, { ...DEAF, stopTimeoutS: 3 });
      await rotate();
      await settled(daemon);
      expect(await graceOf(broker)).toBeCloseTo(3, 0);
      expect(broker.restarts()).toBe(1);
    },
  );

  test('is killed at once with RESTART_STOP_TIMEOUT=0', MEASURED, async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage, DEAF, { RESTART_STOP_TIMEOUT: '0' });
    await rotate();
    await settled(daemon);
    expect(await graceOf(broker)).toBeCloseTo(0, 0);
    expect(broker.restarts()).toBe(1);
  });
});
