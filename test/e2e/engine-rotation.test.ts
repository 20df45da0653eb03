/** When the engine hears of a rotation, and how often; by the engine's own events. */

import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Daemon, PROGRAM } from '../../lab/daemon.ts';
import { quietly, until } from '../../lab/until.ts';
import { describeMeasured } from '../support/measured.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { type Broker, makeSet, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

describeWith(ENGINE, 'a rotation', () => {
  test('counts from the last write: a slow writer is waited for', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, { STABILITY_WINDOW: '4s' });
    await daemon.says('broker_already_current');
    for (let round = 0; round < 5; round += 1) {
      await stage.certs.install(await makeSet());
      await quietly(1_000, 'less than the window');
    }
    const lastMs = await stage.certs.install(await makeSet());
    await settled(daemon);
    const kill = await broker.events.next('kill');
    expect(broker.restarts()).toBe(1);
    expect(kill.atMs - lastMs).toBeGreaterThan(3_990);
  });

  test('with the same certificates, rewritten or touched, restarts nothing', async ({ stage }) => {
    const set = await makeSet();
    await stage.certs.install(set);
    const broker = await stage.broker();
    const daemon = stage.watch(broker);
    await daemon.says('broker_already_current');
    await stage.certs.rewrite(set);
    await nothingFollows();
    await stage.certs.touch();
    await nothingFollows();
    await stage.certs.install(set);
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('that the broker was started after restarts nothing: it has read the files already', async ({
    stage,
  }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker);
    await daemon.says('broker_already_current');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('while the watcher is down is not lost: one restart when it is back', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const before = stage.watch(broker);
    await before.says('broker_already_current');
    await before.kill();
    await stage.certs.install(await makeSet());
    await settled(stage.watch(broker));
    expect(broker.restarts()).toBe(1);
  });

  test('while the watcher is down is not lost with a state file either', async ({ stage }) => {
    const state = { STATE_FILE: join(stage.directory, 'state.json') };
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const before = stage.watch(broker, state);
    await before.says('broker_already_current');
    await before.kill();
    await stage.certs.install(await makeSet());
    await settled(stage.watch(broker, state));
    expect(broker.restarts()).toBe(1);
  });

  test('that somebody has restarted the broker for by hand restarts nothing', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, { STABILITY_WINDOW: '3s' });
    await daemon.says('broker_already_current');
    const deferredBefore = daemon.count('restart_deferred');
    await stage.certs.install(await makeSet());
    await daemon.says('restart_deferred', { skip: deferredBefore });
    await broker.stop();
    await broker.start();
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('with restarts disabled is told once and done never', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, { ENABLE_RESTART: 'false' });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await daemon.says('restart_disabled');
    await nothingFollows();
    expect({ restarts: broker.restarts(), told: daemon.count('restart_disabled') }).toEqual({
      restarts: 0,
      told: 1,
    });
  });
});

describeWith(ENGINE, 'the cooldown', () => {
  const COOLDOWN = { RESTART_COOLDOWN: '6s' };

  test('holds a second rotation back, says so once, and lets it through at its end: exactly two', async ({
    stage,
  }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker, COOLDOWN);
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet());
    await daemon.says('restart_completed');
    await stage.certs.install(await makeSet());
    await daemon.says('restart_suppressed_cooldown');
    await settled(daemon, 2);
    expect({ restarts: broker.restarts(), told: daemon.count('restart_suppressed_cooldown') }).toEqual({
      restarts: 2,
      told: 1,
    });
  });

  test('lies between any two restarts', async ({ stage }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker, COOLDOWN);
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet());
    const first = await broker.events.next('restart');
    await stage.certs.install(await makeSet());
    const second = await broker.events.next('kill', { skip: 1 });
    expect(second.atMs - first.atMs).toBeGreaterThan(5_990);
  });

  test('swallows an excursion: A, B and A again within it restart nothing more', async ({ stage }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker, COOLDOWN);
    await daemon.says('cert_missing');
    const setA = await makeSet();
    await stage.certs.install(setA);
    await daemon.says('restart_completed');
    await stage.certs.install(await makeSet());
    await daemon.says('restart_suppressed_cooldown');
    await stage.certs.install(setA);
    await quietly(6_000 + 2_000, 'the cooldown and then window and several check intervals');
    expect(broker.restarts()).toBe(1);
  });

  test('bounds twenty rapid rotations to one restart per cooldown', async ({ stage }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker, { RESTART_COOLDOWN: '4s', STABILITY_WINDOW: '100ms' });
    await daemon.says('cert_missing');
    for (let round = 0; round < 20; round += 1) {
      await stage.certs.install(await makeSet());
      await quietly(500, 'five times the window: each of them is worth a restart');
    }
    await until(
      'the last set to be applied',
      () => lastFingerprint(daemon, 'restart_completed') === lastFingerprint(daemon, 'cert_parsed'),
    );
    const restarts = broker.events.all().filter(({ action }) => action === 'restart');
    const gaps = restarts.slice(1).map(({ atMs }, index) => atMs - (restarts[index]?.atMs ?? Number.NaN));
    expect(Math.min(...gaps)).toBeGreaterThan(3_990);
  });
});

describeMeasured(ENGINE, 'a rotation by default', () => {
  // three watchers that poll at different phases of the 5 s; one of them may be held up by the machine
  test('reaches the engine within 0.1 s of the end of the stability window, never before it', async ({
    stage,
  }) => {
    await stage.certs.install(await makeSet());
    const brokers = [await stage.broker(), await stage.broker(), await stage.broker()];
    const yardstick = await sleeper(stage);
    for (const broker of brokers) {
      await stage.daemon(defaultsFor(stage, broker)).says('broker_already_current');
      await quietly(1_300, 'so that the next one polls at another phase');
    }
    await stage.certs.install(await makeSet());
    const { ctimeMs } = await stat(join(stage.certs.path, 'client.key'));
    const endMs = ctimeMs + 10_000;
    yardstick.restartAt(endMs);
    const killOf = async ({ events }: Broker) => (await events.next('kill', { withinMs: 30_000 })).atMs;
    const kills = await Promise.all([...brokers, yardstick.broker].map(killOf));
    const ofTheMachine = (kills.pop() ?? Number.NaN) - endMs;
    const [earliest = Number.NaN, median = Number.NaN] = kills
      .map((atMs) => atMs - endMs)
      .toSorted((one, other) => one - other);
    // the kernel stamps files with a clock that is some milliseconds behind
    expect(earliest).toBeGreaterThan(-5);
    expect(median - ofTheMachine).toBeLessThan(100);
  });
});

/**
 * A broker, and a process of the same runtime that sleeps, and then asks the engine for the same as a watcher, without
 * anything to decide. A machine that has long been idle takes a tenth of a second for that.
 */
async function sleeper(stage: Stage) {
  const broker = await stage.broker();
  const child = spawn(PROGRAM.node, ['-e', SLEEPER, broker.engine.socketPath, broker.name]);
  stage.onEnd(() => child.kill('SIGKILL'));
  return { broker, restartAt: (wallMs: number) => child.stdin.write(`${wallMs}\n`) };
}

const SLEEPER = `
  const { request } = require('node:http');
  const [socketPath, name] = process.argv.slice(1);
  const ask = (method, path) => new Promise((done, fail) => {
    request({ socketPath, method, path }, (answer) => answer.resume().on('end', done)).on('error', fail).end();
  });
  process.stdin.once('data', (wallMs) => setTimeout(async () => {
    await ask('GET', '/_ping');
    await ask('GET', '/containers/' + name + '/json');
    await ask('POST', '/containers/' + name + '/restart?t=10');
  }, Number(wallMs) - Date.now()));
`;

function lastFingerprint(daemon: Daemon, event: string): unknown {
  return daemon.lines.findLast((line) => line.event === event)?.details['fingerprint'];
}

/** Everything by default but what has to be told. */
function defaultsFor(stage: Stage, broker: Broker) {
  return {
    CERT_DIR: stage.certs.path,
    MOSQUITTO_CONTAINER: broker.name,
    DOCKER_SOCK: broker.engine.socketPath,
    ENABLE_TLS_PROBE: 'false',
  };
}
