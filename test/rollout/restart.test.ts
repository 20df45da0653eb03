import { describe, expect, it } from 'vitest';
import { broker, engineFailure, set, settings } from '../../lab/core-fixtures.ts';
import { createFakeClock, type FakeClock } from '../../lab/fake-clock.ts';
import type { Container } from '../../src/adapters/engine/container.ts';
import type { CallOptions } from '../../src/adapters/engine/http.ts';
import type { BrokerUp, EngineAnswer, EngineFailure, RestartOutcome } from '../../src/core/model/broker.ts';
import type { ContainerState } from '../../src/core/model/container.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import { createRestart } from '../../src/rollout/restart.ts';
import type { Rollout, RolloutEvent } from '../../src/rollout/rollout.ts';

const SECOND = 1_000;
const BEFORE = broker(-3_600_000);
/** the run that the restart begins */
const RESTARTED = broker(1 * SECOND);
const AGAIN = broker(3 * SECOND);
const LOST = engineFailure({
  cause: 'connection_lost',
  problem: 'the answer was lost',
  mayHaveHappened: true,
});
const SILENT = engineFailure({ cause: 'timeout', problem: 'the engine is silent' });

/** What an inspection says from a moment on, counted from the restart call. */
type Course = readonly (readonly [fromMs: number, ContainerState | EngineFailure])[];

/**
 * One restart of a broker that has run for an hour, by an engine that takes `tookMs` to answer, and what the
 * engine has heard.
 */
async function restart(options: {
  readonly course: Course;
  readonly answer?: EngineAnswer<undefined>;
  readonly tookMs?: number;
  readonly inspectTakesMs?: number;
  readonly before?: ContainerState;
  readonly settings?: Partial<Settings>;
}) {
  const clock = createFakeClock();
  const heard = {
    ids: [] as string[],
    stopTimeouts: [] as number[],
    inspectTimeouts: [] as (number | undefined)[],
  };
  const engine = scriptedEngine(clock, options, heard);
  const order = { set: set('new', 0), before: options.before ?? BEFORE, signal: undefined };
  const outcome = outcomeOf(createRestart(engine, clock, settings(options.settings))(order));
  let ended: RestartOutcome | BrokerUp | undefined;
  void outcome.then((it) => {
    ended = it;
  });
  await clock.advance(0);
  for (let hops = 0; ended === undefined && hops < 10_000; hops++) await clock.advanceToNext();
  return { outcome: await outcome, endedMs: clock.elapsedMs(), ...heard };
}

async function outcomeOf(rollout: ReturnType<Rollout>): Promise<RestartOutcome | BrokerUp> {
  const events: RolloutEvent[] = [];
  for await (const event of rollout) events.push(event);
  const [asked, ended] = events;
  if (asked?.kind !== 'asked' || events.length !== 2) throw new Error('a restart is asked for, and ends');
  if (ended?.kind === 'restart_ended') return ended.outcome;
  if (ended?.kind === 'came_up') return ended.up;
  throw new Error(`a restart does not end as ${ended?.kind}`);
}

function scriptedEngine(
  clock: FakeClock,
  {
    course,
    answer = { ok: true, value: undefined },
    tookMs = 0,
    inspectTakesMs = 0,
  }: Parameters<typeof restart>[0],
  heard: { ids: string[]; stopTimeouts: number[]; inspectTimeouts: (number | undefined)[] },
): Container {
  const never = new AbortController().signal;
  return {
    async restart(id, stopTimeoutS) {
      heard.ids.push(id);
      heard.stopTimeouts.push(stopTimeoutS);
      await clock.sleep(tookMs, never);
      return answer;
    },
    async signalHangup() {
      throw new Error('a restart sends no signal');
    },
    async inspect({ timeoutMs }: CallOptions = {}) {
      heard.inspectTimeouts.push(timeoutMs);
      await clock.sleep(Math.min(inspectTakesMs, timeoutMs ?? inspectTakesMs), never);
      const said = course.findLast(([fromMs]) => fromMs <= clock.elapsedMs())?.[1] ?? SILENT;
      return 'ok' in said ? said : { ok: true, value: said };
    },
  };
}

describe('a restart is verified', () => {
  it('when the broker was started again and is still up after the settle time', async () => {
    const { outcome } = await restart({ course: [[0, RESTARTED]] });
    expect(outcome).toMatchObject({ kind: 'verified', broker: RESTARTED });
  });

  it('not before the settle time of 2 s', async () => {
    const { endedMs } = await restart({ course: [[0, RESTARTED]] });
    expect(endedMs).toBe(2 * SECOND);
  });

  it('after half of a short verify timeout', async () => {
    const { endedMs } = await restart({ course: [[0, RESTARTED]], settings: { verifyTimeoutMs: 800 } });
    expect(endedMs).toBe(400);
  });

  it('from the moment on at which the broker was seen up, not from the answer of the engine', async () => {
    const { endedMs } = await restart({
      course: [
        [0, BEFORE],
        [5 * SECOND, RESTARTED],
      ],
    });
    expect(endedMs).toBe(7 * SECOND);
  });

  it('when the health check has passed within the settle time, and a settle time after that', async () => {
    const course: Course = [
      [0, { ...RESTARTED, health: 'starting' }],
      [1 * SECOND, { ...RESTARTED, health: 'healthy' }],
    ];
    const { outcome, endedMs } = await restart({ course });
    expect([outcome.kind, endedMs]).toEqual(['verified', 3 * SECOND]);
  });

  it('after a whole settle time of health, counted again when it was lost in between', async () => {
    const course: Course = [
      [0, { ...RESTARTED, health: 'healthy' }],
      [1 * SECOND, { ...RESTARTED, health: 'unhealthy' }],
      [1_600, { ...RESTARTED, health: 'healthy' }],
    ];
    const { outcome, endedMs } = await restart({ course });
    expect([outcome.kind, endedMs]).toEqual(['verified', 3_600]);
  });

  it('when a restart policy brings the broker up at the second attempt, after a settle time of its own', async () => {
    const course: Course = [
      [0, RESTARTED],
      [1 * SECOND, { ...RESTARTED, up: false, status: 'restarting', exitCode: 1 }],
      [3 * SECOND, AGAIN],
    ];
    const { outcome, endedMs } = await restart({ course });
    expect([outcome.kind, endedMs]).toEqual(['verified', 5 * SECOND]);
  });

  it('when the broker changed its run unseen, after a settle time of its own', async () => {
    const { endedMs } = await restart({
      course: [
        [0, RESTARTED],
        [1_900, AGAIN],
      ],
    });
    expect(endedMs).toBeGreaterThanOrEqual(1_900 + 2 * SECOND);
  });

  it('when the engine is silent for a while', async () => {
    const { outcome } = await restart({
      course: [
        [0, SILENT],
        [5 * SECOND, RESTARTED],
      ],
    });
    expect(outcome.kind).toBe('verified');
  });

  it('when the answer was lost but the broker was started', async () => {
    const { outcome } = await restart({
      answer: LOST,
      course: [
        [0, BEFORE],
        [8 * SECOND, RESTARTED],
      ],
    });
    expect(outcome).toMatchObject({ kind: 'verified', broker: RESTARTED });
  });

  it('when a crashed broker has come up', async () => {
    const before = broker(-60_000, { up: false, status: 'exited', exitCode: 1 });
    expect((await restart({ before, course: [[0, RESTARTED]] })).outcome.kind).toBe('verified');
  });
});

describe('a broker is up, and no more is known, after the settle time', () => {
  it.each<[string, Partial<ContainerState>]>([
    ['its health check has not passed yet', { health: 'starting' }],
    ['its health check fails, which may be its first one', { health: 'unhealthy' }],
    ['it has been paused since its start', { status: 'paused' }],
  ])('where %s', async (_, state) => {
    const course: Course = [[0, { ...RESTARTED, ...state }]];
    const { outcome, endedMs } = await restart({ course });
    expect([outcome, endedMs]).toMatchObject([
      { kind: 'up', broker: { ...RESTARTED, ...state }, calledMonoMs: expect.any(Number) },
      2 * SECOND,
    ]);
  });

  it('counted from its last start', async () => {
    const { outcome, endedMs } = await restart({
      course: [
        [0, { ...RESTARTED, health: 'starting' }],
        [1 * SECOND, { ...RESTARTED, up: false, status: 'restarting', exitCode: 1 }],
        [3 * SECOND, { ...AGAIN, health: 'starting' }],
      ],
    });
    expect([outcome.kind, endedMs]).toEqual(['up', 5 * SECOND]);
  });
});

describe('a broker is unhealthy', () => {
  const dead = { ...RESTARTED, up: false, status: 'exited', exitCode: 3 };

  it('at once when it has died after its start', async () => {
    const { outcome, endedMs } = await restart({
      course: [
        [0, RESTARTED],
        [1 * SECOND, dead],
      ],
    });
    expect([outcome.kind, endedMs]).toEqual(['unhealthy', 1 * SECOND]);
  });

  it('with the exit code as the reason', async () => {
    const { outcome } = await restart({ course: [[0, dead]] });
    expect(outcome).toMatchObject({ why: 'it exited with code 3 after its start', broker: dead });
  });

  it('when a lost answer has started it and it has died', async () => {
    expect((await restart({ answer: LOST, course: [[0, dead]] })).outcome.kind).toBe('unhealthy');
  });

  it('at the deadline when its restart policy starts it again and again', async () => {
    const crashing = Array.from({ length: 60 }, (_, index): Course[number][] => [
      [index * SECOND, broker(index * SECOND)],
      [index * SECOND + 500, { ...broker(index * SECOND), up: false, status: 'restarting', exitCode: 1 }],
    ]).flat();
    const { outcome, endedMs } = await restart({ course: crashing });
    expect([outcome.kind, endedMs]).toEqual(['unhealthy', 30 * SECOND]);
  });

  it('when the engine could not start it, with the reason', async () => {
    const failed = { ...dead, exitCode: 128, startError: 'no such device' };
    const { outcome } = await restart({ course: [[0, failed]] });
    expect(outcome).toMatchObject({ why: 'it could not be started: no such device' });
  });

  it('as soon as two looks a second apart agree that the engine, which said done, has not started it', async () => {
    const stopped = { ...BEFORE, up: false, status: 'exited', exitCode: 0 };
    const { outcome, endedMs } = await restart({ course: [[0, stopped]] });
    expect([outcome, endedMs]).toMatchObject([
      { kind: 'unhealthy', why: 'the engine has not started it again' },
      1 * SECOND,
    ]);
  });

  it('at the deadline when the engine said done but has not started it', async () => {
    const { outcome } = await restart({ course: [[0, BEFORE]] });
    expect(outcome).toMatchObject({ kind: 'unhealthy', why: 'the engine has not started it again' });
  });

  it('at the deadline when the engine said done and then fell silent', async () => {
    const { outcome } = await restart({ course: [[0, SILENT]] });
    expect(outcome).toMatchObject({ kind: 'unhealthy', why: 'the engine is silent', broker: undefined });
  });

  it('no later than the verify timeout says', async () => {
    const { endedMs } = await restart({ course: [[0, BEFORE]], settings: { verifyTimeoutMs: 7 * SECOND } });
    expect(endedMs).toBe(7 * SECOND);
  });

  it('with the state in which it was seen last, should the engine fall silent', async () => {
    const sick: ContainerState = { ...RESTARTED, health: 'unhealthy' };
    const { outcome } = await restart({
      course: [
        [0, sick],
        [1 * SECOND, SILENT],
      ],
    });
    expect(outcome.kind === 'unhealthy' && outcome.broker).toEqual(sick);
  });
});

describe('a restart is uncertain', () => {
  it('when the answer was lost and the broker has not been started', async () => {
    const { outcome } = await restart({ answer: LOST, course: [[0, BEFORE]] });
    expect(outcome).toMatchObject({ kind: 'uncertain', failure: LOST, broker: BEFORE });
  });

  it('when the answer was lost and the engine is silent', async () => {
    const { outcome } = await restart({ answer: LOST, course: [[0, SILENT]] });
    expect(outcome).toMatchObject({ kind: 'uncertain', failure: LOST, broker: undefined });
  });

  it('only after the whole verify timeout', async () => {
    const { endedMs } = await restart({ answer: LOST, course: [[0, BEFORE]] });
    expect(endedMs).toBe(30 * SECOND);
  });

  describe('where the broker has been stopped', () => {
    const stopped = { ...BEFORE, up: false, status: 'exited', finishedAt: 'now' };
    const FAILED = engineFailure({ cause: 'engine_error', mayHaveHappened: true });

    it('as soon as two looks a second apart agree that the engine, which said so, has failed', async () => {
      const { outcome, endedMs } = await restart({ answer: FAILED, course: [[0, stopped]] });
      expect([outcome, endedMs]).toMatchObject([
        { kind: 'uncertain', failure: FAILED, broker: stopped },
        1 * SECOND,
      ]);
    });

    it('after the whole verify timeout where the answer was lost: the engine may still be at it', async () => {
      const { endedMs } = await restart({ answer: LOST, course: [[0, stopped]] });
      expect(endedMs).toBe(30 * SECOND);
    });

    it('but not before the two looks agree', async () => {
      const course: Course = [
        [0, stopped],
        [800, { ...RESTARTED }],
      ];
      expect((await restart({ answer: FAILED, course })).outcome.kind).toBe('verified');
    });

    it('not while the broker still runs: it may be stopped yet', async () => {
      const { endedMs } = await restart({ answer: FAILED, course: [[0, BEFORE]] });
      expect(endedMs).toBe(30 * SECOND);
    });
  });
});

describe('a restart is not done', () => {
  it('when the engine certainly did not do it', async () => {
    const refused = engineFailure({ cause: 'permission_denied' });
    expect((await restart({ answer: refused, course: [] })).outcome).toMatchObject({
      kind: 'not_done',
      failure: refused,
    });
  });

  it('and that is known at once, without a look at the broker', async () => {
    const { inspectTimeouts } = await restart({ answer: engineFailure(), course: [] });
    expect(inspectTimeouts).toEqual([]);
  });
});

describe('the engine is asked to restart', () => {
  it.each<[string, EngineAnswer<undefined>]>([
    ['done', { ok: true, value: undefined }],
    ['lost', LOST],
    ['refused', engineFailure()],
  ])('exactly once, whatever comes of it: %s', async (_, answer) => {
    const { stopTimeouts } = await restart({ answer, course: [[0, BEFORE]] });
    expect(stopTimeouts).toHaveLength(1);
  });

  it.each([
    [0, 0],
    [1, 1],
    [1_000, 1],
    [1_001, 2],
    [90_000, 90],
  ])('with a stop timeout of %d ms as %d whole seconds', async (stopTimeoutMs, seconds) => {
    const { stopTimeouts } = await restart({ course: [[0, RESTARTED]], settings: { stopTimeoutMs } });
    expect(stopTimeouts).toEqual([seconds]);
  });

  it.each([0, 45, -1])("with the container's own stop timeout of %d s", async (stopTimeoutS) => {
    const { stopTimeouts } = await restart({ course: [[0, RESTARTED]], before: { ...BEFORE, stopTimeoutS } });
    expect(stopTimeouts).toEqual([stopTimeoutS]);
  });

  it("with the setting rather than the container's own stop timeout", async () => {
    const before = { ...BEFORE, stopTimeoutS: 45 };
    const { stopTimeouts } = await restart({
      course: [[0, RESTARTED]],
      before,
      settings: { stopTimeoutMs: 3_000 },
    });
    expect(stopTimeouts).toEqual([3]);
  });

  it('with 10 s where nobody says otherwise', async () => {
    expect((await restart({ course: [[0, RESTARTED]] })).stopTimeouts).toEqual([10]);
  });
});

describe('the time of a restart', () => {
  it('is that from the call to the end of the verification', async () => {
    const { outcome } = await restart({ course: [[0, RESTARTED]], tookMs: 4 * SECOND });
    expect(outcome).toMatchObject({ kind: 'verified', tookMs: 6 * SECOND });
  });

  it('counts for the cooldown from the answer of the engine', async () => {
    const clock = createFakeClock();
    const { outcome } = await restart({ course: [[0, RESTARTED]], tookMs: 4 * SECOND });
    expect(outcome.answeredMonoMs).toBe(clock.now().monoMs + 4 * SECOND);
  });

  it('is not taken from the time to verify: that begins with the answer', async () => {
    const { endedMs } = await restart({ course: [[0, BEFORE]], tookMs: 40 * SECOND });
    expect(endedMs).toBe(70 * SECOND);
  });

  it('ends soon after the deadline with an engine that hangs', async () => {
    const { endedMs } = await restart({ course: [[0, SILENT]], inspectTakesMs: 60 * SECOND });
    expect(endedMs).toBeLessThanOrEqual(31 * SECOND);
  });

  it('leaves an engine at least a second to answer, also at the end', async () => {
    const { inspectTimeouts } = await restart({ course: [[0, BEFORE]] });
    expect(Math.min(...inspectTimeouts.map(Number))).toBe(1 * SECOND);
  });
});

describe('a restart is asked for', () => {
  it('by the id of the container that was looked at, which no later container has', async () => {
    const before = { ...BEFORE, id: 'c'.repeat(64) };
    expect((await restart({ course: [[0, RESTARTED]], before })).ids).toEqual([before.id]);
  });
});
