/** Bridges that are listened for, and reloads by signal, in the simulated gateway. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type WorldOptions } from '../../lab/world.ts';
import type { BridgeSight } from '../../src/core/model/bridge.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;
const VERIFY_MS = 30_000;

const URL = { tls: false, host: 'broker', port: 1883 };
const TLS_URL = { tls: true, host: 'broker', port: 8883 };

const bridge = (up: boolean): BridgeSight => fix.sight([fix.bridge({ up })]);
/** A bridge as it is heard after messages that were not retained: `0` at one number, `1` at another. */
const moved = ({ fellAt, roseAt }: { fellAt: number; roseAt: number }): BridgeSight => {
  const lastLive = Math.max(fellAt, roseAt);
  return fix.sight([fix.bridge({ up: roseAt > fellAt, fellAt, roseAt })], { messages: lastLive, lastLive });
};
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
  it('is reported once while it is up', async () => {
    const world = await settled();
    await world.advance(24 * HOUR_MS);
    expect(world.events('bridge_connected', 'bridge_down')).toHaveLength(1);
  });

  it('is reported when it goes down and when it is back', async () => {
    const world = await settled();
    world.hearBridges(bridge(false));
    await world.advance(1_000);
    world.hearBridges(bridge(true));
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

  it('is reported again after a restart', async () => {
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

  it('that cannot be listened for is reported, however often the reason changes', async () => {
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
    world.hearBridges(bridge(true));
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

describe('bridges that come and go', () => {
  const names = (count: number, up = true) =>
    fix.sight(
      Array.from({ length: count }, (_, index) => fix.bridge({ connection: `made-up-${index}`, up })),
    );

  /** One bridge that changes nine times a second. */
  async function flap(world: Awaited<ReturnType<typeof settled>>, forMs: number) {
    for (let changes = 2; changes < 2 + forMs / 110; changes += 1) {
      world.hearBridges(fix.sight([fix.bridge({ up: changes % 2 === 1, changes })]));
      await world.advance(110);
    }
  }

  it('faster than a few times a minute are told a bounded number of times', async () => {
    const world = await settled();
    await flap(world, 600_000);
    const lines = world.events('bridge_connected', 'bridge_down', 'watch_degraded');
    // the first of all, six at once, one each minute, and that there is more than is told
    expect(lines.length).toBeLessThanOrEqual(1 + 6 + 10 + 1);
  });

  it('faster than is told are said to do so, once', async () => {
    const world = await settled();
    await flap(world, 60_000);
    const [degraded, ...more] = world.events('watch_degraded');
    expect(degraded?.details).toMatchObject({ part: 'bridges', connection: 'edge.cloud' });
    expect(more).toEqual([]);
  });

  it('are told as they are in the end, with how much was left out before', async () => {
    const world = await settled();
    await flap(world, 60_000);
    for (const changes of [1_000, 1_001]) {
      world.hearBridges(fix.sight([fix.bridge({ up: changes % 2 === 1, changes })]));
      await world.advance(120_000);
    }
    const told = world.events('bridge_connected', 'bridge_down');
    expect(told.at(-1)?.event).toBe('bridge_connected');
    expect(told.some(({ details }) => Number(details['left_out']) > 400)).toBe(true);
  });

  it('a few times are told without a word of what was left out', async () => {
    const world = await settled();
    for (const up of [false, true, false, true]) {
      world.hearBridges(bridge(up));
      await world.advance(60_000);
    }
    const told = world.events('bridge_connected', 'bridge_down');
    expect(told.map(({ details }) => details['left_out'])).toEqual(told.map(() => undefined));
  });

  it('under ever other names are told a bounded number of times', async () => {
    const world = await settled();
    for (let round = 0; round < 600; round += 1) {
      const made = Array.from({ length: 64 }, (_, index) => fix.bridge({ connection: `${round}-${index}` }));
      world.hearBridges(fix.sight(made));
      await world.advance(1_000);
    }
    expect(world.events('bridge_connected', 'bridge_down').length).toBeLessThanOrEqual(64 + 60 + 1);
  });

  it('with a connection that is cut again and again are told once', async () => {
    const world = await settled();
    for (let round = 0; round < 100; round += 1) {
      world.hearBridges(UNKNOWN);
      await world.advance(1_000);
      world.hearBridges(bridge(false));
      await world.advance(1_000);
    }
    expect(world.events('bridge_connected', 'bridge_down')).toHaveLength(2);
  });

  it('do not keep another one that goes down from being told', async () => {
    const world = await settled();
    const others = (round: number) =>
      names(63, round % 2 === 0).bridges.map((each) => ({ ...each, changes: round }));
    for (let round = 0; round < 300; round += 1) {
      world.hearBridges(fix.sight([...others(round), fix.bridge()]));
      await world.advance(1_000);
    }
    world.hearBridges(fix.sight([...others(301), fix.bridge({ up: false, changes: 2 })]));
    await world.advance(30_000);
    const downs = world.events('bridge_down').map(({ details }) => details['connection']);
    expect(downs).toContain('edge.cloud');
  });

  it('are said to be too many, once', async () => {
    const world = await settled();
    const crowd = fix.sight(names(64).bridges, { leftOut: { bridges: true, messages: false } });
    for (let round = 0; round < 60; round += 1) {
      world.hearBridges(round % 2 === 0 ? crowd : UNKNOWN);
      await world.advance(1_000);
    }
    const [degraded, ...more] = world.events('watch_degraded');
    expect(degraded?.details).toMatchObject({
      part: 'bridges',
      message: expect.stringContaining('more than 64 bridges'),
      hint: expect.stringContaining('BRIDGE_NAME'),
    });
    expect(more).toEqual([]);
  });

  it('do not make a restart late', async () => {
    const world = await settled();
    world.write('B');
    const writtenMs = world.elapsedMs();
    await flap(world, 20_000);
    expect(world.restarts[0]?.atMs).toBeLessThanOrEqual(writtenMs + WINDOW_MS + 1_000);
  });

  it('that are forgotten by the broker are no longer told', async () => {
    const world = await settled();
    world.hearBridges(fix.sight());
    await world.advance(HOUR_MS);
    expect(world.events('bridge_connected', 'bridge_down')).toHaveLength(1);
  });
});

describe('RELOAD_STRATEGY=sighup', () => {
  const settings = { reloadStrategy: 'sighup' } as const;

  it('signals, and restarts nothing when the bridge goes down and comes up again', async () => {
    const world = await settled({ settings });
    world.onHangUp = () => {
      world.bridges = moved({ fellAt: 3, roseAt: 4 });
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

  /** A signal after which `heard` is what the broker says. */
  async function signalled(heard: BridgeSight, options: WorldOptions = {}) {
    const world = await settled({ settings, ...options });
    world.onHangUp = () => {
      world.bridges = heard;
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(HOUR_MS);
    return [world.hangUps, world.restarts.length];
  }

  it.each([
    ['a 1 alone, which any client may publish', moved({ fellAt: 0, roseAt: 2 })],
    ['a 0 from before the signal and a 1', moved({ fellAt: 1, roseAt: 2 })],
    ['a 0 alone', moved({ fellAt: 2, roseAt: 0 })],
    ['a 1 and then a 0', moved({ fellAt: 3, roseAt: 2 })],
    ['that the bridge is forgotten', fix.sight([], { messages: 2, lastLive: 2 })],
    ['that it is not known any more', UNKNOWN],
  ])('takes for no proof: %s', async (_what, heard) => {
    expect(await signalled(heard)).toEqual([1, 1]);
  });

  it('takes the fall and rise of one of two bridges for no proof', async () => {
    const world = await settled({ settings });
    const other = fix.bridge({ connection: 'edge.other' });
    world.hearBridges(fix.sight([fix.bridge(), other]));
    await world.advance(HOUR_MS);
    world.onHangUp = () => {
      world.bridges = fix.sight([fix.bridge({ fellAt: 3, roseAt: 4 }), other], { messages: 4, lastLive: 4 });
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 1]);
  });

  it('takes what goes on changing for no proof', async () => {
    const world = await settled({ settings });
    let messages = 2;
    world.onHangUp = () => {
      const change = () => {
        messages += 2;
        world.bridges = moved({ fellAt: messages - 1, roseAt: messages });
      };
      const timer = async () => {
        for (let round = 0; round < 100; round += 1) {
          change();
          await world.clock.sleep(250, new AbortController().signal);
        }
      };
      void timer();
      return { ok: true, value: undefined };
    };
    world.write('B');
    await world.advance(25_000);
    expect(world.events('reload_completed')).toEqual([]);
  });

  it('restarts at once where the bridge has come and gone just before: that would prove nothing', async () => {
    const world = await settled({ settings });
    world.write('B');
    await world.advance(WINDOW_MS - 2_000);
    world.hearBridges(moved({ fellAt: 2, roseAt: 3 }));
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
    const [triggered] = world.events('mosquitto_restart_triggered');
    expect(triggered?.details['no_signal']).toMatch(/have just gone down and up/);
  });

  it('signals again when the bridge has been steady for as long as a proof may take', async () => {
    const world = await settled({ settings });
    world.hearBridges(moved({ fellAt: 2, roseAt: 3 }));
    await world.advance(VERIFY_MS - WINDOW_MS + 1_000);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.hangUps).toBe(1);
  });

  it('restarts at once where there are more bridges than are watched', async () => {
    const world = await settled({ settings });
    world.hearBridges(fix.sight([fix.bridge()], { leftOut: { bridges: true, messages: false } }));
    await world.advance(HOUR_MS);
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts at once where the CA has changed, whoever uses it', async () => {
    const world = await settled({ settings });
    world.write('B', { authorities: [fix.certificate({ isCa: true, sha256: 'd'.repeat(64) })] });
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  describe('of a broker that lists no bridge', () => {
    const leaf = fix.certificate({ mayBeClient: false });
    const ofListener = { probeEnabled: false, upstream: undefined, reloadStrategy: 'sighup' } as const;

    /** A rotation of the certificate of its TLS listener, which presents the new one after the signal. */
    async function rotated(
      options: WorldOptions = {},
      { before = fix.sight(), after = before }: { before?: BridgeSight; after?: BridgeSight } = {},
      renewed = leaf,
    ) {
      const world = await settled({ settings: ofListener, brokerUrl: TLS_URL, ...options });
      world.hearBridges(before);
      await world.advance(HOUR_MS);
      world.onHangUp = () => {
        world.presented = renewed.sha256;
        world.bridges = after;
        return { ok: true, value: undefined };
      };
      world.write('B', { leaf: renewed });
      await world.advance(HOUR_MS);
      return world;
    }
    const countsOf = (world: Awaited<ReturnType<typeof rotated>>) => [world.hangUps, world.restarts.length];

    it('takes the certificate that its TLS listener presents for a proof', async () => {
      const world = await rotated();
      expect(countsOf(world)).toEqual([1, 0]);
      expect(world.events('reload_completed')[0]?.details).toMatchObject({ proof: 'listener' });
    });

    it('restarts at once a certificate that a silent bridge may use', async () => {
      const world = await rotated({}, {}, fix.certificate());
      expect(countsOf(world)).toEqual([0, 1]);
      expect(world.events('mosquitto_restart_triggered')[0]?.details['no_signal']).toMatch(
        /publishes no state/,
      );
    });

    it('restarts at once where there is an upstream, and so a silent bridge', async () => {
      const world = await rotated({ settings });
      expect(countsOf(world)).toEqual([0, 1]);
    });

    it('restarts at once where it has listed one before', async () => {
      const world = await rotated({}, { before: fix.sight([], { messages: 2 }) });
      expect(countsOf(world)).toEqual([0, 1]);
    });

    it('restarts it where a bridge speaks up after the signal', async () => {
      const world = await rotated(
        {},
        { before: fix.sight(), after: fix.sight([fix.bridge()], { messages: 1, lastLive: 1 }) },
      );
      expect(countsOf(world)).toEqual([1, 1]);
    });

    it('restarts it where the listener keeps the certificate that it has', async () => {
      const world = await settled({ settings: ofListener, brokerUrl: TLS_URL });
      world.hearBridges(fix.sight());
      world.write('B', { leaf });
      await world.advance(HOUR_MS);
      expect(countsOf(world)).toEqual([1, 1]);
    });
  });

  it('restarts at once where nothing could prove anything', async () => {
    const world = await settled({ settings });
    world.bridges = fix.sight();
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts at once while it is not known whether there are bridges', async () => {
    const world = await settled({ settings, brokerUrl: TLS_URL });
    world.hearBridges(UNKNOWN);
    world.write('B');
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('restarts at once where the bridge that counts is not known to the broker', async () => {
    const world = await settled({ settings: { ...settings, bridgeName: 'another' }, brokerUrl: TLS_URL });
    world.bridges = fix.sight();
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
    let roseAt = 2;
    world.onHangUp = () => {
      roseAt += 2;
      world.bridges = moved({ fellAt: roseAt - 1, roseAt });
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
