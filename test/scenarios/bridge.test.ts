/** Bridges that are listened for, and reloads by signal, in the simulated gateway. */

import { describe, expect, it } from 'vitest';
import type { BridgeSight } from '../../src/core/bridge.ts';
import * as fix from '../support/core-fixtures.ts';
import { createWorld, type WorldOptions } from '../support/world.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;
const VERIFY_MS = 30_000;

const URL = { tls: false, host: 'broker', port: 1883 };
const TLS_URL = { tls: true, host: 'broker', port: 8883 };

const bridge = (up: boolean, connects = 0): BridgeSight => ({
  ok: true,
  bridges: [{ connection: 'edge.cloud', up, connects }],
});
const UNKNOWN: BridgeSight = { ok: false, problem: 'mqtt://broker:1883 cannot be reached', hint: 'look' };

/** A broker that has loaded A and whose bridge is up, and a watcher that listens. */
async function settled(options: WorldOptions = {}) {
  const world = createWorld({ brokerUrl: URL, ...options });
  world.bridges = bridge(true);
  world.write('A');
  await world.advance(1_000);
  for (const name of world.brokers.keys()) world.startByHand(name);
  await world.advance(HOUR_MS);
  world.startWatcher();
  await world.advance(HOUR_MS);
  return world;
}

describe('a bridge that is listened for', () => {
  it('is told of once while it is up', async () => {
    const world = await settled();
    await world.advance(24 * HOUR_MS);
    expect(world.events('bridge_connected', 'bridge_down')).toHaveLength(1);
  });

  it('is told of when it goes down and when it is back', async () => {
    const world = await settled();
    world.hearBridges(bridge(false));
    await world.advance(1_000);
    world.hearBridges(bridge(true, 1));
    await world.advance(1_000);
    const told = world.events('bridge_connected', 'bridge_down').map(({ event }) => event);
    expect(told).toEqual(['bridge_connected', 'bridge_down', 'bridge_connected']);
  });

  it('that is down never causes a restart', async () => {
    const world = await settled();
    world.hearBridges(bridge(false));
    await world.advance(24 * HOUR_MS);
    expect(world.asks).toEqual([]);
  });

  it('is told of anew after a restart', async () => {
    const world = await settled();
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.events('bridge_connected')).toHaveLength(2);
  });

  it('has as long as the broker to come back after a restart before it is told as down', async () => {
    const world = await settled();
    world.write('B');
    await world.advance(WINDOW_MS + 5_000);
    world.hearBridges(bridge(false));
    await world.advance(VERIFY_MS - 10_000);
    expect(world.events('bridge_down')).toEqual([]);
    await world.advance(10_000);
    expect(world.events('bridge_down')).toHaveLength(1);
  });

  it('that is down is told with what the probe says about the cause', async () => {
    const world = await settled();
    world.verdict = () => fix.probeFailure({ cause: 'tcp', hint: 'is the upstream up?' });
    await world.advance(120_000);
    world.hearBridges(bridge(false));
    await world.advance(1_000);
    const [down] = world.events('bridge_down');
    expect(down?.details).toMatchObject({
      cause: 'tcp',
      hint: 'is the upstream up?',
      message: 'the bridge edge.cloud of eclipse-mosquitto is down: the upstream cannot be reached',
    });
  });

  it('that cannot be listened for is told of, however often the reason changes', async () => {
    const world = await settled();
    for (let attempt = 0; attempt < 10; attempt += 1) {
      world.hearBridges({ ok: false, problem: `reason ${attempt}`, hint: 'look' });
      await world.advance(10_000);
    }
    expect(world.events('watch_degraded')).toHaveLength(1);
  });

  it('that cannot be listened for is told as unknown after a while, and never as down', async () => {
    const world = await settled();
    world.hearBridges(UNKNOWN);
    await world.advance(VERIFY_MS - 1_000);
    expect(world.events('watch_degraded')).toEqual([]);
    await world.advance(2_000);
    expect(world.events('watch_degraded')[0]?.details).toMatchObject({ part: 'bridges' });
    expect(world.events('bridge_down')).toEqual([]);
  });
});

describe('a roll whose first broker has been restarted', () => {
  async function pair() {
    const world = await settled({ brokers: ['left', 'right'] });
    world.write('B');
    await world.advance(WINDOW_MS + 1_000);
    world.hearBridges(bridge(false));
    return world;
  }
  const namesOf = (world: Awaited<ReturnType<typeof pair>>) =>
    world.restarts.map(({ container }) => container);

  it('waits for its bridge', async () => {
    const world = await pair();
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['left']);
    expect(world.events('roll_stopped')[0]?.details).toMatchObject({ container: 'left' });
    world.hearBridges(bridge(true, 1));
    await world.advance(60_000);
    expect(namesOf(world)).toEqual(['left', 'right']);
  });

  it('does not wait for it while the upstream cannot be reached', async () => {
    const world = await pair();
    world.verdict = () => fix.probeFailure({ cause: 'tcp' });
    await world.advance(HOUR_MS);
    expect(namesOf(world)).toEqual(['left', 'right']);
  });
});

describe('RELOAD_STRATEGY=sighup', () => {
  const settings = { reloadStrategy: 'sighup' } as const;

  it('signals, and restarts nothing when the bridge connects anew', async () => {
    const world = await settled({ settings });
    world.onHangUp = () => {
      world.bridges = bridge(true, 1);
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.asks.length]).toEqual([1, 0]);
    expect(world.events('reload_completed')[0]?.details).toMatchObject({ proof: 'bridge' });
  });

  it('restarts, once, a broker whose bridge stays as it is', async () => {
    const world = await settled({ settings });
    world.write('B');
    await world.advance(24 * HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 1]);
    const order = world.events(
      'mosquitto_reload_triggered',
      'reload_insufficient',
      'mosquitto_restart_triggered',
    );
    expect(order.map(({ event }) => event)).toEqual([
      'mosquitto_reload_triggered',
      'reload_insufficient',
      'mosquitto_restart_triggered',
    ]);
  });

  it('restarts only after the proof has had its time', async () => {
    const world = await settled({ settings });
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts[0]?.atMs).toBeGreaterThanOrEqual(writtenMs + WINDOW_MS + VERIFY_MS);
  });

  it('takes the certificate that a TLS listener presents as proof where there is no bridge', async () => {
    const world = await settled({ settings, brokerUrl: TLS_URL });
    world.bridges = { ok: true, bridges: [] };
    world.onHangUp = () => {
      world.presented = fix.certificate().sha256;
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.asks.length]).toEqual([1, 0]);
  });

  it('restarts at once where the CA has changed, which a listener takes up only at its start', async () => {
    const world = await settled({ settings, brokerUrl: TLS_URL });
    world.bridges = { ok: true, bridges: [] };
    world.write('B', { authorities: [fix.certificate({ isCa: true, sha256: 'd'.repeat(64) })] });
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts at once where nothing could prove anything', async () => {
    const world = await settled({ settings });
    world.bridges = { ok: true, bridges: [] };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts at once while nobody knows whether there are bridges', async () => {
    const world = await settled({ settings, brokerUrl: TLS_URL });
    world.hearBridges(UNKNOWN);
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts at once where the bridge that counts is not known to the broker', async () => {
    const world = await settled({ settings: { ...settings, bridgeName: 'another' }, brokerUrl: TLS_URL });
    world.bridges = { ok: true, bridges: [] };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts a broker that the signal has ended', async () => {
    const world = await settled({ settings });
    world.onHangUp = () => {
      world.broker = { ...(world.broker ?? fix.broker(0)), up: false, status: 'exited', exitCode: 129 };
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 1]);
  });

  it('restarts nothing where the broker was started meanwhile: it has read the files then', async () => {
    const world = await settled({ settings });
    world.onHangUp = () => {
      world.startByHand();
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 0]);
  });

  it('restarts where the engine refuses the signal', async () => {
    const world = await settled({ settings });
    world.onHangUp = () => fix.engineFailure({ cause: 'permission_denied' });
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 1]);
  });

  it('lets the cooldown count from a reload too', async () => {
    const world = await settled({ settings });
    let connects = 0;
    world.onHangUp = () => {
      connects += 1;
      world.bridges = bridge(true, connects);
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(60_000);
    world.write('C');
    await world.advance(120_000);
    expect(world.hangUps).toBe(1);
    await world.advance(HOUR_MS);
    expect(world.hangUps).toBe(2);
  });
});
