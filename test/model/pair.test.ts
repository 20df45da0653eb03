/** Arbitrary histories of two brokers on one host, with the real loop. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWorld } from '../../lab/world.ts';
import { conditionOf } from '../../src/core/model/broker.ts';

const HOUR_MS = 3_600_000;
const HISTORIES = 150;
/** each takes six hours of the simulated gateway */
const HISTORIES_TO_THE_END = 40;
/** fixed, so that a failure is the same for everybody */
const SEED = Number(process.env['SEED'] ?? 20_261_125);

const CRASHED = { up: false, status: 'exited', exitCode: 1, finishedAt: 'by a crash' } as const;
const STOPPED = { up: false, status: 'exited', exitCode: 0, finishedAt: 'by hand' } as const;

type Pair = ReturnType<typeof createWorld>;

/** A pair that has loaded A, and a watcher that has nothing to do. */
async function settledPair(): Promise<Pair> {
  const world = createWorld({
    brokers: ['left', 'right'],
    settings: { probeEnabled: false, checkIntervalMs: 30_000 },
  });
  world.write('A');
  await world.advance(1_000);
  for (const name of world.brokers.keys()) world.startByHand(name);
  await world.advance(HOUR_MS);
  world.startWatcher();
  await world.advance(HOUR_MS);
  return world;
}

function change(world: Pair, name: string, state: object) {
  const broker = world.brokerCalled(name);
  if (broker.state !== undefined) broker.state = { ...broker.state, ...state };
}

describe('whatever happens to a pair', () => {
  const names = fc.constantFrom('left', 'right');
  const acts = fc.oneof(
    fc.record({ kind: fc.constantFrom('write'), set: fc.constantFrom('A', 'B', 'C') }),
    fc.record({
      kind: fc.constantFrom('start', 'stop', 'crash', 'vanish', 'sicken', 'recover', 'pause', 'go on'),
      name: names,
    }),
    fc.record({
      kind: fc.constantFrom('next start fails', 'next start works', 'slow check', 'bad check', 'no check'),
      name: names,
    }),
    fc.record({
      kind: fc.constantFrom('restart calls'),
      call: fc.constantFrom('works', 'answer_lost', 'lost', 'refused', 'stops_and_fails'),
    }),
    fc.record({ kind: fc.constantFrom('wait'), ms: fc.integer({ min: 100, max: 700_000 }) }),
  );
  type Act = typeof acts extends fc.Arbitrary<infer T> ? T : never;

  async function play(world: Pair, act: Act) {
    if ('ms' in act) return world.advance(act.ms);
    if ('set' in act) return world.write(act.set);
    if ('call' in act) {
      world.restartCall = act.call as Pair['restartCall'];
      return;
    }
    const broker = world.brokerCalled(act.name);
    if (act.kind === 'start') world.startByHand(act.name);
    const isRunning = broker.state?.status === 'running';
    if (act.kind === 'stop' && isRunning) change(world, act.name, STOPPED);
    if (act.kind === 'crash' && isRunning) change(world, act.name, CRASHED);
    if (act.kind === 'vanish') broker.state = undefined;
    if (act.kind === 'sicken' && broker.state?.up) change(world, act.name, { health: 'unhealthy' });
    if (act.kind === 'recover' && broker.state?.up) change(world, act.name, { health: undefined });
    if (act.kind === 'pause') world.pause(act.name);
    if (act.kind === 'go on') world.unpause(act.name);
    if (act.kind === 'slow check') broker.check = { says: 'healthy', afterMs: 45_000 };
    if (act.kind === 'bad check') broker.check = { says: 'unhealthy', afterMs: 45_000 };
    if (act.kind === 'no check') broker.check = undefined;
    if (act.kind === 'next start fails') broker.nextStart = CRASHED;
    if (act.kind === 'next start works') broker.nextStart = {};
  }

  it('no broker that runs is restarted while the other one does not run, or is not known to be well', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(acts, { minLength: 5, maxLength: 40 }), async (history) => {
        const world = await settledPair();
        for (const each of history) await play(world, each);
        const together = world.asks.filter(({ broker, othersWell }) => broker.up && !othersWell);
        expect(together).toEqual([]);
      }),
      { numRuns: HISTORIES, seed: SEED },
    );
  });

  it('both have the newest set in the end, once all has been well for long enough', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(acts, { minLength: 5, maxLength: 40 }), async (history) => {
        const world = await settledPair();
        for (const each of history) await play(world, each);
        world.restartCall = 'works';
        for (const [name, broker] of world.brokers) {
          broker.nextStart = {};
          // one that has crashed is for the watcher to restart; one that was stopped, or taken away, is not
          broker.check = undefined;
          world.unpause(name);
          const hasCrashed = broker.state !== undefined && conditionOf(broker.state) === 'crashed';
          if (broker.state?.up !== true && !hasCrashed) world.startByHand(name);
          change(world, name, { health: undefined });
        }
        world.write('final');
        await world.advance(2 * HOUR_MS);
        expect([...world.brokers.values()].map(({ loaded }) => loaded)).toEqual(['final', 'final']);
        const before = world.asks.length;
        await world.advance(4 * HOUR_MS);
        expect(world.asks.length).toBe(before);
      }),
      { numRuns: HISTORIES_TO_THE_END, seed: SEED },
    );
  });
});
