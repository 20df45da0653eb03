/** The certificates of a listener (CERT_ROLE=listener) and of a broker that may not read them (BROKER_USER). */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';
import type { Obstacle } from '../../src/core/model/files.ts';
import type { Settings } from '../../src/core/model/settings.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = fix.DAY_MS;

const TLS_URL = { tls: true, host: 'broker', port: 8883 };

const SIGHUP: Partial<Settings> = { ...fix.LISTENER_SETTINGS, reloadStrategy: 'sighup' };

/** The leaf of the set with this number. */
const leaf = (number: number) =>
  fix.certificate({
    subject: 'CN=mqtt.example.com',
    sha256: `${number}`.repeat(64).slice(0, 64),
    notAfterMs: fix.EPOCH_MS + (90 + number) * DAY_MS,
    mayBeClient: true,
  });

/** A watcher of a broker that was started after the first set was written, and presents it. */
async function settled(settings = fix.LISTENER_SETTINGS, options: WorldOptions = {}): Promise<World> {
  const world = createWorld({ brokerUrl: TLS_URL, ...options, settings });
  world.verdict = () => fix.probeSuccess({ proof: 'pair' });
  world.put(fix.set('set 1', -2 * HOUR_MS, { ...fix.LISTENER_FILES, leaf: leaf(1) }));
  world.presented = leaf(1).sha256;
  world.startWatcher();
  await world.advance(600_000);
  return world;
}

function write(world: World, number: number) {
  world.write(`set ${number}`, { ...fix.LISTENER_FILES, leaf: leaf(number) });
}

/** What a SIGHUP does to a listener: it presents what lies on disk. */
function takesUp(world: World, number: number) {
  world.onHangUp = () => {
    world.presented = leaf(number).sha256;
    return { ok: true, value: undefined };
  };
}

const boxes = (world: World) => world.lastDecision()?.path ?? [];

describe('the set of a listener', () => {
  it('is applied by one restart, and needs neither an upstream nor the box of the probe', async () => {
    const world = await settled();
    write(world, 2);
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['set 2']);
    expect(world.events('restart_completed')).toHaveLength(1);
    expect(world.publications.flatMap(({ cycle }) => cycle?.decision.path ?? [])).not.toContain('TLS_PROBE');
    expect(world.events('tls_probe_success', 'tls_probe_failure')).toEqual([]);
  });

  it('is not applied where key and certificate do not belong together', async () => {
    const world = await settled();
    world.verdict = () => fix.probeFailure({ cause: 'client_key_mismatch', phase: 'files' });
    write(world, 2);
    await world.advance(HOUR_MS);
    expect([world.restarts.length, boxes(world).includes('CERT_INVALID')]).toEqual([0, true]);
  });

  it('is applied where the watcher may not read the key, which is said', async () => {
    const world = await settled();
    world.verdict = () => fix.probeFailure({ cause: 'local_file', phase: 'files', keyUnreadable: true });
    write(world, 2);
    await world.advance(HOUR_MS / 2);
    expect(world.restarts).toHaveLength(1);
    const said = world.events('watch_degraded').map(({ details }) => details['part']);
    expect(said).toEqual(['private_key']);
  });

  it('counts no comparison of key and certificate as a probe', async () => {
    const world = await settled();
    expect(world.publications.some(({ fact }) => fact?.kind === 'probe_ended')).toBe(true);
    expect(world.probes).toBeGreaterThan(1);
  });
});

describe('a restart for a listener', () => {
  it('is not complete before the listener presents the set', async () => {
    const world = await settled();
    world.isListenerOurs = false;
    write(world, 2);
    await world.advance(20_000);
    expect(world.events('restart_completed')).toEqual([]);
    world.presented = leaf(2).sha256;
    await world.advance(10_000);
    expect(world.events('restart_completed')).toHaveLength(1);
  });

  it('is told as broken where the listener never presents it, and is not repeated', async () => {
    const world = await settled();
    world.isListenerOurs = false;
    write(world, 2);
    await world.advance(2 * HOUR_MS);
    const [unhealthy] = world.events('broker_unhealthy');
    expect(unhealthy?.details['error']).toMatch(
      /does not present the new certificate, but CN=mqtt.example.com/,
    );
    expect([world.restarts.length, world.events('restart_completed').length]).toEqual([1, 0]);
    expect(world.events('listener_outdated').length).toBeGreaterThan(0);
  });

  it('also waits for the proof where a health check is still to come', async () => {
    const world = await settled();
    world.brokerCalled('eclipse-mosquitto').check = { says: 'healthy', afterMs: 60_000 };
    world.isListenerOurs = false;
    write(world, 2);
    await world.advance(HOUR_MS);
    expect([world.restarts.length, world.events('restart_completed').length]).toEqual([1, 0]);
  });
});

describe('a signal for a listener', () => {
  it('is tried for a leaf that ends in the same second as the one before', async () => {
    const world = await settled(SIGHUP);
    const renewed = { ...leaf(2), notAfterMs: leaf(1).notAfterMs };
    takesUp(world, 2);
    world.write('set 2', { ...fix.LISTENER_FILES, leaf: renewed });
    await world.advance(HOUR_MS);
    expect([world.events('reload_completed').length, world.restarts.length]).toEqual([1, 0]);
  });

  it('by somebody else spares the restart for such a leaf too', async () => {
    const world = await settled();
    world.write('set 2', { ...fix.LISTENER_FILES, leaf: { ...leaf(2), notAfterMs: leaf(1).notAfterMs } });
    world.presented = leaf(2).sha256;
    await world.advance(HOUR_MS);
    expect([world.events('broker_already_current').length, world.restarts.length]).toEqual([2, 0]);
  });

  it('is enough where the listener presents the set, also for a certificate that is for clients too', async () => {
    const world = await settled(SIGHUP);
    takesUp(world, 2);
    write(world, 2);
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 0]);
    expect(world.events('reload_completed')[0]?.details).toMatchObject({ proof: 'listener' });
  });

  it('is followed by one restart where it does not', async () => {
    const world = await settled(SIGHUP);
    write(world, 2);
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([1, 1]);
  });

  it('is not tried where the CA file has changed: a listener reads it only at its start', async () => {
    const world = await settled({ ...SIGHUP, caCertFile: 'ca.crt' });
    world.write('set 2', { leafFile: 'fullchain.pem', leaf: leaf(2) });
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('is not tried where only the chain has changed: the listener would prove nothing', async () => {
    const world = await settled(SIGHUP);
    world.write('set 2', {
      ...fix.LISTENER_FILES,
      leaf: leaf(1),
      intermediates: [fix.certificate({ isCa: true })],
    });
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 1]);
  });

  it('by somebody else spares the restart, which the start of the broker could not show', async () => {
    const world = await settled(SIGHUP);
    write(world, 2);
    world.presented = leaf(2).sha256;
    await world.advance(HOUR_MS);
    expect([world.hangUps, world.restarts.length]).toEqual([0, 0]);
    expect(world.events('broker_already_current').at(-1)?.details).toMatchObject({ proof: 'listener' });
  });

  it('by a predecessor spares the restart of a watcher that has just started without a memory', async () => {
    const world = createWorld({ brokerUrl: TLS_URL, settings: fix.LISTENER_SETTINGS });
    world.verdict = () => fix.probeSuccess({ proof: 'pair' });
    world.put(fix.set('set 1', -60_000, { ...fix.LISTENER_FILES, leaf: leaf(1) }));
    world.presented = leaf(1).sha256;
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
  });

  it('by somebody else proves nothing about a CA file that is not known', async () => {
    const world = createWorld({
      brokerUrl: TLS_URL,
      settings: { ...fix.LISTENER_SETTINGS, caCertFile: 'ca.crt' },
    });
    world.verdict = () => fix.probeSuccess({ proof: 'pair' });
    world.put(fix.set('set 1', -60_000, { leafFile: 'fullchain.pem', leaf: leaf(1) }));
    world.presented = leaf(1).sha256;
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(world.restarts).toHaveLength(1);
  });
});

describe('a listener that is looked at', () => {
  it('is told once where it presents something else, and never restarted for that', async () => {
    const world = await settled();
    world.presented = 'd'.repeat(64);
    await world.advance(HOUR_MS / 2);
    expect(world.events('listener_outdated')).toHaveLength(1);
    expect(world.restarts).toEqual([]);
  });

  it('is told where it does not answer while its broker runs', async () => {
    const world = await settled();
    world.presented = undefined;
    await world.advance(HOUR_MS / 2);
    expect(world.events('watch_degraded').map(({ details }) => details['part'])).toEqual(['listener']);
  });

  it('is quiet while a new set waits for its restart', async () => {
    const world = await settled({ ...fix.LISTENER_SETTINGS, cooldownMs: 0, restartEnabled: false });
    write(world, 2);
    await world.advance(HOUR_MS / 2);
    expect(world.events('listener_outdated')).toEqual([]);
  });

  it('is not looked at for the set of a bridge', async () => {
    const world = await settled({ certRole: 'bridge' });
    world.presented = 'd'.repeat(64);
    await world.advance(HOUR_MS);
    expect(world.events('listener_outdated')).toEqual([]);
  });
});

describe('a set that the broker may not read', () => {
  const brokerUser = { uid: 1883, gid: 1883 };
  const keyOfRoot: Obstacle = {
    file: 'client.key',
    path: '/certs/client.key',
    problem: 'does not let it read (mode 600, owner 0, group 0)',
    fix: 'chgrp 1883 /certs/client.key && chmod g+r /certs/client.key',
  };

  async function held(change: Partial<Settings> = {}) {
    const world = createWorld({ brokerUrl: TLS_URL, settings: { brokerUser, ...change } });
    world.put(fix.set('A', -2 * HOUR_MS, { unreadable: [] }));
    world.startWatcher();
    await world.advance(600_000);
    world.write('B', { unreadable: [keyOfRoot] });
    await world.advance(HOUR_MS / 2);
    return world;
  }

  it('is neither signalled nor restarted into, and is told once with the command that fixes it', async () => {
    const world = await held({ reloadStrategy: 'sighup' });
    expect([world.hangUps, world.restarts.length]).toEqual([0, 0]);
    const [said, ...more] = world.events('set_unreadable_by_broker');
    expect(said?.details).toMatchObject({ user: '1883:1883', hint: keyOfRoot.fix });
    expect(more).toEqual([]);
  });

  it('is applied by itself when it is fixed, also where only a directory was in the way', async () => {
    const world = await held();
    const { files } = world;
    world.files = { ...files, unreadable: [] } as typeof files;
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('holds nothing where the broker has it already', async () => {
    const world = createWorld({ settings: { brokerUser } });
    world.put(fix.set('A', -2 * HOUR_MS, { unreadable: [keyOfRoot] }));
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect([world.restarts.length, world.events('set_unreadable_by_broker').length]).toEqual([0, 0]);
  });

  it('counts as held', async () => {
    const world = await held();
    expect(world.lastDecision()).toMatchObject({ reason: 'set_unreadable', pending: true });
  });
});
