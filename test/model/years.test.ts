/** Years on the fake clock: one restart for each rotation, and nothing that grows with time. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World } from '../../lab/world.ts';

const { DAY_MS } = fix;
const HOUR_MS = 3_600_000;

/** A look an hour, and a probe every six: what passes between them is only time. */
const SLOW = { checkIntervalMs: HOUR_MS, probeIntervalMs: 6 * HOUR_MS } as const;

/** A broker that was started with the first set, and a watcher beside it. */
async function started(settings: NonNullable<Parameters<typeof createWorld>[0]>): Promise<World> {
  const world = createWorld(settings);
  write(world, 0, 90 * DAY_MS);
  await world.advance(1_000);
  world.startByHand();
  await world.advance(HOUR_MS);
  world.startWatcher();
  await world.advance(HOUR_MS);
  return world;
}

/** Writes the `nth` set, valid from an hour ago for this long. */
function write(world: World, nth: number, validMs: number): void {
  const { wallMs } = world.clock.now();
  const leaf = fix.certificate({ notBeforeMs: wallMs - HOUR_MS, notAfterMs: wallMs + validMs });
  const authority = fix.certificate({ isCa: true, notAfterMs: wallMs + 20 * 365 * DAY_MS });
  world.write(`set ${nth}`, { leaf, authorities: [authority] });
}

/** Rotations at this interval; afterwards the last set lies there and is loaded. */
async function rotate(world: World, times: number, everyMs: number, validMs: number): Promise<void> {
  for (let nth = 1; nth <= times; nth++) {
    write(world, nth, validMs);
    await world.advance(everyMs);
  }
}

describe('over years', { timeout: 120_000 }, () => {
  it.each([true, false])(
    'a rotation every sixty days is one restart each, for five years (state file: %s)',
    async (withStateFile) => {
      const world = await started({ withStateFile, settings: SLOW });
      await rotate(world, 30, 60 * DAY_MS, 90 * DAY_MS);
      expect(world.restarts.map(({ loaded }) => loaded)).toEqual(
        Array.from({ length: 30 }, (_, index) => `set ${index + 1}`),
      );
    },
  );

  it('a short-lived certificate every hour is one restart each, for three months', async () => {
    const world = await started({ settings: { ...SLOW, checkIntervalMs: 600_000 } });
    await rotate(world, 24 * 90, HOUR_MS, 2 * HOUR_MS);
    expect(world.restarts).toHaveLength(24 * 90);
    expect(world.loaded).toBe(`set ${24 * 90}`);
  });

  it('a day without a rotation has nothing to say, in five years as on the first day', async () => {
    const world = await started({ settings: SLOW });
    write(world, 1, 6 * 365 * DAY_MS);
    await world.advance(DAY_MS);
    const before = world.lines.length;
    await world.advance(5 * 365 * DAY_MS);
    expect(world.lines.slice(before).map(({ event }) => event)).toEqual([]);
  });

  it('what is remembered does not grow', async () => {
    const world = await started({ withStateFile: true, settings: SLOW });
    const size = () => {
      const last = world.publications.findLast(({ cycle }) => cycle)?.cycle?.decision.situation;
      return JSON.stringify([last?.site, last?.memory]).length;
    };
    await rotate(world, 1, 60 * DAY_MS, 90 * DAY_MS);
    const first = size();
    await rotate(world, 30, 60 * DAY_MS, 90 * DAY_MS);
    expect(size()).toBeLessThan(first * 1.1);
  });

  it('a certificate that expires on a leap day expires on that day', async () => {
    const world = await started({ settings: SLOW });
    const leapDay = Date.UTC(2028, 1, 29, 12);
    write(world, 1, leapDay - world.clock.now().wallMs);
    await world.advance(leapDay - world.clock.now().wallMs - 1);
    expect(world.events('cert_expired')).toEqual([]);
    await world.advance(1);
    expect(world.events('cert_expired')).toHaveLength(1);
  });

  it('a gateway whose clock begins in 1970 waits for the right time, restarts once at most, and then rotates', async () => {
    const world = createWorld({ withStateFile: true });
    write(world, 0, 90 * DAY_MS);
    world.clock.jumpWall(-world.clock.now().wallMs);
    world.startByHand();
    world.startWatcher();
    await world.advance(10 * 60_000);
    expect(world.restarts).toEqual([]);
    expect(world.events('cert_not_yet_valid')).toHaveLength(1);
    world.clock.jumpWall(fix.EPOCH_MS);
    await world.advance(HOUR_MS);
    expect(world.restarts.length).toBeLessThanOrEqual(1);
    const before = world.restarts.length;
    await rotate(world, 3, DAY_MS, 90 * DAY_MS);
    expect(world.restarts).toHaveLength(before + 3);
  });
});
