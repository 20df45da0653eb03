/** RESTART_WINDOW in the simulated gateway, whose time begins on Sunday, 2026-03-01, at noon UTC. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { createSimulatedService } from '../../lab/simulated-service.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';

const HOUR_MS = 3_600_000;
const RESTART_MS = 300;
/** the probe takes part in other tests, and polling a day costs time */
const SLOW = { probeEnabled: false, checkIntervalMs: 60_000 } as const;

/** Milliseconds from the beginning of the world to the first such time. */
const at = (iso: string) => Date.parse(iso) - fix.EPOCH_MS;

/** A certificate that expires at this time, and has been valid for long. */
const until = (iso: string) => fix.certificate({ notBeforeMs: 0, notAfterMs: Date.parse(iso) });

/** A broker that has loaded `old`, which expires at this time, and `new` on disk since 13:00. */
async function rotated(
  window: string,
  { loadedUntil = '2026-05-01T00:00Z', settings, ...options }: WorldOptions & { loadedUntil?: string } = {},
): Promise<World> {
  const restartWindow = fix.restartWindow(window);
  const world = createWorld({ ...options, settings: { ...SLOW, restartWindow, ...settings } });
  world.write('old', { leaf: until(loadedUntil) });
  await world.advance(1_000);
  for (const name of world.brokers.keys()) world.startByHand(name);
  world.startWatcher();
  await world.advance(HOUR_MS - 1_000);
  world.write('new', { leaf: until('2026-06-01T00:00Z') });
  return world;
}

function deferrals(world: World) {
  return world.events('restart_deferred').filter(({ details }) => details['reason'] === 'window');
}

describe('a rotation outside of the window', () => {
  it('waits for the next window, and is applied when it opens', async () => {
    const world = await rotated('Mon 02:00-04:00');
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-02T02:00Z') + RESTART_MS]);
  });

  it('is told once, with the moment', async () => {
    const world = await rotated('Mon 02:00-04:00');
    await world.advance(30 * HOUR_MS);
    expect(deferrals(world).map(({ details }) => [details['fingerprint'], details['not_before']])).toEqual([
      ['new', '2026-03-02T02:00:00Z'],
    ]);
  });

  it('goes by the time zone of the window', async () => {
    const restartWindow = fix.restartWindow('Mon 02:00-04:00', 'America/New_York');
    const world = await rotated('00:00-00:01', { settings: { restartWindow } });
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-02T07:00Z') + RESTART_MS]);
  });

  it('waits again where it is held until the window has closed', async () => {
    const world = await rotated('Mon,Tue 02:00-04:00', {
      settings: { probeEnabled: true, probeIntervalMs: 600_000 },
    });
    world.verdict = () => fix.probeFailure();
    await world.advance(at('2026-03-02T04:10Z') - HOUR_MS);
    world.verdict = () => fix.probeSuccess();
    await world.advance(48 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-03T02:00Z') + RESTART_MS]);
  });

  it('is probed and reported all the same', async () => {
    const world = await rotated('Sat 02:00-04:00', { settings: { probeEnabled: true } });
    await world.advance(10 * 60_000);
    expect(world.lastDecision()?.reason).toBe('outside_window');
    expect(world.events('cert_parsed').map(({ details }) => details['fingerprint'])).toEqual(['old', 'new']);
    expect(world.probes).toBeGreaterThan(10);
  });

  it('is over when somebody restarts the broker by hand', async () => {
    const world = await rotated('Mon 02:00-04:00');
    await world.advance(HOUR_MS);
    world.startByHand();
    await world.advance(30 * HOUR_MS);
    expect(world.asked).toEqual([]);
    expect(world.events('broker_already_current')).toHaveLength(2);
  });

  it('waits also where it is not known when the loaded certificate expires, and says that', async () => {
    const restartWindow = fix.restartWindow('Mon 02:00-04:00');
    const world = createWorld({ settings: { ...SLOW, restartWindow } });
    world.write('new');
    world.startWatcher();
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-02T02:00Z') + RESTART_MS]);
    expect(deferrals(world)[0]?.details['message']).toMatch(/expires is not known$/);
  });

  it('does not keep a broker down that has crashed', async () => {
    const world = await rotated('Mon 02:00-04:00');
    await world.advance(HOUR_MS);
    const crashed = { up: false, status: 'exited', exitCode: 1, finishedAt: 'by a crash' } as const;
    world.broker = { ...(world.broker ?? fix.broker(0)), ...crashed };
    await world.advance(2 * 60_000);
    expect(world.restarts).toHaveLength(1);
  });

  it('is made at once when the operator says so, and the next one waits again', async () => {
    const world = await rotated('Mon 02:00-04:00');
    await world.advance(HOUR_MS);
    world.request('restart');
    await world.advance(60_000);
    const now = world.restarts.length;
    world.write('newer', { leaf: until('2026-07-01T00:00Z') });
    await world.advance(HOUR_MS);
    expect([now, world.restarts.length]).toEqual([1, 1]);
    expect(world.lastDecision()?.reason).toBe('outside_window');
  });
});

describe('a rotation within the window', () => {
  it('is applied when it is stable', async () => {
    const world = await rotated('Sun 12:00-14:00');
    await world.advance(60_000);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-01T13:00:10Z') + RESTART_MS]);
    expect(deferrals(world)).toEqual([]);
  });

  it('waits for the next one where the window closes before it is stable', async () => {
    const world = await rotated('Sun 12:00-13:00, Sun 15:00-16:00', {
      settings: { stabilityWindowMs: 10_000 },
    });
    await world.advance(4 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-01T15:00Z') + RESTART_MS]);
  });
});

describe('a loaded certificate that would expire before the next window ends', () => {
  it.each([
    ['before the window', '2026-03-01T20:00Z', '2026-03-01T19:00Z'],
    ['in its first hour', '2026-03-02T02:30Z', '2026-03-02T01:30Z'],
    [
      'in its second hour, which the window itself is soon enough for',
      '2026-03-02T03:30Z',
      '2026-03-02T02:00Z',
    ],
    ['after it, which is soon enough', '2026-03-02T04:10Z', '2026-03-02T02:00Z'],
  ])('brings the restart an hour before its end: %s', async (_, loadedUntil, expected) => {
    const world = await rotated('Mon 02:00-04:00', { loadedUntil });
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at(expected) + RESTART_MS]);
    expect(deferrals(world).map(({ details }) => details['not_before'])).toEqual([
      expected.replace('Z', ':00Z'),
    ]);
  });

  it.each([
    ['within the hour', '2026-03-01T13:30Z'],
    ['already', '2026-03-01T12:59Z'],
  ])('brings it at once where it expires %s', async (_, loadedUntil) => {
    const world = await rotated('Mon 02:00-04:00', { loadedUntil });
    await world.advance(60_000);
    expect(world.restarts).toHaveLength(1);
  });

  it('brings it at once also with a splay', async () => {
    const world = await rotated('Mon 02:00-04:00', {
      loadedUntil: '2026-03-01T20:00Z',
      settings: { splayMs: 24 * HOUR_MS },
    });
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-01T19:00Z') + RESTART_MS]);
  });
});

describe('a splay with a window', () => {
  it('begins when the window opens', async () => {
    const world = await rotated('Mon 02:00-04:00', { settings: { splayMs: HOUR_MS } });
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-02T03:00Z') + RESTART_MS]);
  });

  it('that is longer than the window ends within it', async () => {
    const world = await rotated('Mon 02:00-04:00', { settings: { splayMs: 5 * HOUR_MS } });
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([at('2026-03-02T03:00Z') + RESTART_MS]);
  });

  it('ends also where the window is always open', async () => {
    const world = await rotated('00:00-24:00', { settings: { splayMs: 60 * HOUR_MS } });
    await world.advance(61 * HOUR_MS);
    expect(world.restarts).toHaveLength(1);
  });
});

describe('several brokers', () => {
  it('are restarted one by one when the window opens', async () => {
    const world = await rotated('Mon 02:00-04:00', { brokers: ['left', 'right'] });
    await world.advance(30 * HOUR_MS);
    expect(world.restarts.map(({ atMs, container }) => [container, atMs])).toEqual([
      ['left', at('2026-03-02T02:00Z') + RESTART_MS],
      ['right', at('2026-03-02T02:00Z') + 2 * RESTART_MS + 2_000],
    ]);
  });

  it('do not go on with a roll when the window has closed', async () => {
    const world = await rotated('Mon,Tue 02:00-02:01', { brokers: ['left', 'right'] });
    // left comes back slowly: the window closes meanwhile
    const left = world.brokerCalled('left');
    left.check = { says: 'healthy', afterMs: 120_000 };
    await world.advance(40 * HOUR_MS);
    const [first, second] = world.restarts.map(({ atMs }) => atMs);
    expect([first, second]).toEqual([
      at('2026-03-02T02:00Z') + RESTART_MS,
      at('2026-03-03T02:00Z') + RESTART_MS,
    ]);
  });

  it('lets the one go first whose loaded certificate does not last until the window', async () => {
    const world = await rotated('Sat 02:00-04:00', {
      brokers: ['left', 'right'],
      loadedUntil: '2026-03-04T00:00Z',
    });
    // somebody has restarted left for `new`, and then comes `newer`
    await world.advance(60_000);
    world.startByHand('left');
    await world.advance(10 * 60_000);
    world.write('newer', { leaf: until('2026-07-01T00:00Z') });
    await world.advance(9 * 24 * HOUR_MS);
    // after a restart by hand, left waits for a moment whether that happens again
    const minutes = (ms: number) => Math.floor(ms / 60_000);
    expect(world.restarts.map(({ atMs, container }) => [container, minutes(atMs)])).toEqual([
      ['right', minutes(at('2026-03-03T23:00Z'))],
      ['left', minutes(at('2026-03-07T02:00Z'))],
    ]);
  });
});

describe('a service of a swarm', () => {
  it('is updated when the window opens', async () => {
    const clock = createFakeClock();
    const service = createSimulatedService(clock);
    const world = createWorld({
      clock,
      service,
      settings: { ...SLOW, restartWindow: fix.restartWindow('Mon 02:00-04:00') },
    });
    world.write('old', { leaf: until('2026-05-01T00:00Z') });
    await clock.advance(1_000);
    world.startWatcher();
    world.request('restart');
    await clock.advance(HOUR_MS);
    const before = service.updates.length;
    world.write('new', { leaf: until('2026-06-01T00:00Z') });
    await clock.advance(30 * HOUR_MS);
    const [update, ...more] = service.updates.slice(before);
    expect(more).toEqual([]);
    expect(update?.fingerprint).toBe('new');
    expect(Math.abs((update?.atMs ?? 0) - at('2026-03-02T02:00Z'))).toBeLessThan(100);
  });
});
