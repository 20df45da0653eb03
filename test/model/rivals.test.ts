/** Arbitrary histories of several watchers of one broker, with the real loop. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWorld, type Sight, sameMachine, watcherProcess } from '../../lab/world.ts';
import type { OtherWatcher } from '../../src/core/model/rivals.ts';
import { sample } from '../support/thorough.ts';

const HOUR_MS = 3_600_000;
const HISTORIES = sample({ many: 60, some: 20 });
/** fixed, so that a failure is the same for everybody */
const SEED = Number(process.env['SEED'] ?? 20_261_125);
const COOLDOWN_MS = 60_000;

/** Watchers with odd numbers live in containers: they are seen by those on the host, and see only each other. */
const hostAndContainers: Sight = (watcher, other) => {
  if (watcher % 2 === 1) return other % 2 === 1 ? watcherProcess(other) : undefined;
  return watcherProcess(other, { isBlind: other % 2 === 1 });
};

const hidden: Partial<OtherWatcher> = { target: undefined };
/** Of other users: what they restart is not to be seen. */
const otherUsers: Sight = (_, other) => watcherProcess(other, hidden);

const SIGHTS = { sameMachine, hostAndContainers, otherUsers } as const;

const acts = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('A', 'B', 'C').map((set) => ({ kind: 'write' as const, set })) },
  { weight: 3, arbitrary: fc.integer({ min: 50, max: 90_000 }).map((ms) => ({ kind: 'wait' as const, ms })) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('kill', 'replace'),
      which: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('another starts', 'somebody starts the broker') }),
  },
);
type Act = typeof acts extends fc.Arbitrary<infer T> ? T : never;

async function play(sight: Sight, history: readonly Act[]) {
  const world = createWorld({ sight, settings: { probeEnabled: false, cooldownMs: COOLDOWN_MS } });
  world.write('A');
  await world.advance(1_000);
  world.startByHand();
  await world.advance(HOUR_MS);
  let watchers = [world.startWatcher(), world.startWatcher()];
  await world.advance(HOUR_MS);
  for (const act of history) {
    if ('set' in act) world.write(act.set);
    else if ('ms' in act) await world.advance(act.ms);
    else if ('which' in act) {
      const watcher = watchers[act.which];
      watcher?.kill();
      watchers = watchers.filter((each) => each !== watcher);
      if (act.kind === 'replace') watchers.push(world.startWatcher());
    } else if (act.kind === 'another starts' && watchers.length < 3) watchers.push(world.startWatcher());
    else if (act.kind === 'somebody starts the broker') world.startByHand();
    // two that start at the same moment are as old as each other, and nobody can say that
    await world.advance(50);
  }
  if (watchers.length === 0) world.startWatcher();
  await world.advance(HOUR_MS);
  return world;
}

describe('whatever happens to several watchers of one broker', () => {
  it.each(Object.entries(SIGHTS))(
    'they restart it once for a set, and it has the newest in the end: %s',
    (_, sight) =>
      fc.assert(
        fc.asyncProperty(fc.array(acts, { maxLength: 20 }), async (history) => {
          const world = await play(sight, history);
          const identities = world.asks.map(({ files }) => files.identity);
          expect(identities.length - new Set(identities).size, 'second restarts for a set').toBe(0);
          // who was not there remembers no cooldown, and a start by hand is none
          const isKnown = history.every((act) => 'set' in act || 'ms' in act);
          const gaps = world.asks.slice(1).map(({ atMs }, index) => atMs - (world.asks[index]?.atMs ?? 0));
          if (isKnown) expect(Math.min(...gaps, COOLDOWN_MS), 'between two restarts').toBe(COOLDOWN_MS);
          const { files, loaded } = world;
          expect(loaded).toBe(files.kind === 'complete' ? files.fingerprint : undefined);
          expect(world.events('cycle_failed')).toEqual([]);
        }),
        { numRuns: HISTORIES, seed: SEED },
      ),
    120_000,
  );
});
