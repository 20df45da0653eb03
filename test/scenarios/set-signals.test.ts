/** Signal or restart for several sets (MOSQUITTO_CONF), and what their listeners present between rotations. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';
import type { CertificateSet, NamedSet } from '../../src/core/model/files.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Window, cooldown and every proof are over by then. */
const LATER_MS = 15 * MINUTE_MS;
const BRIDGES = ['bridge cloud', 'bridge plant'] as const;
const LISTENERS = ['listener 8883', 'listener 8884'] as const;
const NAMES = [...BRIDGES, ...LISTENERS] as const;
type Name = (typeof NAMES)[number];
type Edition = Partial<CertificateSet> & { readonly leafNumber?: number };

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

const crl = (number: number) => ({
  file: '/certs/house.crl',
  sha256: digest(`crl ${number}`),
  thisUpdateMs: 0,
  nextUpdateMs: fix.EPOCH_MS + 900 * fix.DAY_MS,
});
const ca = (number: number) => ({
  authorities: [
    fix.certificate({ isCa: true, sha256: digest(`ca ${number}`), notAfterMs: fix.EPOCH_MS * 2 }),
  ],
});

const SIGHUP: WorldOptions = {
  brokerUrl: { tls: true, host: 'broker', port: 8883 },
  settings: { reloadStrategy: 'sighup' },
};

/**
 * A broker with two bridges, of which a signal moves `plant`, and two listeners, of which 8883 has a CA file and a
 * revocation list; and a watcher that has known it for ten minutes.
 */
async function settled(
  options: WorldOptions = SIGHUP,
  change: Partial<Record<Name, Partial<NamedSet>>> = {},
) {
  const world = createWorld({
    ...options,
    settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined, ...options.settings },
  });
  world.verdict = () => ({
    ...fix.probeSuccess(),
    sets: Object.fromEntries(NAMES.map((name) => [name, fix.probeSuccess()])),
  });
  let serial = 0;
  const lies = new Map<Name, NamedSet['files']>();
  const put = (...names: readonly Name[]) => {
    for (const name of names) edit(name);
    world.put(
      fix.several(
        NAMES.map((name) =>
          fix.named(name, lies.get(name) ?? fix.set('none', 0), {
            reloadsAtOnce: name === 'bridge plant',
            ...change[name],
          }),
        ),
      ),
    );
  };
  const edit = (name: Name, { leafNumber, ...files }: Edition = {}, ctimeMs = world.elapsedMs()) => {
    serial += 1;
    const before = lies.get(name);
    const parts = before?.kind === 'complete' && {
      authorities: before.authorities,
      ...(before.revocation && { revocation: before.revocation }),
    };
    const leaf = fix.certificate({ sha256: digest(`${name} ${leafNumber ?? serial}`), mayBeClient: false });
    lies.set(name, fix.set(`${name} ${serial}`, ctimeMs, { leaf, ...parts, ...files }));
  };
  /** Rewrites one set, with what else is different about it. */
  const write = (name: Name, edition: Edition = {}) => {
    edit(name, edition);
    put();
  };
  for (const name of NAMES) {
    const parts = name === 'listener 8883' ? { ...ca(1), revocation: crl(1) } : {};
    edit(name, { authorities: name === 'listener 8884' ? [] : ca(1).authorities, ...parts }, -2 * HOUR_MS);
  }
  put();
  const watcher = world.startWatcher();
  await world.advance(10 * MINUTE_MS);
  return { world, put, write, watcher };
}

const counts = (world: World) => ({ signals: world.hangUps, restarts: world.restarts.length });
const SIGNALLED = { signals: 1, restarts: 0 };
const RESTARTED = { signals: 0, restarts: 1 };
const why = (world: World) => world.events('mosquitto_restart_triggered').at(-1)?.details['no_signal'];
const proof = (world: World) => world.events('reload_completed').at(-1)?.details['proof'];
const hasAll = (world: World) => (world.files.sets ?? []).every(world.sets.has);

describe('a signal for several sets', () => {
  it('is enough where certificate and key of a listener have changed, and not its CA file or revocation list', async () => {
    const { world, write } = await settled();
    write('listener 8883');
    await world.advance(LATER_MS);
    expect([counts(world), proof(world), hasAll(world)]).toEqual([SIGNALLED, 'listener', true]);
  });

  it('is enough for a bridge with bridge_reload_type immediate, which its fall and rise prove', async () => {
    const { world, write } = await settled();
    write('bridge plant', ca(2));
    await world.advance(LATER_MS);
    expect([counts(world), proof(world), hasAll(world)]).toEqual([SIGNALLED, 'bridge', true]);
  });

  it('is enough for both where both prove it', async () => {
    const { world, put } = await settled();
    put('bridge plant', 'listener 8883', 'listener 8884');
    await world.advance(LATER_MS);
    expect([counts(world), proof(world), hasAll(world)]).toEqual([SIGNALLED, 'both', true]);
  });

  it('knows its bridge by remote_clientid where it has one', async () => {
    const { world, put } = await settled(SIGHUP, {
      'bridge plant': { reportedAs: { name: 'gateway-7', isWhole: true } },
    });
    put('bridge plant');
    await world.advance(LATER_MS);
    expect([counts(world), proof(world)]).toEqual([SIGNALLED, 'bridge']);
  });

  it('is enough although a listener that has not changed presents something else', async () => {
    const { world, put } = await settled();
    world.sets.others.set(8884, digest('of somebody else'));
    put('listener 8883');
    await world.advance(LATER_MS);
    expect(counts(world)).toEqual(SIGNALLED);
  });

  it('is enough again for the next renewal, and for a broker that has been started with the same files since', async () => {
    const { world, put } = await settled();
    put('listener 8883');
    await world.advance(LATER_MS);
    world.startByHand();
    await world.advance(LATER_MS);
    put('listener 8883');
    await world.advance(LATER_MS);
    expect([counts(world), hasAll(world)]).toEqual([{ signals: 2, restarts: 0 }, true]);
  });
});

describe('a restart instead of a signal', () => {
  it.each<[string, Name, Edition, RegExp]>([
    ['another CA file', 'listener 8883', ca(2), /^listener 8883 has another cafile, which a listener reads/],
    ['a new CA file', 'listener 8884', ca(1), /^listener 8884 has another cafile/],
    ['a new revocation list', 'listener 8883', { revocation: crl(2) }, /^listener 8883 has another crlfile/],
    [
      'another chain with the same certificate',
      'listener 8884',
      { leafNumber: 4, intermediates: [fix.certificate({ isCa: true })] },
      /^listener 8884 presents this certificate already/,
    ],
    ['a bridge that a signal does not move', 'bridge cloud', {}, /^bridge cloud has changed, which a signal/],
  ])('is made for %s', async (_, name, edition, reason) => {
    const { world, write } = await settled();
    write(name, edition);
    await world.advance(LATER_MS);
    expect([counts(world), why(world), hasAll(world)]).toEqual([
      RESTARTED,
      expect.stringMatching(reason),
      true,
    ]);
  });

  it.each<[string, Partial<NamedSet>, (world: World) => void, RegExp]>([
    ['says nothing of its state', { reportedAs: undefined }, () => undefined, /"notifications false"/],
    [
      'cannot be heard',
      {},
      (world) => {
        world.sets.areBridgesHeard = false;
      },
      /cannot be asked for its bridges$/,
    ],
    [
      'is not listed',
      { reportedAs: { name: 'gateway-7', isWhole: true } },
      (world) => {
        world.sets.forget('gateway-7');
      },
      /^bridge plant is not among the bridges that it lists$/,
    ],
    [
      'may be that of another broker',
      {},
      (world) => {
        world.sets.strangers.push(fix.bridge({ connection: 'other.plant' }));
      },
      /^bridge plant may be edge\.plant or other\.plant of the bridges that it lists/,
    ],
    [
      'is not steady',
      {},
      (world) => {
        world.sets.say('edge.plant', false);
        world.sets.say('edge.plant', true);
      },
      /^its bridges have just gone down and up/,
    ],
  ])('is made for a bridge that %s', async (_, named, happens, reason) => {
    const { world, put } = await settled(SIGHUP, { 'bridge plant': named });
    happens(world);
    put('bridge plant');
    await world.advance(LATER_MS);
    expect([counts(world), why(world)]).toEqual([RESTARTED, expect.stringMatching(reason)]);
  });

  it('follows where another bridge falls and rises after the signal, and not this one', async () => {
    const { world, put } = await settled();
    world.sets.signal = 'does nothing';
    world.onHangUp = () => {
      world.sets.say('edge.cloud', false);
      world.sets.say('edge.cloud', true);
      return { ok: true, value: undefined };
    };
    put('bridge plant');
    await world.advance(LATER_MS);
    expect(counts(world)).toEqual({ signals: 1, restarts: 1 });
  });

  it.each<[string, (world: World) => void]>([
    ['listener', (world) => world.sets.others.set(8883, digest('of somebody else'))],
    [
      'bridge',
      (world) => {
        world.sets.isMoved = false;
      },
    ],
  ])('follows where both have changed and the %s proves nothing', async (_, happens) => {
    const { world, put } = await settled();
    happens(world);
    put('bridge plant', 'listener 8883');
    await world.advance(MINUTE_MS * 2);
    expect(counts(world)).toEqual({ signals: 1, restarts: 1 });
  });

  it('is made where a state file of before does not say what a listener has loaded, and never after that', async () => {
    const { world, put, watcher } = await settled({ ...SIGHUP, withStateFile: true });
    put('listener 8883');
    await world.advance(LATER_MS);
    watcher.kill();
    const old = [...world.states].map(([name, state]) => {
      const { parts: _, ...applied } = state.applied ?? { fingerprint: '', startedAt: undefined };
      return [name, { ...state, applied }] as const;
    });
    world.states = new Map(old);
    world.startWatcher();
    await world.advance(LATER_MS);
    put('listener 8883');
    await world.advance(LATER_MS);
    expect([counts(world), why(world)]).toEqual([
      { signals: 1, restarts: 1 },
      expect.stringMatching(/what the broker had loaded of it is not known/),
    ]);
    put('listener 8883');
    await world.advance(LATER_MS);
    expect(counts(world)).toEqual({ signals: 2, restarts: 1 });
  });

  it('is made where somebody has started the broker while another CA file lay there', async () => {
    const { world, write } = await settled();
    write('listener 8883', ca(2));
    await world.advance(2_000);
    world.startByHand();
    await world.advance(2_000);
    write('listener 8883', ca(1));
    await world.advance(LATER_MS);
    expect([counts(world), hasAll(world)]).toEqual([RESTARTED, true]);
  });
});

describe('somebody else’s signal', () => {
  const options: WorldOptions = { brokerUrl: { tls: true, host: 'broker', port: 8883 } };

  it('spares the restart where nothing but listeners has changed, and each presents its certificate', async () => {
    const { world, put } = await settled(options);
    put('listener 8883', 'listener 8884');
    world.signalByHand();
    await world.advance(LATER_MS);
    expect([counts(world), hasAll(world)]).toEqual([{ signals: 0, restarts: 0 }, true]);
    const said = world.events('broker_already_current').slice(1);
    expect(said.map(({ details }) => [details['set'], details['proof']])).toEqual([
      ['listener 8883', 'listener'],
      ['listener 8884', 'listener'],
    ]);
  });

  it.each<[string, Name, Edition]>([
    ['a CA file has changed', 'listener 8883', ca(2)],
    ['a revocation list has changed', 'listener 8883', { revocation: crl(2) }],
    ['a bridge has changed', 'bridge cloud', {}],
  ])('spares nothing where %s too', async (_, name, edition) => {
    const { world, put, write } = await settled(options);
    put('listener 8884');
    write(name, edition);
    world.signalByHand();
    await world.advance(LATER_MS);
    expect([counts(world), hasAll(world)]).toEqual([RESTARTED, true]);
  });

  it('spares nothing where one of the listeners does not present its certificate', async () => {
    const { world, put } = await settled(options);
    put('listener 8883');
    world.signalByHand();
    put('listener 8884');
    await world.advance(LATER_MS);
    expect([counts(world), hasAll(world)]).toEqual([RESTARTED, true]);
  });

  it('spares nothing where what the broker had before is not known', async () => {
    const { world, put, watcher } = await settled(options);
    watcher.kill();
    put('listener 8883');
    world.signalByHand();
    world.startWatcher();
    await world.advance(LATER_MS);
    expect([counts(world), hasAll(world)]).toEqual([RESTARTED, true]);
  });
});

describe('a listener of several', () => {
  it('is told once where it presents another certificate, under the name of its set, and never restarted for that', async () => {
    const { world } = await settled();
    world.sets.others.set(8884, digest('of somebody else'));
    await world.advance(LATER_MS);
    expect(world.events('listener_outdated').map(({ details }) => details)).toEqual([
      expect.objectContaining({ set: 'listener 8884', listener: 'mqtts://broker:8884' }),
    ]);
    expect(counts(world)).toEqual({ signals: 0, restarts: 0 });
  });

  it('is told where it has answered before, and does not any more', async () => {
    const { world } = await settled();
    world.sets.unreachable.add(8884);
    await world.advance(LATER_MS);
    const said = world.events('watch_degraded').map(({ details }) => [details['part'], details['set']]);
    expect(said).toEqual([['listener', 'listener 8884']]);
  });

  it('is not told where it has never been reached', async () => {
    const world = createWorld({
      settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined },
    });
    world.sets.unreachable.add(8883);
    world.put(fix.several([fix.named('listener 8883', fix.set('A', -2 * HOUR_MS))]));
    world.startWatcher();
    await world.advance(LATER_MS);
    expect(world.events('watch_degraded', 'listener_outdated')).toEqual([]);
  });

  it('is looked at once a minute, and of many no more than sixteen', async () => {
    const world = createWorld({
      settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined },
    });
    const ports = Array.from({ length: 40 }, (_, index) => 9_000 + index);
    world.put(fix.several(ports.map((port) => fix.named(`listener ${port}`, fix.set('A', -2 * HOUR_MS)))));
    world.startWatcher();
    await world.advance(10 * MINUTE_MS);
    const before = world.sets.looks;
    await world.advance(10 * MINUTE_MS);
    expect(world.sets.looks - before).toBe(10 * 16);
  });

  it('is looked at no more than six times a minute while a set is held', async () => {
    const { world, write } = await settled();
    write('bridge cloud', { leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS - 1 }) });
    await world.advance(MINUTE_MS);
    const before = world.sets.looks;
    await world.advance(10 * MINUTE_MS);
    expect(world.sets.looks - before).toBeLessThanOrEqual(10 * 6 * LISTENERS.length);
  });

  it('is quiet while its renewed set waits for the restart', async () => {
    const { world, put } = await settled({ settings: { restartEnabled: false } });
    put('listener 8883');
    await world.advance(LATER_MS);
    expect(world.events('listener_outdated')).toEqual([]);
  });
});
