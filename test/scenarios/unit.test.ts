/** A broker that is a unit of systemd, in the simulated gateway. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';
import { assessmentOf } from '../support/assessment-of.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;

/** A unit that has loaded A, and a watcher that has nothing to do. */
async function settled(options: WorldOptions = {}) {
  return settledIn(createWorld({ unit: {}, ...options }));
}

async function settledIn(world: World) {
  world.write('A');
  await world.advance(1_000);
  world.startByHand();
  await world.advance(HOUR_MS);
  const watcher = world.startWatcher();
  await world.advance(HOUR_MS);
  return { world, watcher };
}

/** The process ends by itself. */
function end(world: World, exitCode: number) {
  const { wallMs } = world.clock.now();
  const finishedAt = new Date(wallMs).toISOString();
  if (world.broker === undefined) throw new Error('there is a broker');
  world.broker = { ...world.broker, up: false, status: 'exited', exitCode, finishedAt, finishedAtMs: wallMs };
}

describe('a unit', () => {
  it('is restarted once per rotation, at the end of the window', async () => {
    const { world } = await settled();
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(24 * HOUR_MS);
    expect(world.restarts).toEqual([{ atMs: writtenMs + WINDOW_MS + 300, loaded: 'B' }]);
    expect(world.events('restart_completed')).toHaveLength(1);
  });

  it('that was started after the files came has read them, whoever started it', async () => {
    const { world } = await settled();
    world.write('B');
    await world.advance(1_000);
    world.startByHand();
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
    const sentences = world.publications.map(({ cycle }) => cycle?.decision.sentence);
    expect(sentences).toContainEqual(expect.stringMatching(/^the broker was started at .* and has read/));
  });

  it('that was stopped is left alone, and told once', async () => {
    const { world } = await settled();
    end(world, 0);
    world.write('B');
    await world.advance(HOUR_MS - 1_000);
    expect([world.asks, world.events('broker_not_running').length]).toEqual([[], 1]);
  });

  it('that has failed is started for a rotation, and not without one', async () => {
    const { world } = await settled();
    end(world, 3);
    await world.advance(HOUR_MS);
    expect(world.asks).toEqual([]);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('that has failed is started by the successor of a watcher that has only reset its start limit', async () => {
    const { world, watcher } = await settled({ withStateFile: true, unit: { result: 'start-limit-hit' } });
    end(world, 3);
    world.restartCall = 'refused';
    world.write('B');
    await world.advance(WINDOW_MS + 1_000);
    watcher.kill();
    expect(world.asks).toHaveLength(1);
    world.restartCall = 'works';
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('that is not there is told by its own cause', async () => {
    const { world } = await settled();
    world.broker = undefined;
    world.foreign = undefined;
    world.write('B');
    await world.advance(60_000);
    expect(world.events('restart_failed')[0]?.details).toMatchObject({ cause: 'unit_missing' });
  });

  it('that dies after its restart is not restarted again for this set, with where to look', async () => {
    const { world } = await settled();
    world.nextStart = { up: false, status: 'exited', exitCode: 3 };
    world.write('B');
    await world.advance(24 * HOUR_MS);
    expect(world.asks).toHaveLength(1);
    expect(world.events('broker_unhealthy')[0]?.details).toMatchObject({
      exit_code: 3,
      hint: expect.stringContaining('journalctl -u mosquitto.service'),
    });
  });

  it('that nobody could look at after its restart is told with where to look for a unit', async () => {
    const { world } = await settled();
    world.write('B');
    // the restart is under way
    await world.advance(WINDOW_MS + 100);
    world.engineDown = fix.engineFailure({ cause: 'timeout', problem: 'no answer within 8 s' });
    await world.advance(HOUR_MS);
    expect(world.events('broker_unhealthy')[0]?.details).toMatchObject({
      hint: expect.stringContaining('journalctl -u mosquitto.service'),
    });
    const { findings } = assessmentOf(world);
    expect(findings.find(({ cause }) => cause.startsWith('broker_unhealthy'))?.advice).toContain(
      'journalctl',
    );
  });

  it('whose restart was refused is tried again, ever more rarely, until it is granted', async () => {
    const { world } = await settled();
    world.restartCall = 'refused';
    world.write('B');
    await world.advance(HOUR_MS);
    const tries = world.asks.length;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(20);
    world.restartCall = 'works';
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });
});

describe('a container that belongs to a unit', () => {
  it('and is down after its restart is told with the setting that does it right', async () => {
    const { world } = await settledIn(createWorld());
    world.nextStart = { up: false, status: 'exited', exitCode: 0, unit: 'broker.service' };
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.events('broker_unhealthy')[0]?.details).toMatchObject({
      hint: expect.stringContaining('MOSQUITTO_UNIT=broker.service'),
    });
  });
});

describe('a signal to a unit', () => {
  const listener = { ...fix.certificate(), mayBeClient: false };
  const settings = { reloadStrategy: 'sighup', probeEnabled: false, upstream: undefined } as const;
  const url = { tls: true, host: 'broker', port: 8883 };

  async function rotated(options: WorldOptions = {}) {
    const { world } = await settled({ settings, brokerUrl: url, ...options });
    const renewed = { ...listener, sha256: 'd'.repeat(64) };
    world.onHangUp = () => {
      world.presented = renewed.sha256;
      return { ok: true, value: undefined };
    };
    world.write('B', { leaf: renewed });
    await world.advance(HOUR_MS);
    return world;
  }

  it('is enough where its listener presents the new certificate', async () => {
    const world = await rotated();
    expect([world.hangUps, world.restarts.length]).toEqual([1, 0]);
    expect(world.events('reload_completed')).toHaveLength(1);
  });

  it("is not sent to a container's unit: it would reach Podman's monitor", async () => {
    const world = await rotated({ unit: { ofPodman: true } });
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
    expect(world.events('mosquitto_restart_triggered')[0]?.details['no_signal']).toContain('main process');
  });
});
