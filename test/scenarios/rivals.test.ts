/** Two watchers on one broker: one restart for a rotation, whoever makes it. */

import { describe, expect, it } from 'vitest';
import { createWorld, type Sight, sameMachine, type WorldOptions, watcherProcess } from '../../lab/world.ts';
import type { OtherWatcher } from '../../src/core/model/rivals.ts';

const WINDOW_MS = 10_000;
const HOUR_MS = 3_600_000;

/** A broker that has the set A, and that many watchers that started together an hour ago. */
async function settled(count: number, options: WorldOptions = {}) {
  const world = createWorld({
    ...options,
    settings: { probeEnabled: false, cooldownMs: 60_000, ...options.settings },
  });
  world.write('A');
  await world.advance(1_000);
  world.startByHand();
  await world.advance(HOUR_MS);
  const watchers = Array.from({ length: count }, () => world.startWatcher());
  await world.advance(HOUR_MS);
  const rotate = async (name: string) => {
    const before = world.restarts.length;
    const writtenAtMs = world.elapsedMs();
    world.write(name);
    await world.advance(HOUR_MS);
    return world.restarts.slice(before).map(({ atMs, loaded }) => ({ afterMs: atMs - writtenAtMs, loaded }));
  };
  return { world, watchers, rotate };
}

/** From the end of the window to the start of the broker, by a watcher that waits for nobody. */
const AT_ONCE_MS = WINDOW_MS + 300;

const others =
  (change: Partial<OtherWatcher>): Sight =>
  (_, other) =>
    watcherProcess(other, change);

describe('watchers that see each other', () => {
  it.each([2, 3, 5])(
    'make one restart for a rotation, at the end of the window: %d of them',
    async (count) => {
      const { rotate } = await settled(count, { sight: sameMachine });
      for (const name of ['B', 'C', 'D', 'E'])
        expect(await rotate(name)).toEqual([{ afterMs: AT_ONCE_MS, loaded: name }]);
    },
  );

  it('say why the second one waits, and that the broker has the set', async () => {
    const { world, rotate } = await settled(2, { sight: sameMachine });
    const from = world.lines.length;
    await rotate('B');
    const told = world.lines.slice(from).filter(({ event }) => event !== 'cert_parsed');
    const said = told.map(({ event, details }) => [event, details['reason']]);
    expect(said).toEqual([
      ['restart_deferred', 'stability_window'],
      ['restart_deferred', 'stability_window'],
      ['mosquitto_restart_triggered', undefined],
      ['restart_deferred', 'another_watcher'],
      ['broker_already_current', undefined],
      ['restart_completed', undefined],
    ]);
  });

  it('keep the cooldown together: it counts from the restart of any of them', async () => {
    const { world } = await settled(2, { sight: sameMachine });
    world.write('B');
    await world.advance(20_000);
    world.write('C');
    await world.advance(HOUR_MS);
    const [first, second] = world.restarts.map(({ atMs }) => atMs);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(60_000);
    expect(world.restarts).toHaveLength(2);
  });

  it('go on at once when the first one has gone', async () => {
    const { watchers, rotate } = await settled(2, { sight: sameMachine });
    watchers[0]?.kill();
    expect(await rotate('B')).toEqual([{ afterMs: AT_ONCE_MS, loaded: 'B' }]);
  });

  it('go on soon when the first one goes while they wait for it', async () => {
    const { world, watchers, rotate } = await settled(2, { sight: sameMachine });
    void world.clock.sleep(WINDOW_MS - 500, new AbortController().signal).then(() => watchers[0]?.kill());
    const [restart] = await rotate('B');
    expect(restart?.afterMs).toBeLessThan(AT_ONCE_MS + 1_000);
  });

  it('go on when the first one has had its time and does nothing', async () => {
    const { watchers, rotate } = await settled(2, { sight: sameMachine });
    watchers[0]?.hang();
    const restarts = await rotate('B');
    expect(restarts).toHaveLength(1);
    // grace of 10 s, slack of 5 s, and a lot of up to 8 s
    expect(restarts[0]?.afterMs).toBeGreaterThanOrEqual(AT_ONCE_MS + 15_000);
    expect(restarts[0]?.afterMs).toBeLessThanOrEqual(AT_ONCE_MS + 23_500);
  });

  it.each<[string, Partial<OtherWatcher>]>([
    ['looks after another broker', { target: { containers: ['other'], label: undefined, restarts: true } }],
    ['only looks', { target: { containers: ['eclipse-mosquitto'], label: undefined, restarts: false } }],
  ])('do not wait for one that %s', async (_, change) => {
    const { watchers, rotate } = await settled(2, { sight: others(change) });
    watchers[0]?.hang();
    expect(await rotate('B')).toEqual([{ afterMs: AT_ONCE_MS, loaded: 'B' }]);
  });

  it.each<[string, Partial<OtherWatcher>]>([
    ['hides what it restarts', { target: undefined }],
    ['restarts what has a label', { target: { containers: [], label: 'role=edge', restarts: true } }],
  ])('wait a moment for one that %s', async (_, change) => {
    const { watchers, rotate } = await settled(2, { sight: others(change) });
    watchers[0]?.hang();
    expect(await rotate('B')).toEqual([{ afterMs: AT_ONCE_MS + 1_500, loaded: 'B' }]);
  });

  it('make one restart where one sees the other and is not seen', async () => {
    // the older one is on the host, the younger one in a container
    const sight: Sight = (watcher, other) =>
      watcher === 0 ? watcherProcess(other, { isBlind: true }) : undefined;
    const { rotate } = await settled(2, { sight });
    for (const name of ['B', 'C', 'D'])
      expect(await rotate(name)).toEqual([{ afterMs: AT_ONCE_MS, loaded: name }]);
  });
});

describe('watchers that do not see each other', () => {
  it('are kept apart by what they have seen the others do', async () => {
    const { world, rotate } = await settled(2, { apartMs: 700 });
    // the one has begun before the other one could see anything
    expect(await rotate('B')).toHaveLength(2);
    for (const name of ['C', 'D', 'E', 'F']) expect(await rotate(name)).toHaveLength(1);
    expect(world.events('restart_failed')).toEqual([]);
  });
});

describe('a single watcher', () => {
  it('waits for nobody', async () => {
    const { rotate } = await settled(1, { sight: sameMachine });
    expect(await rotate('B')).toEqual([{ afterMs: AT_ONCE_MS, loaded: 'B' }]);
  });

  it('looks around once for a rotation', async () => {
    let looks = 0;
    const { watchers, rotate } = await settled(2, {
      sight: () => {
        looks += 1;
        return undefined;
      },
    });
    watchers[0]?.hang();
    await rotate('B');
    await rotate('C');
    expect(looks).toBe(2);
  });

  it('whose broker was restarted by hand for a set waits a moment with the next one, and then no more', async () => {
    const { world, rotate } = await settled(1, { sight: sameMachine });
    world.write('B');
    await world.advance(2_000);
    world.startByHand();
    await world.advance(HOUR_MS);
    const [next] = await rotate('C');
    expect(next?.afterMs).toBeGreaterThanOrEqual(AT_ONCE_MS + 2_000);
    expect(next?.afterMs).toBeLessThanOrEqual(AT_ONCE_MS + 10_500);
    expect(await rotate('D')).toEqual([{ afterMs: AT_ONCE_MS, loaded: 'D' }]);
  });
});
