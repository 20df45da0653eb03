/**
 * Promises of a two-phase rotation that hold in any history, played with the real loop and the real core on a fake clock:
 * above all, that what lies in the live directory was accepted, or was there at the start.
 *
 *     HISTORIES=20000 SEED=$RANDOM npx vitest run --project unit test/model    # more, and others
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld } from '../../lab/world.ts';
import { type CertificateSet, editionOf } from '../../src/core/model/files.ts';
import type { PromotionFailure } from '../../src/core/model/live.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import { sample } from '../support/thorough.ts';
import { type Act, anyAct, begin, type Gateway, GOOD, gatewayIn } from './acts.ts';

const COOLDOWN_MS = 60_000;
const HISTORIES = Number(process.env['HISTORIES'] ?? sample({ many: 1_000, some: 250 }));
const { HISTORY } = process.env;
const SEED = Number(process.env['SEED'] ?? 20_261_128);

interface History {
  readonly acts: readonly Act[];
  readonly settings: Partial<Settings>;
}

const FULL: PromotionFailure = { cause: 'disk_full', problem: 'no room', hint: 'make room' };

const ofLive: readonly Act[] = [
  {
    name: 'from now on the live directory cannot be changed',
    run: ({ world }) => {
      world.live.failure = FULL;
    },
  },
  {
    name: 'somebody else owns the live directory',
    run: ({ world }) => {
      world.live.obstacle = { ...FULL, cause: 'foreign_directory' };
    },
  },
  {
    name: 'the live directory can be changed',
    run: ({ world }) => {
      world.live.failure = undefined;
      world.live.obstacle = undefined;
    },
  },
  {
    name: 'the rights of a file are corrected',
    run: ({ world }) => {
      if (world.files.kind === 'complete')
        world.put({ ...world.files, rights: `corrected ${world.elapsedMs()}` });
    },
  },
  {
    name: 'a set comes with which the broker dies, and the set before does not',
    run: async ({ world }) => {
      world.write('B');
      const before = world.asks.length;
      for (let step = 0; step < 200 && world.asks.length === before; step++) {
        const live = world.live.now.files;
        const isBad = live.kind === 'complete' && live.fingerprint === 'B';
        world.nextStart = isBad ? { up: false, status: 'exited', exitCode: 1 } : {};
        await world.advance(100);
      }
      world.nextStart = {};
      await world.advance(30_000);
    },
  },
];

const history: fc.Arbitrary<History> = fc.record({
  acts: fc.array(
    fc.oneof({ weight: 5, arbitrary: anyAct }, { weight: 2, arbitrary: fc.constantFrom(...ofLive) }),
    { maxLength: 30 },
  ),
  settings: fc.record({
    probeGate: fc.constantFrom('off', 'rejected', 'any'),
    probeEnabled: fc.boolean(),
    restartEnabled: fc.constantFrom(true, true, true, false),
    stabilityWindowMs: fc.constantFrom(0, 1_000, 10_000),
    splayMs: fc.constantFrom(0, 0, 20_000),
  }),
});

async function play({ acts, settings }: History): Promise<Gateway> {
  const world = createWorld({
    twoPhases: true,
    // what brokers have loaded is remembered in the live directory
    withStateFile: true,
    settings: { targetLabel: 'a7', cooldownMs: COOLDOWN_MS, probeIntervalMs: 20_000, ...settings },
  });
  const gateway = gatewayIn(world, true);
  world.live.find(fix.set('A', 0));
  await begin(gateway);
  for (const act of acts) {
    await act.run(gateway);
    await world.advance(3_000);
  }
  return gateway;
}

/** What was promoted although it was known not to work, or to be refused. */
function unaccepted({ world, refusals }: Gateway): string[] {
  const { probeEnabled, probeGate } = world.settings;
  const hasGate = probeEnabled && probeGate !== 'off';
  return promotions(world).flatMap(({ atMs, set }) => {
    const isKnownRefused =
      hasGate &&
      refusals.some(
        ({ identity, sinceMs, untilMs }) => identity === set.identity && sinceMs < atMs && atMs < untilMs,
      );
    const isUnusable =
      ['expired', 'future'].includes(set.fingerprint) || (probeEnabled && set.fingerprint === 'mismatched');
    const isUnproved = probeEnabled && probeGate === 'any' && set.fingerprint === 'refused';
    return isKnownRefused || isUnusable || isUnproved ? [set.identity] : [];
  });
}

function promotions(world: Gateway['world']) {
  return world.live.moves.filter(({ by }) => by === 'promotion');
}

/** Sets that were promoted again after they had been rolled back. */
function retried({ world }: Gateway): string[] {
  const back = new Set<string>();
  const again: string[] = [];
  let before: CertificateSet | undefined;
  for (const { by, set } of world.live.moves) {
    if (by === 'roll-back' && before !== undefined) back.add(editionOf(before));
    if (by === 'promotion' && back.has(editionOf(set))) again.push(set.identity);
    before = set;
  }
  return again;
}

/** Promotions within the cooldown of a restart that may have reached the broker. */
function hasty({ world }: Gateway): string[] {
  const calls = world.asks.filter(({ call }) => call !== 'refused');
  return promotions(world).flatMap(({ atMs, set }) =>
    calls.some((call) => call.atMs < atMs && atMs < call.atMs + COOLDOWN_MS)
      ? [`${set.identity} at ${atMs}`]
      : [],
  );
}

/** Restarts closer to each other than the cooldown, but for the one start after a roll-back. */
function tooClose({ world }: Gateway): number[] {
  const calls = world.asks.filter(({ call }) => call !== 'refused');
  return calls.slice(1).flatMap(({ atMs, broker }, index) => {
    const before = calls[index]?.atMs ?? 0;
    const isAfterRollBack = world.live.moves.some(
      ({ by, atMs: at }) => by === 'roll-back' && at >= before && at <= atMs,
    );
    return atMs - before >= COOLDOWN_MS || (isAfterRollBack && !broker.up) ? [] : [atMs - before];
  });
}

function check(gateway: Gateway) {
  expect(unaccepted(gateway), 'promoted and not accepted').toEqual([]);
  expect(retried(gateway), 'promoted again after a roll-back').toEqual([]);
  expect(hasty(gateway), 'promoted within the cooldown').toEqual([]);
  expect(tooClose(gateway), 'restarts within the cooldown').toEqual([]);
  expect(gateway.world.events('cycle_failed'), 'cycles that failed').toEqual([]);
}

/** Everything is repaired, a good set comes, and enough time passes. */
async function recover(gateway: Gateway) {
  const { world } = gateway;
  world.engineDown = undefined;
  world.restartCall = 'works';
  world.nextStart = {};
  for (const broker of world.brokers.values()) broker.check = undefined;
  world.unpause();
  gateway.upstreamDown = false;
  world.live.failure = undefined;
  world.live.obstacle = undefined;
  if (world.broker === undefined) world.startByHand();
  world.write('E');
  await world.advance(6 * COOLDOWN_MS);
  // a broker that was stopped is left to whoever stopped it
  if (world.broker?.up === false) world.startByHand();
  await world.advance(3 * COOLDOWN_MS);
}

function explain(run: fc.RunDetails<[History]>) {
  if (!run.failed) return;
  const [found] = run.counterexample ?? [];
  const acts = found?.acts.map(({ name }) => name).join('; ');
  throw new Error(
    `SEED=${run.seed} HISTORY=${run.counterexamplePath}\n${JSON.stringify(found?.settings)}\n${acts}\n${run.errorInstance}`,
  );
}

describe('in any history of two directories', { timeout: 300_000 }, () => {
  let moves = 0;
  let rollBacks = 0;

  it('the live set was accepted, is not tried again after a roll-back, and in the end the broker has the good one', () =>
    fc.assert(
      fc.asyncProperty(history, async (one) => {
        const gateway = await play(one);
        const { world } = gateway;
        check(gateway);
        await recover(gateway);
        check(gateway);
        const { files } = world.live.now;
        expect(files.kind === 'complete' && files.fingerprint, 'what is live').toBe('E');
        if (world.settings.restartEnabled) expect(world.loaded, 'what the broker has loaded').toBe('E');
        const before = world.restarts.length;
        await world.advance(600_000);
        expect(world.restarts.length - before, 'restarts while nothing changes').toBe(0);
        moves += world.live.moves.length;
        rollBacks += world.live.moves.filter(({ by }) => by === 'roll-back').length;
      }),
      { numRuns: HISTORIES, reporter: explain, seed: SEED, ...(HISTORY !== undefined && { path: HISTORY }) },
    ));

  it('has seen many promotions and roll-backs', () => {
    if (HISTORY !== undefined) return;
    expect(moves).toBeGreaterThan(HISTORIES);
    expect(rollBacks).toBeGreaterThan(HISTORIES / 100);
    expect(GOOD).not.toContain('E');
  });
});
