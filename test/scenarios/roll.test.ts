/** Several brokers on one host, in the simulated gateway: one by one, and never both down. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type WorldOptions } from '../../lab/world.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;
const RESTART_MS = 300;
/** how long a broker has to stay up before it is believed */
const SETTLE_MS = 2_000;

const CRASHED = { up: false, status: 'exited', exitCode: 1, finishedAt: 'by a crash' } as const;
const STOPPED = { up: false, status: 'exited', exitCode: 0, finishedAt: 'by hand' } as const;

/** A pair that has loaded A, and a watcher that has nothing to do. */
async function settledPair(options: WorldOptions = {}) {
  const world = createWorld({ brokers: ['left', 'right'], ...options });
  world.write('A');
  await world.advance(1_000);
  for (const name of world.brokers.keys()) world.startByHand(name);
  await world.advance(HOUR_MS);
  const watcher = world.startWatcher();
  await world.advance(HOUR_MS);
  return { world, watcher };
}

type Pair = Awaited<ReturnType<typeof settledPair>>['world'];

function change(world: Pair, name: string, state: object) {
  const broker = world.brokerCalled(name);
  broker.state = { ...(broker.state ?? fix.broker(0)), ...state };
}

const namesOf = (world: Pair) => world.restarts.map(({ container }) => container);

describe('a rotation with two brokers', () => {
  it('restarts one after the other, the second when the first is proved to be back', async () => {
    const { world } = await settledPair();
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(HOUR_MS);
    const firstMs = writtenMs + WINDOW_MS + RESTART_MS;
    expect(world.restarts).toEqual([
      { atMs: firstMs, loaded: 'B', container: 'left' },
      { atMs: firstMs + SETTLE_MS + RESTART_MS, loaded: 'B', container: 'right' },
    ]);
  });

  it('says of each when it is restarted and when it is back', async () => {
    const { world } = await settledPair();
    world.write('B');
    await world.advance(HOUR_MS);
    const lines = world.events('mosquitto_restart_triggered', 'restart_completed');
    expect(lines.map(({ event, details }) => [event, details['container']])).toEqual([
      ['mosquitto_restart_triggered', 'left'],
      ['restart_completed', 'left'],
      ['mosquitto_restart_triggered', 'right'],
      ['restart_completed', 'right'],
    ]);
  });

  it('leaves alone the one that somebody has restarted meanwhile', async () => {
    const { world } = await settledPair();
    world.write('B');
    await world.advance(5_000);
    world.startByHand('left');
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['right']);
    expect(world.events('broker_already_current').map(({ details }) => details['container'])).toContain(
      'left',
    );
  });

  it('goes on with the second after the watcher was killed between the two', async () => {
    const { world, watcher } = await settledPair({ withStateFile: true });
    world.write('B');
    await world.advance(WINDOW_MS + RESTART_MS + SETTLE_MS + 50);
    watcher.kill();
    expect(namesOf(world)).toEqual(['left']);
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['left', 'right']);
  });

  it('counts the cooldown of each broker by itself', async () => {
    const { world } = await settledPair();
    world.write('B');
    await world.advance(60_000);
    world.write('C');
    await world.advance(HOUR_MS);
    const [left1 = 0, right1 = 0, left2 = 0, right2 = 0] = world.restarts.map(({ atMs }) => atMs);
    expect(namesOf(world)).toEqual(['left', 'right', 'left', 'right']);
    expect([left2 - left1, right2 - right1].every((ms) => ms >= 300_000)).toBe(true);
  });

  it('is not begun while restarts are switched off', async () => {
    const { world } = await settledPair({ settings: { restartEnabled: false } });
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.asks).toEqual([]);
  });
});

describe('a roll', () => {
  it('stops at a broker that does not come back well, and says what is done and what is not', async () => {
    const { world } = await settledPair();
    world.brokerCalled('left').nextStart = CRASHED;
    world.write('B');
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['left']);
    const [stop] = world.events('roll_stopped');
    expect(stop?.details).toMatchObject({
      container: 'left',
      error: 'has crashed',
      done: [],
      not_done: ['right'],
      message: 'left has crashed; right is not restarted until that is resolved',
    });
  });

  it('goes on by itself when that broker is repaired', async () => {
    const { world } = await settledPair();
    const left = world.brokerCalled('left');
    left.nextStart = CRASHED;
    world.write('B');
    await world.advance(HOUR_MS);
    left.nextStart = {};
    world.startByHand('left');
    await world.advance(60_000);
    expect(namesOf(world)).toEqual(['left', 'right']);
  });

  it('does not believe a broker that dies again and again', async () => {
    const { world } = await settledPair();
    const left = world.brokerCalled('left');
    left.nextStart = { ...CRASHED, status: 'restarting' };
    world.write('B');
    await world.advance(HOUR_MS);
    for (let round = 0; round < 20; round++) {
      left.nextStart = {};
      world.startByHand('left');
      await world.advance(7_000);
      change(world, 'left', { up: false, status: 'restarting', exitCode: 1 });
      await world.advance(1_000);
    }
    expect(namesOf(world)).toEqual(['left']);
  });

  it.each([
    ['stopped', STOPPED, 'does not run'],
    ['unhealthy', { health: 'unhealthy' }, 'fails its health check'],
    ['crashed, with the certificates on disk', CRASHED, 'has crashed'],
  ] as const)('waits while the other broker is %s', async (_, state, problem) => {
    const { world } = await settledPair();
    world.write('B');
    await world.advance(5_000);
    world.startByHand('right');
    change(world, 'right', state);
    await world.advance(HOUR_MS);
    expect(world.asks).toEqual([]);
    expect(world.events('roll_stopped')[0]?.details).toMatchObject({ container: 'right', error: problem });
  });

  it('waits without a word while the other broker is starting', async () => {
    const { world } = await settledPair();
    world.write('B');
    await world.advance(5_000);
    world.startByHand('right');
    change(world, 'right', { health: 'starting' });
    await world.advance(30_000);
    expect([world.asks, world.events('roll_stopped')]).toEqual([[], []]);
    change(world, 'right', { health: 'healthy' });
    await world.advance(10_000);
    expect(namesOf(world)).toEqual(['left']);
  });

  it('begins with a broker that is down: nobody misses it', async () => {
    const { world } = await settledPair();
    change(world, 'right', CRASHED);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['right', 'left']);
  });

  it('restarts both, one by one, where both have crashed', async () => {
    const { world } = await settledPair();
    for (const name of world.brokers.keys()) change(world, name, CRASHED);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['left', 'right']);
  });

  it('stops at the first failure also where both have crashed', async () => {
    const { world } = await settledPair();
    for (const name of world.brokers.keys()) change(world, name, CRASHED);
    world.brokerCalled('left').nextStart = CRASHED;
    world.write('B');
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['left']);
  });

  it('stops at a container that is missing, and goes on when it is there', async () => {
    const { world } = await settledPair();
    const left = world.brokerCalled('left');
    left.state = undefined;
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.asks).toEqual([]);
    expect(world.events('roll_stopped')[0]?.details).toMatchObject({ not_done: ['left', 'right'] });
    world.startByHand('left');
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['right']);
  });

  it('says once, and again every hour, that it does not go on', async () => {
    const { world } = await settledPair();
    world.brokerCalled('left').nextStart = CRASHED;
    world.write('B');
    await world.advance(2 * HOUR_MS + 60_000);
    expect(world.events('roll_stopped')).toHaveLength(3);
  });
});
