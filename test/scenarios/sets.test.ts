/** Several sets of one broker (MOSQUITTO_CONF): each judged by itself, all applied together by one restart. */

import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';
import type { FilesObservation, NamedSet } from '../../src/core/model/files.ts';
import type { ProbeVerdict } from '../../src/core/model/probe.ts';

const HOUR_MS = 3_600_000;
const NAMES = ['bridge cloud', 'bridge plant', 'listener 8883'] as const;
type Name = (typeof NAMES)[number];
type Sets = Partial<Record<Name, NamedSet['files']>>;

/** A gateway whose broker was started after the first version of each set, and a watcher that knows it. */
async function settled(options: WorldOptions = {}) {
  const world = createWorld({
    ...options,
    settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined, ...options.settings },
  });
  const now: Record<Name, NamedSet['files']> = {
    'bridge cloud': fix.set('cloud 1', -7_200_000),
    'bridge plant': fix.set('plant 1', -7_200_000),
    'listener 8883': fix.set('listener 1', -7_200_000),
  };
  const verdicts: Partial<Record<Name, ProbeVerdict>> = {};
  world.verdict = () => ({
    ...fix.probeSuccess(),
    sets: Object.fromEntries(NAMES.map((name) => [name, verdicts[name] ?? fix.probeSuccess()])),
  });
  const put = (change: Sets) => {
    Object.assign(now, change);
    world.put(fix.several(NAMES.map((name) => fix.named(name, now[name]))));
  };
  put({});
  const watcher = world.startWatcher();
  await world.advance(600_000);
  /** Renews a set: what lies there from now on is called `name`. */
  const renewed = (name: string, change: Parameters<typeof fix.set>[2] = {}) =>
    fix.set(name, world.elapsedMs(), change);
  return { world, put, renewed, verdicts, watcher };
}

const gone = (identity: string): NamedSet['files'] => ({
  kind: 'incomplete',
  identity,
  complaints: [{ file: 'tls.crt', cause: 'missing', problem: 'does not exist', hint: 'wait' }],
});

const EXPIRED = { leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS - 1_000 }) };

const loadedAt = (world: World) =>
  world.asked.map((files: FilesObservation) =>
    (files.sets ?? []).map(({ files: set }) => (set.kind === 'complete' ? set.fingerprint : set.kind)),
  );

describe('several sets of a broker', () => {
  it('are applied by one restart where one of them is renewed', async () => {
    const { world, put, renewed } = await settled();
    put({ 'bridge plant': renewed('plant 2') });
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([['cloud 1', 'plant 2', 'listener 1']]);
  });

  it('are applied by one restart where all of them are renewed within the window', async () => {
    const { world, put, renewed } = await settled();
    put({ 'bridge cloud': renewed('cloud 2') });
    await world.advance(3_000);
    put({ 'bridge plant': renewed('plant 2') });
    await world.advance(3_000);
    put({ 'listener 8883': renewed('listener 2') });
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([['cloud 2', 'plant 2', 'listener 2']]);
  });

  it('are never applied again where nothing changes, also by a watcher that has just started', async () => {
    const { world, put, renewed, watcher } = await settled({ withStateFile: true });
    put({ 'bridge cloud': renewed('cloud 2') });
    await world.advance(HOUR_MS);
    watcher.kill();
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(world.restarts).toHaveLength(1);
  });

  it('are told under their names', async () => {
    const { world } = await settled();
    expect(world.events('cert_parsed').map(({ details }) => details['set'])).toEqual([...NAMES]);
    const probed = world
      .events('tls_probe_success')
      .map(({ details }) => [details['set'], details['upstream']]);
    expect(probed).toEqual([
      ['bridge cloud', 'cloud.example.com:8883'],
      ['bridge plant', 'plant.example.com:8883'],
    ]);
  });
});

describe('a set that has changed and cannot work', () => {
  it.each<[string, (renewed: Awaited<ReturnType<typeof settled>>['renewed']) => NamedSet['files']]>([
    ['is missing', () => gone('gone')],
    ['has expired', (renewed) => renewed('plant 2', EXPIRED)],
    [
      'is not valid yet',
      (renewed) => renewed('plant 2', { leaf: fix.certificate({ notBeforeMs: fix.EPOCH_MS + 9 * HOUR_MS }) }),
    ],
  ])('holds the restart of all where it %s, and the line names it', async (_, bad) => {
    const { world, put, renewed } = await settled();
    put({ 'bridge plant': bad(renewed), 'bridge cloud': renewed('cloud 2') });
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
    const said = world.events('cert_missing', 'cert_expired', 'cert_not_yet_valid');
    expect(said.map(({ details }) => details['set'])).toEqual(['bridge plant']);
    put({ 'bridge plant': renewed('plant 3') });
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([['cloud 2', 'plant 3', 'listener 1']]);
  });

  it('holds the restart of all where its upstream refuses it, until it does not', async () => {
    const { world, put, renewed, verdicts } = await settled();
    verdicts['bridge plant'] = fix.probeFailure();
    put({ 'bridge plant': renewed('plant 2'), 'bridge cloud': renewed('cloud 2') });
    await world.advance(HOUR_MS / 2);
    expect([world.restarts.length, world.events('restart_held')[0]?.details['set']]).toEqual([
      0,
      'bridge plant',
    ]);
    verdicts['bridge plant'] = fix.probeFailure({ cause: 'tcp', phase: 'tcp' });
    await world.advance(HOUR_MS / 4);
    expect(world.restarts).toEqual([]);
    delete verdicts['bridge plant'];
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([['cloud 2', 'plant 2', 'listener 1']]);
  });
});

describe('a set that has not changed', () => {
  it('holds nothing, although its upstream refuses it', async () => {
    const { world, put, renewed, verdicts } = await settled();
    verdicts['bridge plant'] = fix.probeFailure();
    await world.advance(HOUR_MS);
    put({ 'bridge cloud': renewed('cloud 2') });
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([['cloud 2', 'plant 1', 'listener 1']]);
  });

  it('holds nothing, although it has expired since, which is told', async () => {
    const { world, put, renewed } = await settled();
    put({
      'bridge plant': renewed('plant 2', { leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS + HOUR_MS }) }),
    });
    await world.advance(2 * HOUR_MS);
    put({ 'bridge cloud': renewed('cloud 2') });
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([
      ['cloud 1', 'plant 2', 'listener 1'],
      ['cloud 2', 'plant 2', 'listener 1'],
    ]);
    expect(world.events('cert_expired')[0]?.details['set']).toBe('bridge plant');
  });
});

describe('a configuration that changes', () => {
  it('loses no rotation where it lacks a set for a moment', async () => {
    const { world, put, renewed } = await settled();
    const plant = renewed('plant 2');
    put({ 'bridge plant': plant });
    await world.advance(2_000);
    const others = ['bridge cloud', 'listener 8883'] as const;
    world.put(
      fix.several([
        fix.named(others[0], fix.set('cloud 1', -7_200_000)),
        fix.named(others[1], fix.set('listener 1', -7_200_000)),
      ]),
    );
    await world.advance(60_000);
    put({ 'bridge plant': plant });
    await world.advance(HOUR_MS);
    expect(loadedAt(world)).toEqual([['cloud 1', 'plant 2', 'listener 1']]);
  });

  it('restarts nothing where it names a set more, or a set less', async () => {
    const { world } = await settled();
    const [cloud, plant, listener] = NAMES.map((name) =>
      fix.named(name, fix.set(`${/bridge/.test(name) ? name.slice(7) : 'listener'} 1`, -7_200_000)),
    );
    const more = fix.named('listener 8884', fix.set('new', world.elapsedMs()));
    world.put(fix.several([cloud, plant, listener, more].filter((each) => each !== undefined)));
    await world.advance(HOUR_MS);
    world.put(fix.several([cloud, listener].filter((each) => each !== undefined)));
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
  });
});
