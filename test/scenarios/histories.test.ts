import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as fix from '../support/core-fixtures.ts';
import { createWorld, type World } from '../support/world.ts';

const COOLDOWN_MS = 60_000;
const HOUR_MS = 3_600_000;
const RUNS = Number(process.env['HISTORIES'] ?? 200);

/** One thing that happens to the gateway, and what it is called in a counterexample. */
interface Act {
  readonly name: string;
  run(gateway: Gateway): Promise<void> | void;
}

interface Gateway {
  readonly world: World;
  watcher: ReturnType<World['startWatcher']>;
}

const CLOCK_BACK = 'the clock jumps back';

const SETS = ['A', 'B', 'C'];

const act = fc.oneof(
  fc
    .integer({ min: 100, max: 120_000 })
    .map((ms) => named(`wait ${ms} ms`, ({ world }) => world.advance(ms))),
  fc.constantFrom(...SETS).map((name) => named(`write ${name}`, ({ world }) => world.write(name))),
  fc.constantFrom(
    named('files vanish', ({ world }) => world.put({ kind: 'incomplete', identity: 'gone', complaints: [] })),
    named('half a file', ({ world }) => world.put({ kind: 'unparsable', identity: 'half', complaints: [] })),
    named('write an expired set', ({ world }) =>
      world.write('expired', {
        leaf: fix.certificate({ notBeforeMs: 0, notAfterMs: fix.EPOCH_MS - 30 * fix.DAY_MS }),
      }),
    ),
    named('write a set with a foreign key', ({ world }) => world.write('mismatched')),
    named('write a set that the upstream refuses', ({ world }) => world.write('refused')),
    named('the engine goes down', ({ world }) => {
      world.engineDown = fix.engineFailure();
    }),
    named('the engine comes back', ({ world }) => {
      world.engineDown = undefined;
    }),
    named('restart answers get lost', ({ world }) => {
      world.restartCall = 'answer_lost';
    }),
    named('restart calls get lost', ({ world }) => {
      world.restartCall = 'lost';
    }),
    named('restart calls are refused', ({ world }) => {
      world.restartCall = 'refused';
    }),
    named('restart calls stop the broker and fail', ({ world }) => {
      world.restartCall = 'stops_and_fails';
    }),
    named('restart calls work', ({ world }) => {
      world.restartCall = 'works';
    }),
    named('somebody starts the broker', ({ world }) => world.startByHand()),
    named('the broker crashes', ({ world }) => {
      world.broker = world.broker && { ...world.broker, up: false, status: 'exited', exitCode: 1 };
    }),
    named('the watcher is killed and starts again', (gateway) => {
      gateway.watcher.kill();
      gateway.watcher = gateway.world.startWatcher();
    }),
    named('the clock jumps forward', ({ world }) => world.clock.jumpWall(HOUR_MS)),
    named(CLOCK_BACK, ({ world }) => world.clock.jumpWall(-HOUR_MS)),
  ),
);

function named(name: string, run: Act['run']): Act {
  return { name, run };
}

const history = (acts: readonly Act[]) => acts.map(({ name }) => name).join('; ');

async function play(acts: readonly Act[], withStateFile: boolean): Promise<Gateway> {
  const world = createWorld({
    withStateFile,
    settings: { cooldownMs: COOLDOWN_MS, probeIntervalMs: 20_000 },
  });
  world.verdict = ({ fingerprint }) => {
    if (fingerprint === 'mismatched')
      return fix.probeFailure({ cause: 'client_key_mismatch', phase: 'files' });
    return fingerprint === 'refused' ? fix.probeFailure() : fix.probeSuccess();
  };
  world.write('A');
  await world.advance(1_000);
  world.startByHand();
  await world.advance(HOUR_MS);
  const gateway: Gateway = { world, watcher: world.startWatcher() };
  await world.advance(10_000);
  for (const one of acts) {
    // times are all that a watcher without a state file has to go by after it was killed
    if (!withStateFile && one.name === CLOCK_BACK) continue;
    await one.run(gateway);
    // an excursion that is over before anybody looks again is no excursion
    await world.advance(3_000);
  }
  return gateway;
}

/** Whatever was wrong is mended, a good set lies there, and enough time passes. */
async function recover({ world }: Gateway) {
  world.engineDown = undefined;
  world.restartCall = 'works';
  const { files } = world;
  if (files.kind !== 'complete' || !SETS.includes(files.fingerprint)) world.write('C');
  await world.advance(5 * COOLDOWN_MS);
  // a broker that was stopped is left to whoever stopped it
  if (world.lastDecision()?.reason === 'broker_not_running') world.startByHand();
  await world.advance(2 * COOLDOWN_MS);
}

const arbitrary = fc.record({
  acts: fc.array(act, { maxLength: 25 }),
  withStateFile: fc.boolean(),
});

function check(property: (acts: readonly Act[], withStateFile: boolean) => Promise<void>) {
  return fc.assert(
    fc.asyncProperty(arbitrary, ({ acts, withStateFile }) => property(acts, withStateFile)),
    { numRuns: RUNS, reporter: explain },
  );
}

/** The seed and the shortest history that breaks the promise, so that it can be replayed. */
function explain(run: fc.RunDetails<[{ acts: Act[]; withStateFile: boolean }]>) {
  if (!run.failed) return;
  const [found] = run.counterexample ?? [];
  throw new Error(
    `seed ${run.seed}, path ${run.counterexamplePath}, state file: ${found?.withStateFile}\n${history(found?.acts ?? [])}\n${run.errorInstance}`,
  );
}

describe('in any history', { timeout: 120_000 }, () => {
  it('no two restarts come within one cooldown', () =>
    check(async (acts, withStateFile) => {
      const { world } = await play(acts, withStateFile);
      const gaps = world.restarts
        .slice(1)
        .map(({ atMs }, index) => atMs - (world.restarts[index]?.atMs ?? 0));
      expect(gaps.filter((gap) => gap < COOLDOWN_MS - 1_000)).toEqual([]);
    }));

  it('no restart is asked for while a set lies there that cannot work', () =>
    check(async (acts, withStateFile) => {
      const { world } = await play(acts, withStateFile);
      const asked = world.asked.map((files) => (files.kind === 'complete' ? files.fingerprint : files.kind));
      expect(asked.filter((name) => !SETS.includes(name))).toEqual([]);
    }));

  it('the broker ends up with the set that lies there, once everything has been well for long enough', () =>
    check(async (acts, withStateFile) => {
      const gateway = await play(acts, withStateFile);
      await recover(gateway);
      const { files, loaded } = gateway.world;
      expect(loaded).toBe(files.kind === 'complete' ? files.fingerprint : 'a complete set');
    }));

  it('the watcher settles: nothing more is restarted while nothing changes', () =>
    check(async (acts, withStateFile) => {
      const gateway = await play(acts, withStateFile);
      await recover(gateway);
      const before = gateway.world.restarts.length;
      await gateway.world.advance(HOUR_MS);
      expect(gateway.world.restarts).toHaveLength(before);
    }));

  it('every next look is in the future and within the check interval', () =>
    check(async (acts, withStateFile) => {
      const { world } = await play(acts, withStateFile);
      const waits = world.publications.flatMap(({ cycle }) =>
        cycle === undefined ? [] : [cycle.decision.nextLookMonoMs - cycle.view.now.monoMs],
      );
      expect(Math.min(...waits)).toBeGreaterThan(0);
      expect(Math.max(...waits)).toBeLessThanOrEqual(world.settings.checkIntervalMs);
    }));
});
