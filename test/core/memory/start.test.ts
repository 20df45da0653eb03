import { describe, expect, it } from 'vitest';
import { at, broker, engineFailure, set } from '../../../lab/core-fixtures.ts';
import { beginStart, endOfStart, followStart, settleTime } from '../../../src/core/memory/start.ts';
import type { EngineAnswer } from '../../../src/core/model/broker.ts';
import type { ContainerState } from '../../../src/core/model/container.ts';

const VERIFY_MS = 30_000;
const NEEDS_MS = 100_000;
const SETTLE_MS = 2_000;
/** the restart was called at 0, answered at 1 s, and the broker had been up for the settle time at 3 s */
const ANSWERED_MS = 1_000;
const BEGAN_MS = 3_000;
const UP = broker(ANSWERED_MS, { health: 'starting', healthNeedsMs: NEEDS_MS });
const DOWN = { up: false, status: 'exited', finishedAt: 'now' } as const;

const SILENT = engineFailure({ cause: 'timeout', problem: 'the engine is silent' });

/** How the restart has ended by the last of these looks, each at its time. */
function endAfter(
  ...looks: readonly (readonly [ms: number, seen: Partial<ContainerState> | EngineAnswer<ContainerState>])[]
) {
  const up = {
    kind: 'up',
    broker: UP,
    calledMonoMs: at(0).monoMs,
    answeredMonoMs: at(ANSWERED_MS).monoMs,
  } as const;
  let start = beginStart(set('B', 0), up, at(BEGAN_MS), VERIFY_MS);
  let end: ReturnType<typeof endOfStart>;
  for (const [ms, seen] of looks) {
    const answer = 'ok' in seen ? seen : ({ ok: true, value: { ...UP, ...seen } } as const);
    start = followStart(start, answer, at(ms));
    end = endOfStart(start, answer, at(ms), VERIFY_MS);
  }
  return end;
}

const STARTING = { health: 'starting' } as const;
const HEALTHY = { health: 'healthy' } as const;
const UNHEALTHY = { health: 'unhealthy' } as const;
const PAUSED = { status: 'paused', health: 'starting' } as const;
/** the time from the call that a restart with a health check that never comes takes */
const LAST_MS = BEGAN_MS + NEEDS_MS;

describe('a restart whose health check is waited for', () => {
  it('is verified a settle time after the check has passed', () => {
    expect(endAfter([60_000, HEALTHY], [60_000 + SETTLE_MS - 1, HEALTHY])).toBeUndefined();
    expect(endAfter([60_000, HEALTHY], [60_000 + SETTLE_MS, HEALTHY])).toMatchObject({
      kind: 'verified',
      broker: HEALTHY,
    });
  });

  it('has taken the time from the call to then, and its cooldown counts from the answer', () => {
    expect(endAfter([60_000, HEALTHY], [62_000, HEALTHY])).toMatchObject({
      tookMs: 62_000,
      answeredMonoMs: at(ANSWERED_MS).monoMs,
    });
  });

  it('is verified after a settle time of its own in each run', () => {
    const again = { ...HEALTHY, startedAt: 'again' };
    expect(endAfter([60_000, HEALTHY], [61_900, again], [62_000, again])).toBeUndefined();
  });

  it('is not over while the check may still come, however long the verify timeout has been over', () => {
    expect(endAfter([LAST_MS - 1, STARTING])).toBeUndefined();
  });

  it('has failed when the check has not come in the time that it may need', () => {
    expect(endAfter([LAST_MS, STARTING])).toMatchObject({
      kind: 'unhealthy',
      why: 'its health check has not passed within 1m40s',
    });
  });

  it('may recover from a check that fails within RESTART_VERIFY_TIMEOUT', () => {
    const deadlineMs = ANSWERED_MS + VERIFY_MS;
    expect(endAfter([deadlineMs - 1, UNHEALTHY])).toBeUndefined();
    expect(endAfter([deadlineMs, UNHEALTHY])).toMatchObject({
      kind: 'unhealthy',
      why: 'its health check says unhealthy',
    });
  });

  it('has failed at once where the check fails later than that', () => {
    expect(endAfter([60_000, STARTING], [61_000, UNHEALTHY])?.kind).toBe('unhealthy');
  });

  it.each<[string, Partial<ContainerState>, string]>([
    ['ended', { ...DOWN, exitCode: 3 }, 'it exited with code 3 after its start'],
    ['ended as if it had been stopped', { ...DOWN, exitCode: 0 }, 'it exited with code 0 after its start'],
    ['dead', { up: false, status: 'dead' }, 'it exited with code 0 after its start'],
  ])('has failed at once when the broker is %s', (_, state, why) => {
    expect(endAfter([5_000, state])).toMatchObject({ kind: 'unhealthy', why });
  });

  it('has failed at the verify timeout where the broker is in a crash loop by then', () => {
    const crashing = { up: false, status: 'restarting', exitCode: 1 };
    expect(endAfter([ANSWERED_MS + VERIFY_MS - 1, crashing])).toBeUndefined();
    expect(endAfter([ANSWERED_MS + VERIFY_MS, crashing])?.kind).toBe('unhealthy');
  });

  it('has failed where the broker is well now and then, and not for a settle time', () => {
    expect(endAfter([LAST_MS - 100, STARTING], [LAST_MS, HEALTHY])).toMatchObject({
      kind: 'unhealthy',
      why: 'it does not stay up',
    });
  });

  it('goes on while the engine is silent, and has failed if it stays so', () => {
    expect(endAfter([LAST_MS - 1, SILENT])).toBeUndefined();
    expect(endAfter([LAST_MS, SILENT])).toMatchObject({ kind: 'unhealthy', why: 'the engine is silent' });
  });
});

describe('a pause after a restart', () => {
  it('decides nothing, however long it is', () => {
    expect(endAfter([10 * LAST_MS, PAUSED])).toBeUndefined();
  });

  it('does not count: the check gets its whole time after it', () => {
    const goesOnMs = 10 * LAST_MS;
    expect(endAfter([goesOnMs, PAUSED], [goesOnMs + NEEDS_MS - 1, STARTING])).toBeUndefined();
    expect(endAfter([goesOnMs, PAUSED], [goesOnMs + NEEDS_MS, STARTING])).toMatchObject({
      why: 'its health check has not passed within 1m40s',
    });
  });

  it('takes away the settle time that has passed', () => {
    expect(endAfter([4_000, HEALTHY], [5_000, { ...PAUSED, ...HEALTHY }], [6_000, HEALTHY])).toBeUndefined();
  });
});

describe('the settle time', () => {
  it.each([
    [30_000, 2_000],
    [4_000, 2_000],
    [800, 400],
    [0, 0],
  ])('of a verify timeout of %d ms is %d ms', (verifyTimeoutMs, settleMs) => {
    expect(settleTime(verifyTimeoutMs)).toBe(settleMs);
  });
});
