/** What the operator asks for by a signal. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';

const SPLAY_MS = 3_600_000;

/** A watcher that knows what its broker has, and a new set on disk since `forMs`. */
async function rotated(options: WorldOptions = {}, forMs = 20_000): Promise<World> {
  const world = createWorld({ ...options, settings: { splayMs: SPLAY_MS, ...options.settings } });
  world.put(fix.set('old', -7_200_000));
  world.startWatcher();
  await world.advance(5_000);
  world.write('new');
  await world.advance(forMs);
  return world;
}

function answers(world: World) {
  return world
    .events('restart_requested')
    .map(({ details: { fingerprint, reason } }) => [fingerprint, reason]);
}

describe('SIGUSR1', () => {
  it('restarts the broker at once for a set that waits for its splay', async () => {
    const world = await rotated();
    const before = world.restarts.length;
    world.request('restart');
    await world.advance(1_000);
    expect([before, world.restarts.length]).toEqual([0, 1]);
    expect(answers(world)).toEqual([['new', 'restart_splayed']]);
  });

  it('does not shorten the stability window', async () => {
    const world = await rotated({}, 3_000);
    world.request('restart');
    await world.advance(6_500);
    const early = world.restarts.length;
    await world.advance(1_500);
    expect([early, world.restarts.length]).toEqual([0, 1]);
    expect(answers(world)).toEqual([['new', 'not_stable']]);
  });

  it('does not end a hold, and is remembered until the upstream accepts the set', async () => {
    const world = await rotated({ settings: { probeIntervalMs: 5_000 } }, 0);
    world.verdict = () => fix.probeFailure();
    await world.advance(20_000);
    world.request('restart');
    await world.advance(60_000);
    const held = world.restarts.length;
    world.verdict = () => fix.probeSuccess();
    await world.advance(10_000);
    expect([held, world.restarts.length]).toEqual([0, 1]);
  });

  it('does not shorten the cooldown', async () => {
    const world = await rotated();
    world.request('restart');
    await world.advance(5_000);
    world.write('newer');
    await world.advance(15_000);
    world.request('restart');
    await world.advance(200_000);
    const early = world.restarts.length;
    await world.advance(100_000);
    expect([early, world.restarts.length]).toEqual([1, 2]);
  });

  it('restarts nothing where no set waits, and says so', async () => {
    const world = createWorld({ settings: { splayMs: SPLAY_MS } });
    world.put(fix.set('old', -7_200_000));
    world.startWatcher();
    await world.advance(10_000);
    world.request('restart');
    await world.advance(60_000);
    expect(world.asked).toEqual([]);
    expect(answers(world)).toEqual([[undefined, 'unchanged']]);
  });

  it('counts for the set that waits, not for the next', async () => {
    const world = await rotated({}, 3_000);
    world.request('restart');
    await world.advance(1_000);
    world.write('newer');
    await world.advance(60_000);
    expect(world.asked).toEqual([]);
    expect(world.lastDecision()?.reason).toBe('restart_splayed');
  });

  it('is answered once, however often it is sent for the same set', async () => {
    const world = await rotated({}, 3_000);
    for (let second = 0; second < 4; second++) {
      world.request('restart');
      await world.advance(1_000);
    }
    expect(answers(world)).toHaveLength(1);
  });

  it('is heard from before the first look', async () => {
    const world = createWorld({ settings: { splayMs: SPLAY_MS }, withStateFile: true });
    world.put(fix.set('old', -7_200_000));
    const first = world.startWatcher();
    await world.advance(5_000);
    await first.stop();
    world.write('new');
    await world.advance(20_000);
    world.startWatcher();
    world.request('restart');
    await world.advance(5_000);
    expect(world.restarts).toHaveLength(1);
  });

  it('counts for every broker of a roll', async () => {
    const world = await rotated({ brokers: ['left', 'right'] });
    world.request('restart');
    await world.advance(20_000);
    expect(world.restarts.map(({ container }) => container)).toEqual(['left', 'right']);
  });

  it('does no harm while the broker is being restarted', async () => {
    const world = await rotated({ settings: { splayMs: 0 } }, 10_100);
    expect(world.asked).toHaveLength(1);
    world.request('restart');
    world.request('look');
    await world.advance(400_000);
    expect(world.restarts).toHaveLength(1);
  });
});

describe('SIGHUP', () => {
  it('probes at once', async () => {
    const world = createWorld();
    world.put(fix.set('old', -7_200_000));
    world.startWatcher();
    await world.advance(10_000);
    const before = world.probes;
    world.request('look');
    await world.advance(100);
    expect([before, world.probes]).toEqual([1, 2]);
  });

  it('finds files at once that no event has announced', async () => {
    const world = createWorld({ withoutFileEvents: true, settings: { checkIntervalMs: 600_000 } });
    world.startWatcher();
    await world.advance(10_000);
    world.write('new');
    world.request('look');
    await world.advance(100);
    expect(world.events('cert_parsed')).toHaveLength(1);
  });

  it('asks an engine at once that has failed before', async () => {
    const world = await rotated({ settings: { splayMs: 0 } }, 0);
    world.engineDown = fix.engineFailure();
    await world.advance(600_000);
    world.engineDown = undefined;
    world.request('look');
    await world.advance(3_000);
    expect(world.restarts).toHaveLength(1);
  });

  it('restarts nothing', async () => {
    const world = await rotated();
    world.request('look');
    await world.advance(60_000);
    expect([world.asked, answers(world)]).toEqual([[], []]);
  });
});

describe('a flood of both signals', () => {
  it('costs no restart, no line and few looks', async () => {
    const world = createWorld();
    world.put(fix.set('old', -7_200_000));
    world.startWatcher();
    await world.advance(10_000);
    const before = { cycles: world.publications.length, probes: world.probes };
    for (let ms = 0; ms < 60_000; ms += 50) {
      world.request(ms % 100 === 0 ? 'look' : 'restart');
      await world.advance(50);
    }
    expect(world.asked).toEqual([]);
    expect(world.probes - before.probes).toBeLessThanOrEqual(10);
    expect(answers(world).length).toBeLessThanOrEqual(10);
    // 12 polls, 10 looks, and what each of them has to say
    expect(world.publications.length - before.cycles).toBeLessThanOrEqual(60);
  });
});
