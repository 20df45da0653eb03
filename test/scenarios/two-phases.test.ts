import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type WorldOptions } from '../../lab/world.ts';
import type { PromotionFailure } from '../../src/core/model/live.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import { assessmentOf } from '../support/assessment-of.ts';

/** A gateway whose broker runs with the set A, which was found in the live directory; the agent has written it too. */
async function gateway(settings: Partial<Settings> = {}, options: WorldOptions = {}) {
  const world = createWorld({ twoPhases: true, withStateFile: true, settings, ...options });
  world.live.find(fix.set('A', -7_200_000));
  world.write('A');
  world.startByHand();
  await world.advance(3_600_000);
  const watcher = world.startWatcher();
  await world.advance(30_000);
  return { world, watcher };
}

type World = Awaited<ReturnType<typeof gateway>>['world'];

const liveOf = (world: World) =>
  world.live.now.files.kind === 'complete' ? world.live.now.files.fingerprint : undefined;

const rejected = () => fix.probeFailure();
const unreachable = () => fix.probeFailure({ cause: 'tcp', phase: 'tcp' });

const failure: PromotionFailure = { cause: 'disk_full', problem: 'no room', hint: 'make room' };

const BROKER_URL = { host: 'localhost', port: 1883, tls: false };
const up = (message: number) =>
  fix.sight([{ connection: 'edge', up: true, changes: 1, fellAt: 0, roseAt: message }], {
    lastLive: message,
  });

describe('the live directory', () => {
  it('is taken over as it is, and nothing is restarted', async () => {
    const { world } = await gateway();
    expect(world.live.isOurs).toBe(true);
    await world.advance(3_600_000);
    expect(world.asks).toEqual([]);
    expect(world.events('mosquitto_restart_triggered', 'set_promoted', 'restart_deferred')).toEqual([]);
  });

  it('gets a set that the upstream accepts right before the one restart', async () => {
    const { world } = await gateway();
    world.write('B');
    await world.advance(60_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
    const [promoted] = world.events('set_promoted');
    const [triggered] = world.events('mosquitto_restart_triggered');
    expect(promoted?.details).toMatchObject({ fingerprint: 'B', previous_fingerprint: 'A' });
    expect((triggered?.atMs ?? 0) - (promoted?.atMs ?? 0)).toBeLessThan(1_000);
    await world.advance(3_600_000);
    expect(world.asks).toHaveLength(1);
    expect(world.live.now.isProven).toBe(true);
  });

  it('never gets a set that the upstream refuses, and gets the good one that follows', async () => {
    const { world } = await gateway();
    world.verdict = ({ fingerprint }) => (fingerprint === 'bad' ? rejected() : fix.probeSuccess());
    world.write('bad');
    await world.advance(600_000);
    expect(liveOf(world)).toBe('A');
    expect(world.asks).toEqual([]);
    expect(world.events('restart_held')).toHaveLength(1);
    world.write('B');
    await world.advance(60_000);
    expect(world.live.moves.map(({ set }) => set.fingerprint)).toEqual(['B']);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it.each([
    ['are missing', { kind: 'incomplete', identity: 'gone', complaints: [] }],
    ['are half-written', { kind: 'unparsable', identity: 'half', complaints: [] }],
  ] as const)('stays as it is while the incoming files %s', async (_, files) => {
    const { world } = await gateway();
    world.put(files);
    await world.advance(600_000);
    expect(liveOf(world)).toBe('A');
    expect(world.asks).toEqual([]);
  });

  it('gets no set before the cooldown has passed', async () => {
    const { world } = await gateway();
    world.write('B');
    await world.advance(60_000);
    world.write('C');
    await world.advance(120_000);
    expect(liveOf(world)).toBe('B');
    await world.advance(200_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'C']);
  });

  it('gets the set where restarts are disabled', async () => {
    const { world } = await gateway({ restartEnabled: false });
    world.write('B');
    await world.advance(60_000);
    expect(liveOf(world)).toBe('B');
    expect(world.events('restart_disabled')).toHaveLength(1);
  });

  it('gets the set where somebody has stopped the broker', async () => {
    const { world } = await gateway();
    world.broker = fix.broker(0, { up: false, status: 'exited', finishedAt: 'by hand' });
    world.write('B');
    await world.advance(60_000);
    expect(liveOf(world)).toBe('B');
    expect(world.asks).toEqual([]);
    world.startByHand();
    await world.advance(600_000);
    expect(world.loaded).toBe('B');
    expect(world.asks).toEqual([]);
  });

  it('gets the set while the engine is down, and the restart follows', async () => {
    const { world } = await gateway();
    world.engineDown = fix.engineFailure();
    world.write('B');
    await world.advance(60_000);
    expect(liveOf(world)).toBe('B');
    expect(world.events('restart_failed')).toHaveLength(1);
    world.engineDown = undefined;
    await world.advance(400_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is brought to the broker also where somebody has restarted that between its writing and its promotion', async () => {
    const { world } = await gateway();
    world.write('B');
    await world.advance(60_000);
    world.write('C');
    await world.advance(60_000);
    world.startByHand();
    await world.advance(400_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'C']);
  });

  it('is brought to the broker although the next set cannot come', async () => {
    const { world } = await gateway();
    world.engineDown = fix.engineFailure();
    world.write('B');
    await world.advance(60_000);
    world.verdict = () => rejected();
    world.write('bad');
    await world.advance(60_000);
    world.engineDown = undefined;
    await world.advance(600_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is brought to the broker by the next watcher where one was killed after the promotion', async () => {
    const { world, watcher } = await gateway();
    world.write('B');
    while (world.live.moves.length === 0) await world.advance(10);
    watcher.kill();
    world.startWatcher();
    await world.advance(400_000);
    expect(world.loaded).toBe('B');
    expect(world.restarts.length).toBeLessThanOrEqual(2);
  });

  it('gets the same certificates again where only their rights have been corrected', async () => {
    const { world } = await gateway();
    world.write('B');
    await world.advance(400_000);
    world.write('B', { rights: '644 0 0, 644 0 0, 640 0 1883' });
    await world.advance(400_000);
    expect(world.live.moves.map(({ set }) => set.rights)).toHaveLength(2);
    expect(world.restarts).toHaveLength(2);
  });
});

describe('an incoming set that cannot come', () => {
  it('is a warning', async () => {
    const { world } = await gateway();
    world.verdict = () => rejected();
    world.write('bad');
    await world.advance(60_000);
    expect(assessmentOf(world).level).toBe('warning');
    world.put({ kind: 'unparsable', identity: 'half', complaints: [] });
    await world.advance(60_000);
    expect(assessmentOf(world).findings.map(({ level }) => level)).not.toContain('critical');
  });

  it('is critical once the live certificate is expiring, which is said of the live one', async () => {
    const { world } = await gateway();
    const expiring = {
      notBeforeMs: fix.EPOCH_MS - 80 * fix.DAY_MS,
      notAfterMs: fix.EPOCH_MS + 5 * fix.DAY_MS,
    };
    const { files } = world.live.now;
    if (files.kind !== 'complete') throw new Error('A is whole');
    world.live.find({ ...files, leaf: fix.certificate(expiring) });
    world.verdict = () => rejected();
    world.write('bad');
    await world.advance(60_000);
    expect(assessmentOf(world).level).toBe('critical');
    expect(world.events('cert_expiring')).toHaveLength(1);
  });

  it('is no finding any more when the good one has come', async () => {
    const { world } = await gateway();
    world.verdict = ({ fingerprint }) => (fingerprint === 'bad' ? rejected() : fix.probeSuccess());
    world.write('bad');
    await world.advance(60_000);
    world.write('B');
    await world.advance(60_000);
    expect(assessmentOf(world)).toMatchObject({ level: 'ok', findings: [] });
  });
});

describe('a promotion that fails', () => {
  it('is told once, and tried again after a pause that grows', async () => {
    const { world } = await gateway();
    world.live.failure = failure;
    const before = world.live.tries;
    world.write('B');
    await world.advance(300_000);
    expect(world.events('promotion_failed')).toHaveLength(1);
    expect(world.events('promotion_failed')[0]?.details).toMatchObject({
      cause: 'disk_full',
      error: 'no room',
    });
    expect(world.live.tries - before).toBeGreaterThan(3);
    expect(world.live.tries - before).toBeLessThan(9);
    expect(world.asks).toEqual([]);
    world.live.failure = undefined;
    await world.advance(400_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is told at the start where it is foreseen', async () => {
    const { world } = await gateway();
    world.live.obstacle = { ...failure, cause: 'foreign_directory' };
    await world.advance(10_000);
    expect(world.events('promotion_failed')).toHaveLength(1);
    const before = world.live.tries;
    world.write('B');
    await world.advance(300_000);
    expect(world.live.tries).toBe(before);
    expect(liveOf(world)).toBe('A');
  });
});

describe('a roll-back', () => {
  const dying = { up: false, status: 'exited', exitCode: 1, restartPolicy: { name: 'no', retries: 0 } };

  /** The broker dies of B, and of no other set. */
  function dyingOfB(world: World) {
    const watch = async () => {
      for (;;) {
        world.nextStart = liveOf(world) === 'B' ? dying : {};
        await world.clock.sleep(10, new AbortController().signal);
      }
    };
    void watch();
  }

  it('follows where the broker cannot start with the new set, which is started once with the old one', async () => {
    const { world } = await gateway();
    dyingOfB(world);
    world.write('B');
    await world.advance(120_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A']);
    expect(world.broker?.up).toBe(true);
    expect(world.events('set_rolled_back').map(({ details }) => details)).toMatchObject([
      { fingerprint: 'B', restored_fingerprint: 'A' },
    ]);
    await world.advance(3_600_000);
    expect(world.restarts).toHaveLength(2);
    expect(world.live.moves).toHaveLength(2);
  });

  it('starts the broker once without the cooldown, also where the engine loses that call', async () => {
    const { world } = await gateway();
    dyingOfB(world);
    world.live.afterMove = (by) => {
      if (by === 'roll-back') world.restartCall = 'lost';
    };
    world.write('B');
    await world.advance(300_000);
    expect(world.asks).toHaveLength(2);
    await world.advance(100_000);
    const [, atOnce, next] = world.asks;
    expect((next?.atMs ?? 0) - (atOnce?.atMs ?? 0)).toBeGreaterThanOrEqual(300_000);
  });

  it('starts the broker with the old set also where another set has just come, which waits for the cooldown', async () => {
    const { world } = await gateway();
    dyingOfB(world);
    world.write('B');
    while (world.asks.length === 0) await world.advance(100);
    world.write('C');
    await world.advance(120_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A']);
    expect(world.broker?.up).toBe(true);
    await world.advance(400_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A', 'C']);
  });

  it('is followed by the start with the old set also where the agent has brought that back itself', async () => {
    const { world } = await gateway();
    dyingOfB(world);
    world.write('B');
    while (world.asks.length === 0) await world.advance(100);
    world.write('A');
    await world.advance(8_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A']);
    expect(world.broker?.up).toBe(true);
    await world.advance(3_600_000);
    expect(world.restarts).toHaveLength(2);
  });

  /** The watcher is killed between the roll-back and the start with the old set. */
  async function killedAfterRollBack() {
    const { world, watcher } = await gateway();
    dyingOfB(world);
    world.live.afterMove = (by) => {
      if (by === 'roll-back') watcher.kill();
    };
    world.write('B');
    while (world.live.moves.length < 2) await world.advance(10);
    await world.advance(5_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
    return world;
  }

  it('is followed by the start with the old set also where a new watcher has to make it, at once and once', async () => {
    const world = await killedAfterRollBack();
    world.startWatcher();
    await world.advance(10_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A']);
    await world.advance(3_600_000);
    expect(world.restarts).toHaveLength(2);
  });

  it('has a new watcher start the broker once only, however often that dies', async () => {
    const world = await killedAfterRollBack();
    world.broker = { ...(world.broker ?? fix.broker(0)), ...dying };
    const dyingOfAll = async () => {
      for (;;) {
        world.nextStart = dying;
        await world.clock.sleep(5, new AbortController().signal);
      }
    };
    void dyingOfAll();
    for (let watchers = 0; watchers < 4; watchers++) {
      const watcher = world.startWatcher();
      await world.advance(20_000);
      watcher.kill();
    }
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A']);
  });

  it('has a new watcher wait for the cooldown where somebody has started the broker since', async () => {
    const world = await killedAfterRollBack();
    world.startByHand();
    await world.advance(1_000);
    world.broker = { ...(world.broker ?? fix.broker(0)), ...dying };
    world.startWatcher();
    await world.advance(60_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is remembered by the next watcher, which does not try the set again', async () => {
    const { world, watcher } = await gateway();
    dyingOfB(world);
    world.write('B');
    await world.advance(120_000);
    watcher.kill();
    world.states = new Map();
    world.startWatcher();
    await world.advance(3_600_000);
    expect(world.live.moves).toHaveLength(2);
    expect(world.restarts).toHaveLength(2);
  });

  it('lets the set be tried again when its files have changed', async () => {
    const { world } = await gateway();
    dyingOfB(world);
    world.write('B');
    await world.advance(1_200_000);
    world.write('C');
    await world.advance(400_000);
    expect(liveOf(world)).toBe('C');
  });

  it('follows where the watcher was killed while the broker died', async () => {
    const { world, watcher } = await gateway();
    dyingOfB(world);
    world.write('B');
    while (world.asks.length === 0) await world.advance(10);
    watcher.kill();
    await world.advance(5_000);
    world.startWatcher();
    await world.advance(400_000);
    expect(liveOf(world)).toBe('A');
    expect(world.broker?.up).toBe(true);
    expect(world.loaded).toBe('A');
  });

  it('does not follow where the set before has expired', async () => {
    const { world } = await gateway();
    const { files } = world.live.now;
    if (files.kind !== 'complete') throw new Error('A is whole');
    world.live.find({ ...files, leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS }) });
    dyingOfB(world);
    world.write('B');
    await world.advance(600_000);
    expect(liveOf(world)).toBe('B');
    expect(world.restarts).toHaveLength(1);
  });

  /** The bridge does not come back after the restart for B. */
  async function withoutBridge(verdict: () => ReturnType<World['verdict']>) {
    const { world, watcher } = await gateway({}, { brokerUrl: BROKER_URL });
    world.hearBridges(up(1));
    await world.advance(60_000);
    world.write('B');
    while (world.restarts.length === 0) await world.advance(100);
    world.hearBridges(
      fix.sight([{ connection: 'edge', up: false, changes: 2, fellAt: 2, roseAt: 1 }], { lastLive: 2 }),
    );
    world.verdict = verdict;
    await world.advance(29_000);
    return { world, watcher };
  }

  it('follows where the bridge does not come back and the upstream refuses the set in a new probe', async () => {
    const { world } = await withoutBridge(rejected);
    expect(liveOf(world)).toBe('B');
    await world.advance(60_000);
    expect(liveOf(world)).toBe('A');
    expect(world.events('set_rolled_back')).toHaveLength(1);
    world.hearBridges(up(3));
    await world.advance(3_600_000);
    // it runs, and so the restart with the old set waits for the cooldown
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'A']);
    expect((world.restarts[1]?.atMs ?? 0) - (world.restarts[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(300_000);
  });

  it('does not follow where the upstream cannot be reached', async () => {
    const { world } = await withoutBridge(unreachable);
    await world.advance(3_600_000);
    expect(liveOf(world)).toBe('B');
  });

  it('does not follow where the upstream accepts the set', async () => {
    const { world } = await withoutBridge(() => fix.probeSuccess());
    await world.advance(3_600_000);
    expect(liveOf(world)).toBe('B');
  });

  it('does not follow where the set was proven before', async () => {
    const { world } = await gateway({}, { brokerUrl: BROKER_URL });
    world.hearBridges(up(1));
    world.write('B');
    while (world.restarts.length === 0) await world.advance(100);
    world.hearBridges(up(2));
    await world.advance(60_000);
    expect(world.live.now.isProven).toBe(true);
    world.verdict = () => rejected();
    world.hearBridges(
      fix.sight([{ connection: 'edge', up: false, changes: 2, fellAt: 3, roseAt: 2 }], { lastLive: 3 }),
    );
    await world.advance(3_600_000);
    expect(liveOf(world)).toBe('B');
  });
});

describe('RESTART_WINDOW', () => {
  it('holds a promotion back like a restart, and lets both through when it opens', async () => {
    // it is one o'clock; the window opens two hours later
    const { world } = await gateway({ restartWindow: fix.restartWindow('Sun 15:00-16:00') });
    const startMs = world.elapsedMs();
    world.write('B');
    await world.advance(600_000);
    expect(liveOf(world)).toBe('A');
    await world.advance(24 * 3_600_000);
    expect(liveOf(world)).toBe('B');
    const [move] = world.live.moves;
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
    expect((move?.atMs ?? 0) - startMs).toBeGreaterThan(600_000);
  });
});

describe('several brokers', () => {
  it('get a set that was promoted once, one by one', async () => {
    const { world } = await gateway({}, { brokers: ['one', 'two'] });
    for (const name of ['one', 'two']) world.startByHand(name);
    await world.advance(600_000);
    world.write('B');
    await world.advance(600_000);
    expect(world.live.moves).toHaveLength(1);
    expect(world.restarts.map(({ container, loaded }) => `${container} ${loaded}`)).toEqual([
      'one B',
      'two B',
    ]);
  });
});
