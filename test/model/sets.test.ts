/** Several sets in any history: each is renewed, broken and mended as it comes, upstreams refuse and accept. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld } from '../../lab/world.ts';
import type { FilesObservation, NamedSet } from '../../src/core/model/files.ts';
import type { ProbeVerdict } from '../../src/core/model/probe.ts';

const NAMES = ['bridge cloud', 'bridge plant', 'listener 8883'] as const;
type Name = (typeof NAMES)[number];
type Kind = 'good' | 'missing' | 'expired' | 'refused' | 'wrong key';

type Act =
  | { readonly kind: 'write'; readonly name: Name; readonly as: Kind }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart watcher' }
  | { readonly kind: 'start broker' };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      name: fc.constantFrom(...NAMES),
      as: fc.oneof(
        { weight: 3, arbitrary: fc.constant('good' as const) },
        {
          weight: 2,
          arbitrary: fc.constantFrom('missing', 'expired', 'refused', 'wrong key') as fc.Arbitrary<Kind>,
        },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 1_200 }).map((s) => ({ kind: 'wait' as const, ms: s * 1_000 })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart watcher' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'start broker' as const }) },
);

/** What lies there of a set: its number, and what is wrong with it. */
interface Lying {
  readonly files: NamedSet['files'];
  readonly as: Kind;
}

async function play(acts: readonly Act[], withStateFile: boolean) {
  const world = createWorld({
    withStateFile,
    settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined, cooldownMs: 60_000 },
  });
  let serial = 0;
  const lies = new Map<Name, Lying>(
    NAMES.map((name) => [name, { files: fix.set(`${name} 0`, -7_200_000), as: 'good' }]),
  );
  const at = (name: Name) => lies.get(name) ?? { files: fix.set('none', 0), as: 'good' as const };
  world.verdict = () => {
    const verdict = ({ as }: Lying): ProbeVerdict => {
      if (as === 'refused') return fix.probeFailure();
      return as === 'wrong key'
        ? fix.probeFailure({ cause: 'client_key_mismatch', phase: 'files' })
        : fix.probeSuccess();
    };
    return {
      ...fix.probeSuccess(),
      sets: Object.fromEntries(NAMES.map((name) => [name, verdict(at(name))])),
    };
  };
  const put = () => world.put(fix.several(NAMES.map((name) => fix.named(name, at(name).files))));
  const write = (name: Name, as: Kind) => {
    serial += 1;
    const complaints = [
      { file: 'tls.crt', cause: 'missing', problem: `does not exist ${serial}`, hint: 'wait' },
    ];
    const leaf = fix.certificate(as === 'expired' ? { notAfterMs: fix.EPOCH_MS - 1 } : {});
    const files: NamedSet['files'] =
      as === 'missing'
        ? { kind: 'incomplete', identity: `gone ${serial}`, complaints }
        : fix.set(`${name} ${serial}`, world.elapsedMs(), { leaf });
    lies.set(name, { files, as });
    put();
  };
  put();
  let watcher = world.startWatcher();
  await world.advance(30_000);
  for (const each of acts) {
    if (each.kind === 'write') write(each.name, each.as);
    if (each.kind === 'wait') await world.advance(each.ms);
    if (each.kind === 'start broker') world.startByHand();
    if (each.kind === 'restart watcher') {
      watcher.kill();
      watcher = world.startWatcher();
    }
  }
  return { world, write };
}

const namesIn = (files: FilesObservation) =>
  (files.sets ?? []).map(({ files: set }) => (set.kind === 'complete' ? set.fingerprint : set.kind));

it('restarts are apart, for something new, and in the end the broker has every set that lies there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 14 }), fc.boolean(), async (acts, withStateFile) => {
      const { world, write } = await play(acts, withStateFile);
      const before = world.asks.map(({ files }) => JSON.stringify(namesIn(files)));
      // nothing is applied twice in a row, unless somebody else or a watcher without a memory came between
      if (withStateFile && acts.every(({ kind }) => kind !== 'start broker'))
        expect(before.filter((names, index) => names === before[index - 1])).toEqual([]);
      const times = world.asks.map(({ atMs }) => atMs);
      expect(times.every((ms, index) => index === 0 || ms - (times[index - 1] ?? 0) >= 60_000)).toBe(true);
      for (const name of NAMES) write(name, 'good');
      await world.advance(3_600_000);
      expect(world.loaded).toBe(world.files.kind === 'complete' ? world.files.fingerprint : undefined);
      const count = world.asks.length;
      await world.advance(3_600_000);
      expect(world.asks).toHaveLength(count);
    }),
    { numRuns: 25 },
  );
}, 120_000);

it('no restart brings a set that has just been written and cannot work', async () => {
  const bad = fc.constantFrom<Kind>('missing', 'expired', 'refused', 'wrong key');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...NAMES), bad, fc.subarray([...NAMES]), async (name, as, others) => {
      const { world, write } = await play([], true);
      for (const other of others) write(other, 'good');
      write(name, as);
      await world.advance(7_200_000);
      expect(world.asks).toEqual([]);
      write(name, 'good');
      await world.advance(3_600_000);
      expect(world.asks).toHaveLength(1);
    }),
    { numRuns: 12 },
  );
}, 120_000);
