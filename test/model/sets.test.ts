/** Several sets in any history: each is renewed, broken and repaired as it comes, upstreams refuse and accept. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld } from '../../lab/world.ts';
import type { CertificateSet, FilesObservation, NamedSet } from '../../src/core/model/files.ts';
import type { ProbeVerdict } from '../../src/core/model/probe.ts';

/** A signal moves the second bridge and not the first; the first listener has a CA file and a revocation list. */
const NAMES = ['bridge cloud', 'bridge plant', 'listener 8883', 'listener 8884'] as const;
type Name = (typeof NAMES)[number];
type Kind = 'good' | 'missing' | 'expired' | 'refused' | 'wrong key';

/** What of a set is different from the one before. */
const CHANGES = [
  'certificate',
  'certificate and CA file',
  'CA file',
  'certificate and revocation list',
  'revocation list',
  'chain',
] as const;
type Change = (typeof CHANGES)[number];

type Act =
  | { readonly kind: 'write'; readonly name: Name; readonly as: Kind; readonly change: Change }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart watcher' }
  | { readonly kind: 'start broker' }
  | { readonly kind: 'signal broker' };

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.constant('certificate' as const) },
  { weight: 2, arbitrary: fc.constantFrom(...CHANGES) },
);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      name: fc.constantFrom(...NAMES),
      change,
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
    arbitrary: fc.integer({ min: 1, max: 600 }).map((s) => ({ kind: 'wait' as const, ms: s * 1_000 })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart watcher' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'start broker' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'signal broker' as const }) },
);

/** What lies there of a set: what it is made of, and what is wrong with it. */
interface Lying {
  readonly files: NamedSet['files'];
  readonly made: CertificateSet;
  readonly as: Kind;
}

const digest = (serial: number, of: string) => `${serial}`.padStart(8, '0') + of.repeat(56);

/** The first set of this name, older than the broker. */
function firstOf(name: Name): Lying {
  const authorities = [fix.certificate({ isCa: true, sha256: digest(0, 'a') })];
  const made = fix.set(`${name} 0`, -7_200_000, {
    leaf: fix.certificate({ sha256: digest(0, 'b') }),
    authorities: name === 'listener 8884' ? [] : authorities,
    ...(name === 'listener 8883' && { revocation: listOf(0) }),
  });
  return { files: made, made, as: 'good' };
}

function listOf(serial: number) {
  const ends = { thisUpdateMs: 0, nextUpdateMs: fix.EPOCH_MS + 900 * fix.DAY_MS };
  return { file: '/certs/house.crl', sha256: digest(serial, 'c'), ...ends };
}

/** What differs from the set before. */
function changed({ made }: Lying, what: Change, serial: number): Partial<CertificateSet> {
  const { leaf, authorities, revocation, intermediates } = made;
  const authority = (of: string) => [fix.certificate({ isCa: true, sha256: digest(serial, of) })];
  return {
    leaf: what.startsWith('certificate') ? fix.certificate({ sha256: digest(serial, 'b') }) : leaf,
    authorities: what.endsWith('CA file') ? authority('a') : authorities,
    intermediates: what === 'chain' ? authority('d') : intermediates,
    ...(revocation && { revocation: what.endsWith('revocation list') ? listOf(serial) : revocation }),
  };
}

interface PlayOptions {
  readonly withStateFile: boolean;
  readonly withSignals: boolean;
}

async function play(acts: readonly Act[], { withStateFile, withSignals }: PlayOptions) {
  const world = createWorld({
    withStateFile,
    brokerUrl: { tls: true, host: 'broker', port: 8883 },
    settings: {
      mosquittoConf: '/mosquitto/mosquitto.conf',
      upstream: undefined,
      cooldownMs: 60_000,
      reloadStrategy: withSignals ? 'sighup' : 'restart',
    },
  });
  let serial = 0;
  const lies = new Map<Name, Lying>(NAMES.map((name) => [name, firstOf(name)]));
  const at = (name: Name) => lies.get(name) ?? firstOf(name);
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
  const put = () =>
    world.put(
      fix.several(
        NAMES.map((name) => fix.named(name, at(name).files, { reloadsAtOnce: name === 'bridge plant' })),
      ),
    );
  const write = (name: Name, as: Kind, what: Change = 'certificate') => {
    serial += 1;
    const complaints = [
      { file: 'tls.crt', cause: 'missing', problem: `does not exist ${serial}`, hint: 'wait' },
    ];
    const differs = changed(at(name), what, serial);
    const { leaf = fix.certificate() } = differs;
    const ends = as === 'expired' ? fix.EPOCH_MS - 1 : fix.EPOCH_MS + 90 * fix.DAY_MS;
    const made = fix.set(`${name} ${serial}`, world.elapsedMs(), {
      ...differs,
      leaf: { ...leaf, notAfterMs: ends },
    });
    const files: NamedSet['files'] =
      as === 'missing' ? { kind: 'incomplete', identity: `gone ${serial}`, complaints } : made;
    lies.set(name, { files, made, as });
    put();
  };
  put();
  let watcher = world.startWatcher();
  await world.advance(60_000);
  for (const each of acts) {
    if (each.kind === 'write') write(each.name, each.as, each.change);
    if (each.kind === 'wait') await world.advance(each.ms);
    if (each.kind === 'start broker') world.startByHand();
    if (each.kind === 'signal broker') world.signalByHand();
    if (each.kind === 'restart watcher') {
      watcher.kill();
      watcher = world.startWatcher();
    }
  }
  return { world, write };
}

const namesIn = (files: FilesObservation) =>
  (files.sets ?? []).map(({ files: set }) => (set.kind === 'complete' ? set.fingerprint : set.kind));

/** Only one of the listeners has a revocation list that could change. */
function isOnlyCertificate(name: Name, what: Change): boolean {
  if (what === 'certificate') return true;
  return name === 'listener 8884' && what === 'certificate and revocation list';
}

const options = fc.record({ withStateFile: fc.boolean(), withSignals: fc.boolean() });

it('restarts are apart, for something new, and in the end the broker has every set that lies there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), options, async (acts, how) => {
      const { world, write } = await play(acts, how);
      const before = world.asks.map(({ files }) => JSON.stringify(namesIn(files)));
      // nothing is applied twice in a row, unless somebody else or a watcher without a memory came between
      if (how.withStateFile && acts.every(({ kind }) => kind !== 'start broker'))
        expect(before.filter((names, index) => names === before[index - 1])).toEqual([]);
      const times = world.asks.map(({ atMs }) => atMs);
      expect(times.every((ms, index) => index === 0 || ms - (times[index - 1] ?? 0) >= 60_000)).toBe(true);
      for (const name of NAMES) write(name, 'good');
      await world.advance(900_000);
      expect((world.files.sets ?? []).filter((named) => !world.sets.has(named))).toEqual([]);
      const count = [world.asks.length, world.hangUps];
      await world.advance(900_000);
      expect([world.asks.length, world.hangUps]).toEqual(count);
      // a signal is sent only where it can bring everything that has changed
      expect(world.beyondHangUps.flat()).toEqual([]);
    }),
    // a history of hours takes too long to be shortened
    { numRuns: 30, endOnFailure: true },
  );
}, 240_000);

it('no restart brings a set that has just been written and cannot work', async () => {
  const bad = fc.constantFrom<Kind>('missing', 'expired', 'refused', 'wrong key');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...NAMES), bad, fc.subarray([...NAMES]), async (name, as, others) => {
      const { world, write } = await play([], { withStateFile: true, withSignals: false });
      for (const other of others) write(other, 'good');
      write(name, as);
      await world.advance(1_800_000);
      expect(world.asks).toEqual([]);
      write(name, 'good');
      await world.advance(900_000);
      expect(world.asks).toHaveLength(1);
    }),
    { numRuns: 12 },
  );
}, 120_000);

it('what has changed decides between a signal and a restart, whatever else lies there', async () => {
  const each = NAMES.flatMap((name) =>
    CHANGES.map((what): [{ name: Name; change: Change }[], boolean] => [[{ name, change: what }], true]),
  );
  const one = fc.record({ name: fc.constantFrom(...NAMES), change: fc.constantFrom(...CHANGES) });
  const changes = fc.uniqueArray(one, { selector: ({ name }) => name, minLength: 1, maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(changes, fc.boolean(), async (all, withStateFile) => {
      const { world, write } = await play([], { withStateFile, withSignals: true });
      for (const { name, change: what } of all) write(name, 'good', what);
      await world.advance(600_000);
      const isForSignal = all.every(({ name, change: what }) =>
        name.startsWith('bridge') ? name === 'bridge plant' : isOnlyCertificate(name, what),
      );
      expect([world.hangUps, world.asks.length]).toEqual(isForSignal ? [1, 0] : [0, 1]);
      expect((world.files.sets ?? []).filter((named) => !world.sets.has(named))).toEqual([]);
    }),
    { numRuns: 100, examples: each },
  );
}, 240_000);
