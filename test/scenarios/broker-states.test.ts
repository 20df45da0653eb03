/** What a broker may be doing when a rotation comes for it: starting for long, paused, stopped with any exit code. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { snapshotOf } from '../../lab/situations.ts';
import { createWorld, type HealthCheck, type World, type WorldOptions } from '../../lab/world.ts';
import type { ContainerState } from '../../src/core/model/container.ts';
import { isAlive } from '../../src/core/status/liveness.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;
const RESTART_MS = 300;
const SETTLE_MS = 2_000;
const VERIFY_MS = 30_000;
/** how long the health check of the simulated broker may need */
const NEEDS_MS = 190_000;
/** when a broker is known to have come up after a rotation */
const UP_MS = WINDOW_MS + RESTART_MS + SETTLE_MS;

/** Docker's default interval is as long as the default of RESTART_VERIFY_TIMEOUT, and this is longer than both. */
const SLOW: HealthCheck = { says: 'healthy', afterMs: 45_000 };
const FAILS: HealthCheck = { says: 'unhealthy', afterMs: 90_000 };
const NEVER: HealthCheck = { says: 'healthy', afterMs: Number.POSITIVE_INFINITY };

/** Brokers that have loaded A and are well, and a watcher that has nothing to do. From now on they have this health check. */
async function settled({ check, ...options }: WorldOptions & { check?: HealthCheck } = {}) {
  const world = createWorld(options);
  world.write('A');
  await world.advance(1_000);
  for (const [name, broker] of world.brokers) {
    broker.check = check && SLOW;
    world.startByHand(name);
  }
  await world.advance(HOUR_MS);
  const watcher = world.startWatcher();
  await world.advance(HOUR_MS);
  for (const broker of world.brokers.values()) broker.check = check;
  return { world, watcher };
}

function change(world: World, state: Partial<ContainerState>, name = 'eclipse-mosquitto') {
  const broker = world.brokerCalled(name);
  if (broker.state !== undefined) broker.state = { ...broker.state, ...state };
}

const toldOf = (world: World) => world.events('broker_starting', 'restart_completed', 'broker_unhealthy');
const eventsOf = (world: World) => toldOf(world).map(({ event }) => event);

describe('a restart of a broker with a health check', () => {
  it('is completed when the check passes, however much longer than RESTART_VERIFY_TIMEOUT that takes', async () => {
    const { world } = await settled({ check: SLOW });
    world.write('B');
    await world.advance(HOUR_MS);
    expect(eventsOf(world)).toEqual(['broker_starting', 'restart_completed']);
    const [, completed] = toldOf(world);
    expect(completed?.details).toMatchObject({ fingerprint: 'B', health: 'healthy' });
    const tookMs = Number(completed?.details['duration_ms']);
    expect(tookMs).toBeGreaterThanOrEqual(RESTART_MS + SLOW.afterMs + SETTLE_MS);
    expect(tookMs).toBeLessThan(RESTART_MS + SLOW.afterMs + SETTLE_MS + 2_000);
  });

  it('says once, when the broker is up, until when at the latest its check is waited for', async () => {
    const { world } = await settled({ check: SLOW });
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(UP_MS + 5_000);
    const [starting, ...more] = toldOf(world);
    expect(more).toEqual([]);
    expect(starting).toMatchObject({ atMs: writtenMs + UP_MS, details: { health: 'starting' } });
    expect(starting?.details['healthy_by']).toBe('2026-03-01T14:03:23Z');
  });

  it('has failed when the check fails, with what to look at, and the broker is not restarted again', async () => {
    const { world } = await settled({ check: FAILS });
    world.write('B');
    await world.advance(HOUR_MS);
    expect(eventsOf(world)).toEqual(['broker_starting', 'broker_unhealthy']);
    expect(toldOf(world)[1]?.details).toMatchObject({
      error: 'its health check says unhealthy',
      health: 'unhealthy',
      hint: expect.stringContaining('docker inspect'),
    });
    expect(world.restarts).toHaveLength(1);
  });

  it('has failed when the check has not come in the time that it may need', async () => {
    const { world } = await settled({ check: NEVER });
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(HOUR_MS);
    expect(toldOf(world)[1]).toMatchObject({
      event: 'broker_unhealthy',
      details: { error: 'its health check has not passed within 3m10s' },
    });
    expect(toldOf(world)[1]?.atMs).toBeLessThanOrEqual(writtenMs + UP_MS + NEEDS_MS + 1_000);
  });

  it('keeps the loop turning and everything well meanwhile', async () => {
    const { world } = await settled({ check: SLOW, settings: { metricsEnabled: true } });
    world.write('B');
    await world.advance(UP_MS);
    for (let ms = 0; ms < SLOW.afterMs - SETTLE_MS; ms += 1_000) {
      await world.advance(1_000);
      const snapshot = snapshotOf(world);
      expect([isAlive(snapshot, world.clock.now().monoMs), snapshot.assessment.level]).toEqual([true, 'ok']);
      expect(snapshot.cycle).toMatchObject({ reason: 'broker_starting', pending: true });
    }
  });

  it('counts as a success when it is one', async () => {
    const { world } = await settled({ check: SLOW });
    world.write('B');
    await world.advance(HOUR_MS);
    const { restarts, totals, restartingSinceMs } = snapshotOf(world);
    expect(restarts.map(({ result }) => result)).toEqual(['verified']);
    expect([totals.restarts, totals.restartFailures.broker_unhealthy, restartingSinceMs]).toEqual([
      1,
      0,
      undefined,
    ]);
  });

  it.each([true, false])(
    'keeps a watcher that is told to stop for RESTART_VERIFY_TIMEOUT at most, and its successor restarts nothing (state file: %s)',
    async (withStateFile) => {
      const { world, watcher } = await settled({ check: SLOW, withStateFile });
      world.write('B');
      await world.advance(UP_MS + 100);
      const before = world.clock.elapsedMs();
      await watcher.stop();
      expect(world.publications.filter(({ wallMs }) => wallMs > fix.EPOCH_MS + before + 100)).toEqual([]);
      world.startWatcher();
      await world.advance(HOUR_MS);
      expect(world.restarts).toHaveLength(1);
    },
  );

  it.each([
    ['restart_completed', 'passes', { says: 'healthy', afterMs: 10_000 }],
    ['broker_unhealthy', 'fails', { says: 'unhealthy', afterMs: 10_000 }],
  ] as const)(
    'is told (%s) by a watcher that is told to stop, where its check %s within that time',
    async (event, _, check) => {
      const { world, watcher } = await settled({ check });
      world.write('B');
      await world.advance(UP_MS + 100);
      await watcher.stop();
      expect(eventsOf(world)).toEqual(['broker_starting', event]);
    },
  );

  it('keeps a watcher that is told to stop no longer where the broker is paused: a pause has no end', async () => {
    const { world, watcher } = await settled({ check: SLOW });
    world.write('B');
    await world.advance(UP_MS + 100);
    change(world, { status: 'paused' });
    await watcher.stop();
    expect(eventsOf(world)).toEqual(['broker_starting']);
  });

  it('is concluded for its own set when other files lie there by then, and they have their turn after that', async () => {
    const { world } = await settled({ check: SLOW, settings: { cooldownMs: 1_000 } });
    world.write('B');
    await world.advance(UP_MS + 5_000);
    world.write('C');
    await world.advance(HOUR_MS);
    expect(toldOf(world).map(({ event, details }) => [event, details['fingerprint']])).toEqual([
      ['broker_starting', 'B'],
      ['restart_completed', 'B'],
      ['broker_starting', 'C'],
      ['restart_completed', 'C'],
    ]);
  });

  it('is concluded where the files have gone meanwhile', async () => {
    const { world } = await settled({ check: SLOW });
    world.write('B');
    await world.advance(UP_MS + 5_000);
    world.put({ kind: 'incomplete', identity: 'gone', complaints: [] });
    await world.advance(HOUR_MS);
    expect(eventsOf(world)).toEqual(['broker_starting', 'restart_completed']);
  });

  it('is concluded after the engine was silent for a while', async () => {
    const { world } = await settled({ check: SLOW });
    world.write('B');
    await world.advance(UP_MS + 5_000);
    world.engineDown = fix.engineFailure();
    await world.advance(SLOW.afterMs);
    world.engineDown = undefined;
    await world.advance(HOUR_MS);
    expect(eventsOf(world)).toEqual(['broker_starting', 'restart_completed']);
  });

  it('says nothing more of a broker whose check has passed before it was believed to be up', async () => {
    const { world } = await settled({ check: { says: 'healthy', afterMs: 500 } });
    world.write('B');
    await world.advance(HOUR_MS);
    expect(eventsOf(world)).toEqual(['restart_completed']);
  });
});

describe('a pair of brokers with health checks', () => {
  const pair = (check: HealthCheck) => settled({ brokers: ['left', 'right'], check });

  it('is restarted one by one, the second when the check of the first has passed', async () => {
    const { world } = await pair(SLOW);
    world.write('B');
    await world.advance(HOUR_MS);
    const [left, right] = world.restarts;
    expect([left?.container, right?.container]).toEqual(['left', 'right']);
    expect((right?.atMs ?? 0) - (left?.atMs ?? 0)).toBeGreaterThan(SLOW.afterMs);
    expect(world.events('roll_stopped')).toEqual([]);
  });

  it('is not rolled on when the check of the first fails', async () => {
    const { world } = await pair(FAILS);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts).toHaveLength(1);
    expect(world.events('roll_stopped')[0]?.details).toMatchObject({
      container: 'left',
      error: 'fails its health check',
    });
  });

  it('is not rolled on, and that is told, when the check of the first never comes', async () => {
    const { world } = await pair(NEVER);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts).toHaveLength(1);
    expect(world.events('roll_stopped')).toHaveLength(1);
  });

  it('is restarted one by one also where both have crashed', async () => {
    const { world } = await pair(SLOW);
    for (const name of world.brokers.keys())
      change(world, { up: false, status: 'exited', exitCode: 1, finishedAt: 'by a crash' }, name);
    world.write('B');
    await world.advance(HOUR_MS);
    const [left, right] = world.restarts;
    expect((right?.atMs ?? 0) - (left?.atMs ?? 0)).toBeGreaterThan(SLOW.afterMs);
  });
});

describe('a paused broker', () => {
  it('is left alone for a rotation, which is told with what to do', async () => {
    const { world } = await settled();
    world.pause();
    world.write('B');
    await world.advance(HOUR_MS / 2);
    expect(world.asks).toEqual([]);
    const [paused, ...more] = world.events('broker_paused');
    expect(more).toEqual([]);
    expect(paused?.details).toMatchObject({
      container: 'eclipse-mosquitto',
      status: 'paused',
      message:
        'eclipse-mosquitto is paused and is left alone: it is restarted for the new certificates once it is resumed',
      hint: expect.stringContaining('docker unpause eclipse-mosquitto'),
    });
  });

  it('is restarted as soon as it goes on', async () => {
    const { world } = await settled();
    world.pause();
    world.write('B');
    await world.advance(HOUR_MS);
    const goesOnMs = world.elapsedMs();
    world.unpause();
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
    expect((world.restarts[0]?.atMs ?? 0) - goesOnMs).toBeLessThanOrEqual(
      world.settings.checkIntervalMs + RESTART_MS,
    );
  });

  it('is no broker that is well', async () => {
    const { world } = await settled({ settings: { metricsEnabled: true } });
    world.pause();
    await world.advance(HOUR_MS);
    expect(snapshotOf(world).assessment).toMatchObject({
      level: 'warning',
      sentence: 'eclipse-mosquitto is paused',
    });
    expect(world.events('broker_paused')).toEqual([]);
  });

  it('gets no signal', async () => {
    const { world } = await settled({
      settings: { reloadStrategy: 'sighup' },
      brokerUrl: { tls: false, host: 'broker', port: 1883 },
    });
    world.hearBridges(fix.sight([fix.bridge()]));
    await world.advance(1_000);
    world.pause();
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.asks]).toEqual([0, []]);
  });

  it('is not restarted either where it is paused while a signal is given its time', async () => {
    const { world } = await settled({
      settings: { reloadStrategy: 'sighup' },
      brokerUrl: { tls: false, host: 'broker', port: 1883 },
    });
    world.hearBridges(fix.sight([fix.bridge()]));
    await world.advance(1_000);
    world.write('B');
    await world.advance(WINDOW_MS + 5_000);
    expect(world.hangUps).toBe(1);
    world.pause();
    await world.advance(HOUR_MS / 2);
    expect(world.asks).toEqual([]);
    expect(world.events('broker_paused')).toHaveLength(1);
    expect(snapshotOf(world).restartingSinceMs).toBeUndefined();
    world.unpause();
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('of a pair keeps the other one from being restarted, which is told', async () => {
    const { world } = await settled({ brokers: ['left', 'right'] });
    world.pause('left');
    world.write('B');
    await world.advance(HOUR_MS / 2);
    expect(world.asks).toEqual([]);
    expect(world.events('roll_stopped')[0]?.details).toMatchObject({
      container: 'left',
      error: 'is paused',
      hint: expect.stringContaining('docker unpause left'),
    });
    world.unpause('left');
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ container }) => container).toSorted()).toEqual(['left', 'right']);
  });

  it('after its restart is told, and the restart is completed when it goes on', async () => {
    const { world } = await settled();
    world.write('B');
    await world.advance(WINDOW_MS + RESTART_MS + 500);
    world.pause();
    await world.advance(HOUR_MS / 2);
    expect(world.events('broker_paused')).toHaveLength(1);
    expect(eventsOf(world)).toEqual([]);
    world.unpause();
    await world.advance(10_000);
    expect(world.events('restart_completed')).toHaveLength(1);
    expect(world.restarts).toHaveLength(1);
  });
});

describe('a broker that does not run', () => {
  const policy = (name: string) => ({ restartPolicy: { name, retries: 0 } });

  it.each<[string, Partial<ContainerState>]>([
    ['143, as an init ends with at docker stop', { exitCode: 143 }],
    ['130', { exitCode: 130 }],
    ['137 under a restart policy that would have started it again', { exitCode: 137, ...policy('always') }],
  ])('was stopped, and is left alone, where it ended with %s', async (_, state) => {
    const { world } = await settled();
    change(world, { up: false, status: 'exited', finishedAt: 'by hand', ...state });
    world.write('B');
    await world.advance(HOUR_MS / 2);
    expect([world.asks, world.events('broker_not_running').length]).toEqual([[], 1]);
  });

  it.each<[string, Partial<ContainerState>]>([
    ['137', { exitCode: 137 }],
    ['0 by the kernel', { exitCode: 0, oomKilled: true }],
    [
      'an error of the engine, which could not start it',
      { exitCode: 128, startError: 'no such device', ...policy('always') },
    ],
  ])('has crashed, and is restarted, where it ended with %s', async (_, state) => {
    const { world } = await settled();
    change(world, { up: false, status: 'exited', finishedAt: 'by a crash', ...state });
    world.write('B');
    await world.advance(HOUR_MS / 2);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('because the engine could not remove it is left alone, with what to do', async () => {
    const { world } = await settled();
    change(world, { up: false, status: 'dead' });
    world.write('B');
    await world.advance(HOUR_MS / 2);
    expect(world.asks).toEqual([]);
    expect(world.events('broker_not_running')[0]?.details).toMatchObject({
      hint: expect.stringContaining('docker rm --force'),
    });
  });
});

describe('a restart that stops the broker and fails', () => {
  it('is told when two looks a second apart agree, with a next try that is not over', async () => {
    const { world } = await settled({ settings: { cooldownMs: 500 } });
    const writtenMs = world.elapsedMs();
    world.restartCall = 'stops_and_fails';
    world.write('B');
    await world.advance(WINDOW_MS + 2_000);
    const [failed] = world.events('restart_failed');
    expect(failed?.atMs).toBe(writtenMs + WINDOW_MS + RESTART_MS + 1_000);
    expect(failed?.details['message']).toMatch(
      /^eclipse-mosquitto could not be restarted and does not run: /,
    );
    const toldMs = fix.EPOCH_MS + (failed?.atMs ?? 0);
    // whole seconds
    expect(Date.parse(String(failed?.details['next_try']))).toBeGreaterThan(toldMs - 1_000);
    expect(Date.parse(String(failed?.details['next_try']))).toBeLessThan(toldMs + VERIFY_MS);
  });
});
