/** A real Docker Swarm of one node, and watchers that race for one update of its service. */

import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { until } from '../../lab/until.ts';
import { APPLIED_LABEL } from '../../src/core/model/service.ts';
import { all, describeWith, ENGINE, program, ROOT, skipped } from '../support/needs.ts';
import { makeSet, nothingFollows, SHORT, type Stage, test } from '../support/stage.ts';
import { createSwarm, type Service, type Swarm } from '../support/swarm.ts';

const NEED = all(ENGINE, ROOT, program('dockerd'));

let swarm: Swarm;
let directory: string;

beforeAll(async () => {
  if (!NEED.ok) return;
  directory = await mkdtemp(join(tmpdir(), 'cert-watcher-swarm-'));
  swarm = await createSwarm(directory);
});

afterAll(async () => {
  if (!NEED.ok) return;
  await swarm.engine.end();
  await removeTree(directory);
});

/** A watcher of this service, as it runs on a manager. */
function watch(stage: Stage, name: string, settings: Readonly<Record<string, string>> = {}): Daemon {
  return stage.daemon({
    ...SHORT,
    CERT_DIR: stage.certs.path,
    DOCKER_SOCK: swarm.engine.api.socketPath,
    MOSQUITTO_SERVICE: name,
    ...settings,
  });
}

/** A service that has been running since after its certificates were written. */
async function service(stage: Stage, options: Parameters<Swarm['service']>[1] = {}): Promise<Service> {
  await stage.certs.install(await makeSet());
  return swarm.service(stage.certs.path, options);
}

const isRunning = (daemon: Daemon) => daemon.says('broker_already_current', { withinMs: 60_000 });

describeWith(NEED, 'a rotation of a real service', () => {
  test('is one update by the swarm’s own events, with three watchers that race for it', async ({ stage }) => {
    const mqtt = await service(stage);
    const daemons = [watch(stage, mqtt.name), watch(stage, mqtt.name), watch(stage, mqtt.name)];
    for (const daemon of daemons) await isRunning(daemon);
    for (let rotation = 1; rotation <= 2; rotation += 1) {
      await stage.certs.install(await makeSet());
      const ended = () => daemons.reduce((sum, daemon) => sum + daemon.count('restart_completed'), 0);
      await until('the update to be complete', () => ended() === rotation, { withinMs: 60_000 });
      for (const daemon of daemons) await until('every watcher to know', () => knowsOf(daemon) > rotation);
      await nothingFollows();
      expect(await mqtt.updates()).toBe(rotation);
    }
    const { labels, forceUpdate } = await mqtt.state();
    expect(forceUpdate).toBe(2);
    expect(labels[APPLIED_LABEL]).toMatch(/^[0-9a-f]{64}$/);
    const progress = daemons
      .flatMap(({ lines }) => lines)
      .filter(({ event }) => event === 'service_updating');
    expect(progress.map(({ details }) => details['updated'])).toEqual(expect.arrayContaining([1, 2]));
  });

  test('whose tasks die is rolled back by the swarm, told, and not made again; the next one is', async ({
    stage,
  }) => {
    const mqtt = await service(stage, { failureAction: 'rollback' });
    const daemons = [watch(stage, mqtt.name), watch(stage, mqtt.name)];
    for (const daemon of daemons) await isRunning(daemon);
    await mqtt.breakConfiguration(true);
    await stage.certs.install(await makeSet());
    await until('the roll-back', async () => /^rollback/.test((await mqtt.state()).update ?? ''), {
      withinMs: 60_000,
    });
    await mqtt.breakConfiguration(false);
    for (const daemon of daemons) await daemon.says('broker_unhealthy', { withinMs: 60_000 });
    const successor = watch(stage, mqtt.name);
    await successor.says('broker_unhealthy', { withinMs: 60_000 });
    await nothingFollows();
    expect(await mqtt.updates()).toBe(1);
    expect((await mqtt.state()).forceUpdate).toBe(0);
    await stage.certs.install(await makeSet());
    await until('the next update', async () => (await mqtt.state()).update === 'completed', {
      withinMs: 60_000,
    });
    await nothingFollows();
    expect(await mqtt.updates()).toBe(2);
  });

  test('that the swarm has paused is told, and not made again', async ({ stage }) => {
    const mqtt = await service(stage, { failureAction: 'pause' });
    const daemon = watch(stage, mqtt.name);
    await isRunning(daemon);
    await mqtt.breakConfiguration(true);
    await stage.certs.install(await makeSet());
    const { details } = await daemon.says('broker_unhealthy', { withinMs: 60_000 });
    expect(details).toMatchObject({ container: mqtt.name, error: expect.stringMatching(/paused/) });
    await mqtt.breakConfiguration(false);
    await nothingFollows();
    expect(await mqtt.updates()).toBe(1);
  });

  test('goes on while the manager cannot be reached, and is told as complete when it can', async ({
    stage,
  }) => {
    const mqtt = await service(stage);
    const socket = join(stage.directory, 'manager.sock');
    await symlink(swarm.engine.api.socketPath, socket);
    const daemon = watch(stage, mqtt.name, { DOCKER_SOCK: socket });
    await isRunning(daemon);
    await stage.certs.install(await makeSet());
    await daemon.says('service_updating');
    await rm(socket);
    const isBlind = () => daemon.lines.some(({ details }) => details['cause'] === 'socket_missing');
    await until('the update to be out of sight', isBlind);
    await until('the update to end', async () => (await mqtt.state()).update === 'completed', {
      withinMs: 60_000,
    });
    await symlink(swarm.engine.api.socketPath, socket);
    await daemon.says('restart_completed');
    await nothingFollows();
    expect(await mqtt.updates()).toBe(1);
    expect(daemon.count('restart_failed') + daemon.count('restart_suppressed_cooldown')).toBe(0);
  });

  test('waits for a service that is not there yet', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const daemon = watch(stage, 'no-such-service');
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'service_missing', error: 'there is no service no-such-service' });
  });

  test('is refused by an engine that manages no swarm, with the cause', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const daemon = watch(stage, 'any', { DOCKER_SOCK: stage.engine.socketPath });
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'not_a_manager', hint: expect.stringContaining('manager') });
  });
});

describe.skipIf(!NEED.ok)(`a manager that is stopped and started${skipped(NEED)}`, () => {
  test('gets the set that came meanwhile once, by an update or by the start of its tasks', async ({
    stage,
  }) => {
    const mqtt = await service(stage);
    const daemon = watch(stage, mqtt.name);
    await isRunning(daemon);
    await swarm.engine.stop();
    await stage.certs.install(await makeSet());
    await daemon.says('restart_failed');
    await swarm.engine.start();
    await until('the set to be known', () => knowsOf(daemon) > 1, { withinMs: 60_000 });
    await nothingFollows();
    const { forceUpdate } = await mqtt.state();
    expect(forceUpdate).toBeLessThanOrEqual(1);
    // tasks that are only made after the update was accepted have its specification from the start
    expect(await mqtt.updates()).toBeLessThanOrEqual(forceUpdate);
  });
});

/** How many sets this watcher knows the service to have had. */
function knowsOf(daemon: Daemon): number {
  return daemon.count('restart_completed') + daemon.count('broker_already_current');
}
