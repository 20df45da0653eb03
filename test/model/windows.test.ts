/** Arbitrary histories of a pair of brokers and of a swarm, with a window for restarts and the real loop. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { createSimulatedService } from '../../lab/simulated-service.ts';
import { createWorld, type World } from '../../lab/world.ts';
import { isAllowed, OFTEN, OFTEN_MS } from './often.ts';

const HOUR_MS = 3_600_000;
const HISTORIES = 60;
/** fixed, so that a failure is the same for everybody */
const SEED = Number(process.env['SEED'] ?? 20_261_128);

const SETTINGS = { probeEnabled: false, checkIntervalMs: 30_000, restartWindow: OFTEN } as const;
const CRASHED = { up: false, status: 'exited', exitCode: 1, finishedAt: 'by a crash' } as const;

const act = fc.oneof(
  fc.constantFrom('A', 'B', 'C', 'D').map((set) => ({ kind: 'write' as const, set })),
  fc.constantFrom('left', 'right').map((name) => ({ kind: 'start by hand' as const, name })),
  fc.constantFrom('left', 'right').map((name) => ({ kind: 'crash' as const, name })),
  fc.constant({ kind: 'restart now' as const }),
  fc.integer({ min: 100, max: 900_000 }).map((ms) => ({ kind: 'wait' as const, ms })),
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;
const history = fc.array(act, { minLength: 5, maxLength: 30 });

/** Plays it on worlds that share their time; resolves with the sets that the operator did not want to wait for. */
async function play(worlds: readonly World[], acts: readonly Act[]): Promise<ReadonlySet<string>> {
  const waived = new Set<string>();
  const [first] = worlds;
  if (first === undefined) throw new Error('there is a world');
  for (const each of acts) {
    if (each.kind === 'wait') await first.advance(each.ms);
    if (each.kind === 'write') for (const world of worlds) world.write(each.set);
    if (each.kind === 'start by hand' && first.brokers.has(each.name)) first.startByHand(each.name);
    if (each.kind === 'crash' && first.brokers.has(each.name)) {
      const broker = first.brokerCalled(each.name);
      if (broker.state?.up === true) broker.state = { ...broker.state, ...CRASHED };
    }
    if (each.kind === 'restart now') {
      if (first.files.kind === 'complete') waived.add(first.files.fingerprint);
      for (const world of worlds) world.request('restart');
    }
    await first.advance(100);
  }
  return waived;
}

describe('whatever happens', () => {
  it('no broker of a pair that runs is restarted outside of the window, and in the end both have the newest set', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (acts) => {
        const world = createWorld({ brokers: ['left', 'right'], settings: SETTINGS });
        world.write('A');
        await world.advance(1_000);
        for (const name of world.brokers.keys()) world.startByHand(name);
        world.startWatcher();
        await world.advance(HOUR_MS);
        const waived = await play([world], acts);
        world.write('final');
        await world.advance(HOUR_MS + 2 * OFTEN_MS);
        const early = world.asks.filter(({ atMs, files, broker }) => {
          const isWaived = files.kind === 'complete' && waived.has(files.fingerprint);
          return broker.up && !isAllowed(atMs) && !isWaived;
        });
        expect(early.map(({ atMs }) => atMs)).toEqual([]);
        expect([...world.brokers.values()].map(({ loaded }) => loaded)).toEqual(['final', 'final']);
      }),
      { numRuns: HISTORIES, seed: SEED },
    );
  });

  it('no service is updated outside of the window, and in the end it has the newest set', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (acts) => {
        const clock = createFakeClock();
        const service = createSimulatedService(clock);
        const worlds = Array.from({ length: 3 }, () => createWorld({ clock, service, settings: SETTINGS }));
        for (const world of worlds) {
          world.write('A');
          world.startWatcher();
        }
        await clock.advance(HOUR_MS);
        const waived = await play(worlds, acts);
        for (const world of worlds) world.write('final');
        await clock.advance(HOUR_MS);
        const early = service.updates.filter(
          ({ atMs, fingerprint }) => !isAllowed(atMs) && !waived.has(fingerprint),
        );
        expect(early).toEqual([]);
        expect(service.state().applied).toBe('final');
      }),
      { numRuns: HISTORIES, seed: SEED },
    );
  });
});
