/** Arbitrary histories of a swarm: one service, several watchers with files of their own, and the real loop. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { createSimulatedService } from '../../lab/simulated-service.ts';
import { createWorld } from '../../lab/world.ts';

const HOUR_MS = 3_600_000;
const NODES = 3;
const HISTORIES = 40;
/** fixed, so that a failure is the same for everybody */
const SEED = Number(process.env['SEED'] ?? 20_261_125);

function createSwarm() {
  const clock = createFakeClock();
  const service = createSimulatedService(clock);
  const nodes = Array.from({ length: NODES }, () => {
    const world = createWorld({ clock, service, settings: { probeEnabled: false, checkIntervalMs: 30_000 } });
    world.write('A');
    return { world, watcher: world.startWatcher() };
  });
  /** rotations that reach some nodes later than others */
  const inTwoWaves = new Set<string>();
  return { clock, service, nodes, inTwoWaves };
}

type Swarm = ReturnType<typeof createSwarm>;
type Act = (swarm: Swarm) => unknown;

const node = fc.nat({ max: NODES - 1 });
/** Rotations only go forward: each set is another one, with a name that fits into a label, as a fingerprint does. */
let serial = 0;

type NamedAct = fc.Arbitrary<{ readonly name: string; readonly act: Act }>;

/** What agents, engines, tasks and time do. */
const ORDINARY: NamedAct = fc.oneof(
  fc.constant({
    name: 'a rotation reaches all nodes',
    act: ({ nodes }: Swarm) => {
      serial += 1;
      for (const { world } of nodes) world.write(`set-${serial}`);
    },
  }),
  node.map((at) => ({
    name: `a rotation reaches node ${at} and, a minute later, the others`,
    act: async ({ nodes, clock, inTwoWaves }: Swarm) => {
      serial += 1;
      inTwoWaves.add(`set-${serial}`);
      nodes[at]?.world.write(`set-${serial}`);
      await clock.advance(60_000);
      for (const { world } of nodes) world.write(`set-${serial}`);
    },
  })),
  fc.record({ at: node, isDown: fc.boolean() }).map(({ at, isDown }) => ({
    name: `the manager of node ${at} is ${isDown ? 'lost' : 'back'}`,
    act: ({ nodes }: Swarm) => {
      const one = nodes[at];
      if (one !== undefined) one.world.engineDown = isDown ? fix.engineFailure() : undefined;
    },
  })),
  fc.constantFrom('never' as const, 'pauses' as const, 'rolls back' as const).map((taskFails) => ({
    name: `tasks fail: ${taskFails}`,
    act: ({ service }: Swarm) => {
      service.taskFails = taskFails;
    },
  })),
  fc.integer({ min: 100, max: 900_000 }).map((ms) => ({
    name: `${ms} ms pass`,
    act: ({ clock }: Swarm) => clock.advance(ms),
  })),
);

/** What makes watchers, or the swarm, forget what has been tried. */
const FORGETFUL: NamedAct = fc.oneof(
  node.map((at) => ({
    name: `the watcher of node ${at} is killed and started again`,
    act: ({ nodes }: Swarm) => {
      const one = nodes[at];
      if (one === undefined) return;
      one.watcher.kill();
      one.watcher = one.world.startWatcher();
    },
  })),
  fc.constant({
    name: 'somebody updates the service by hand',
    act: ({ service }: Swarm) => service.updateByHand(),
  }),
);

const historyOf = (acts: NamedAct) => fc.array(acts, { minLength: 5, maxLength: 40 });
const ANY = fc.oneof({ arbitrary: ORDINARY, weight: 3 }, { arbitrary: FORGETFUL, weight: 1 });

async function play(history: readonly { readonly act: Act }[]): Promise<Swarm> {
  const swarm = createSwarm();
  await swarm.clock.advance(HOUR_MS);
  for (const { act } of history) {
    await act(swarm);
    await swarm.clock.advance(100);
  }
  return swarm;
}

describe('whatever happens to a swarm', () => {
  it('one update is made for a rotation, and if it fails one more for those whose files came later', async () => {
    await fc.assert(
      fc.asyncProperty(historyOf(ORDINARY), async (history) => {
        const { service, clock, inTwoWaves } = await play(history);
        await clock.advance(4 * HOUR_MS);
        const made = service.updates.map(({ fingerprint }) => fingerprint);
        const repeated = made.filter((each, index) => made.indexOf(each) !== index);
        expect(repeated.filter((each, index) => repeated.indexOf(each) !== index)).toEqual([]);
        const mayFail = history.some(({ name }) => /^tasks fail: (pauses|rolls back)/.test(name));
        expect(repeated.filter((each) => !mayFail || !inTwoWaves.has(each))).toEqual([]);
      }),
      { numRuns: HISTORIES, seed: SEED },
    );
  });

  it('no set is tried more often than there are nodes, whatever is forgotten', async () => {
    await fc.assert(
      fc.asyncProperty(historyOf(ANY), async (history) => {
        const { service, clock } = await play(history);
        await clock.advance(4 * HOUR_MS);
        const made = service.updates.map(({ fingerprint }) => fingerprint);
        const most = Math.max(...made.map((each) => made.filter((other) => other === each).length));
        expect(most).toBeLessThanOrEqual(NODES);
      }),
      { numRuns: HISTORIES, seed: SEED },
    );
  });

  it('the service has the newest set in the end, once all has been well for long enough', async () => {
    await fc.assert(
      fc.asyncProperty(historyOf(ANY), async (history) => {
        const { service, nodes, clock } = await play(history);
        service.taskFails = 'never';
        for (const { world } of nodes) {
          world.engineDown = undefined;
          world.write('final');
        }
        await clock.advance(2 * HOUR_MS);
        expect([service.state().applied, service.state().update?.state]).toEqual(['final', 'completed']);
        const before = service.updates.length;
        await clock.advance(4 * HOUR_MS);
        expect(service.updates.length).toBe(before);
      }),
      { numRuns: HISTORIES, seed: SEED },
    );
  });
});
