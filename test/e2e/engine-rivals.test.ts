/** Several watchers of one broker, on the real engine: one restart for a rotation, by the engine's own events. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Daemon, PROGRAM } from '../../lab/daemon.ts';
import { startEngineProxy } from '../../lab/engine-proxy.ts';
import { until } from '../../lab/until.ts';
import { all, describeWith, ENGINE, ROOT } from '../support/needs.ts';
import { copyProgram } from '../support/program-copy.ts';
import { type Broker, makeSet, SHORT, type Stage, test } from '../support/stage.ts';

const ROTATIONS = 20;
const NOBODY = 65_534;

/** Rotates again and again, each time when every watcher knows that the broker has the set. */
async function rotateOften(
  stage: Stage,
  broker: Broker,
  daemons: readonly Daemon[],
  times: number,
  first = 1,
) {
  for (let rotation = first; rotation < first + times; rotation++) {
    const from = daemons.map(({ lines }) => lines.length);
    await stage.certs.install(await makeSet());
    await until(`all watchers to be done with rotation ${rotation}`, () =>
      daemons.every(({ lines }, index) =>
        lines
          .slice(from[index])
          .some(({ event }) => event === 'restart_completed' || event === 'broker_already_current'),
      ),
    );
    // so that the next one does not wait for the cooldown
    await until('the cooldown to be over', async () => {
      const { startedAt } = await broker.inspect();
      return Date.now() - Date.parse(startedAt) > 3_500;
    });
    expect(broker.restarts(), `restarts after ${rotation} rotations`).toBe(rotation);
  }
}

function check(stage: Stage, broker: Broker) {
  const settings = { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: broker.engine.socketPath };
  const env = { ...settings, MOSQUITTO_CONTAINER: broker.name };
  const { status, stdout } = spawnSync(PROGRAM.node, [PROGRAM.main, 'check'], { env, encoding: 'utf8' });
  return { status, stdout };
}

const count = (daemons: readonly Daemon[], event: string) =>
  daemons.reduce((sum, daemon) => sum + daemon.count(event), 0);

describeWith(ENGINE, 'two watchers of one broker', () => {
  test('make one restart for each of 20 rotations, without a word of trouble', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemons = [stage.watch(broker), stage.watch(broker)];
    for (const daemon of daemons) await daemon.says('broker_already_current');
    await rotateOften(stage, broker, daemons, ROTATIONS);
    expect(count(daemons, 'restart_completed')).toBe(ROTATIONS);
    for (const event of ['broker_not_running', 'broker_unhealthy', 'restart_failed', 'cycle_failed'])
      expect(count(daemons, event), event).toBe(0);
  });

  test('go on when the first one is stopped, and when it is killed', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker({ stopTimeoutS: 1 });
    const first = stage.watch(broker);
    await first.says('broker_already_current');
    const second = stage.watch(broker);
    await second.says('broker_already_current');
    first.signal('SIGSTOP');
    await rotateOften(stage, broker, [second], 1);
    first.signal('SIGCONT');
    await first.says('broker_already_current', { skip: 1 });
    expect(broker.restarts()).toBe(1);
    await first.kill();
    await rotateOften(stage, broker, [second], 1, 2);
    expect(second.count('restart_completed')).toBe(2);
  });

  test('are told by check', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const one = stage.watch(broker);
    await one.says('broker_already_current');
    expect(check(stage, broker)).toMatchObject({
      status: 0,
      stdout: expect.not.stringMatching(/^ +watchers/m),
    });
    const other = stage.watch(broker);
    await other.says('broker_already_current');
    const { status, stdout } = check(stage, broker);
    expect(stdout).toMatch(
      new RegExp(`watchers +warning +2 watchers watch ${broker.name}: .*process (${one.pid}|${other.pid})`),
    );
    expect(status).toBe(1);
  });
});

describeWith(all(ENGINE, ROOT), 'a watcher that may not see what another one restarts', () => {
  test('lets it go first, and makes no second restart', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const socketPath = join(stage.directory, 'docker.sock');
    const access = { uid: 0, gid: NOBODY, mode: 0o660 };
    const proxy = await startEngineProxy({ target: stage.engine.socketPath, socketPath, access });
    stage.onEnd(() => proxy.close());
    // both run the same program, one that every user may run
    const program = await copyProgram();
    stage.onEnd(program.remove);
    const first = stage.watch(broker, {}, { program });
    await first.says('broker_already_current');
    const second = stage.watch(broker, { DOCKER_SOCK: socketPath }, { uid: NOBODY, gid: NOBODY, program });
    await second.says('broker_already_current');
    await rotateOften(stage, broker, [first, second], 5);
  });
});
