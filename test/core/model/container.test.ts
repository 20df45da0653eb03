import { describe, expect, it } from 'vitest';
import { at, broker } from '../../../lab/core-fixtures.ts';
import { conditionOf, isLeftAlone, isOverdue } from '../../../src/core/model/broker.ts';
import type { BrokerCondition } from '../../../src/core/model/broker-condition.ts';
import {
  type ContainerState,
  judgeRecovery,
  type Phase,
  phaseOf,
} from '../../../src/core/model/container.ts';

const HOUR_MS = 3_600_000;
const DOWN = { up: false, status: 'exited', finishedAt: 'now' } as const;
const policy = (name: string, retries = 0) => ({ restartPolicy: { name, retries } });
const NEVER = { startedAt: '0001-01-01T00:00:00Z', startedAtMs: undefined };

/** What Docker and Podman say of a container, whether it has a process, and what that means. */
const STATES: readonly [string, boolean, Phase, isLeftAlone: boolean][] = [
  ['created', false, 'unstarted', true],
  ['configured', false, 'unstarted', true],
  ['initialized', false, 'unstarted', true],
  ['running', true, 'running', false],
  // Podman 5 while it stops a container
  ['running', false, 'stopping', true],
  ['paused', true, 'paused', true],
  ['restarting', false, 'restarting', false],
  ['stopping', false, 'stopping', true],
  ['stopping', true, 'stopping', true],
  ['stopped', false, 'ended', false],
  ['exited', false, 'ended', false],
  ['removing', false, 'removing', true],
  ['removing', true, 'removing', true],
  ['dead', false, 'dead', true],
  // words of engines to come, and Podman's for a state that it cannot tell
  ['unknown', true, 'running', false],
  ['unknown', false, 'ended', false],
  ['', false, 'ended', false],
  ['constructor', true, 'running', false],
];

describe('the state of a container', () => {
  it.each(STATES)('%s, with a process: %s, means %s', (status, up, phase) => {
    expect(phaseOf(broker(0, { status, up }))).toBe(phase);
  });

  it.each(STATES)(
    '%s, with a process: %s, (%s) is left alone for a rotation: %s',
    (status, up, phase, is) => {
      const start = phase === 'unstarted' ? NEVER : {};
      // where that is a matter of how it has ended: by a crash
      expect(isLeftAlone(broker(0, { status, up, exitCode: 1, ...start }))).toBe(is);
    },
  );
});

describe('a container that has ended', () => {
  it.each<[string, Partial<ContainerState>, BrokerCondition]>([
    ['exit code 0', { exitCode: 0 }, 'stopped'],
    ['143, which is SIGTERM by way of an init', { exitCode: 143 }, 'stopped'],
    ['130, which is SIGINT', { exitCode: 130 }, 'stopped'],
    ['1', { exitCode: 1 }, 'crashed'],
    ['137, which is a kill', { exitCode: 137 }, 'crashed'],
    ['139', { exitCode: 139 }, 'crashed'],
    ['0, and the kernel has killed something in it', { exitCode: 0, oomKilled: true }, 'crashed'],
    ['137 under always', { exitCode: 137, ...policy('always') }, 'stopped'],
    ['1 under always', { exitCode: 1, ...policy('always') }, 'stopped'],
    ['137 under unless-stopped', { exitCode: 137, ...policy('unless-stopped') }, 'stopped'],
    ['137 by the kernel under always', { exitCode: 137, oomKilled: true, ...policy('always') }, 'stopped'],
    ['137 under on-failure without end', { exitCode: 137, ...policy('on-failure') }, 'stopped'],
    [
      '1 under on-failure, with tries left',
      { exitCode: 1, restartCount: 2, ...policy('on-failure', 3) },
      'stopped',
    ],
    ['1 under on-failure, given up', { exitCode: 1, restartCount: 3, ...policy('on-failure', 3) }, 'crashed'],
    [
      '143 under on-failure, given up',
      { exitCode: 143, restartCount: 3, ...policy('on-failure', 3) },
      'stopped',
    ],
    ['0 under on-failure', { exitCode: 0, ...policy('on-failure') }, 'stopped'],
    [
      '0 under on-failure, by the kernel',
      { exitCode: 0, oomKilled: true, ...policy('on-failure') },
      'crashed',
    ],
    ['128, could not be started', { exitCode: 128, startError: 'no such device' }, 'crashed'],
    [
      '127, could not be started, under always',
      { exitCode: 127, startError: 'not found', ...policy('always') },
      'crashed',
    ],
    ['0, could not be started', { exitCode: 0, startError: 'not found' }, 'crashed'],
    ['0, was never started', { exitCode: 0, ...NEVER }, 'stopped'],
  ])('with %s is told as it is', (_, state, condition) => {
    expect(conditionOf(broker(0, { ...DOWN, ...state }))).toBe(condition);
  });

  it('and was only created counts as crashed where the engine could not start it', () => {
    const failed = broker(0, { up: false, status: 'created', startError: 'port is taken', ...NEVER });
    expect(conditionOf(failed)).toBe('crashed');
  });
});

describe('a health check that says nothing', () => {
  const starting = broker(0, { health: 'starting', healthNeedsMs: HOUR_MS });

  it('is overdue when it has had the time that it may need', () => {
    expect([HOUR_MS, HOUR_MS + 1].map((ms) => isOverdue(starting, at(ms).wallMs))).toEqual([false, true]);
  });

  it('is not overdue in a broker that is well', () => {
    expect(isOverdue({ ...starting, health: 'healthy' }, at(2 * HOUR_MS).wallMs)).toBe(false);
  });
});

describe('a broker that was told to restart', () => {
  const before = broker(-HOUR_MS);
  const now = broker(0);

  it.each<[string, ContainerState, ReturnType<typeof judgeRecovery>]>([
    ['runs as before', before, { kind: 'waiting', why: 'the engine has not started it again' }],
    [
      'is paused as before',
      { ...before, status: 'paused' },
      { kind: 'waiting', why: 'the engine has not started it again' },
    ],
    [
      'has ended',
      { ...before, ...DOWN },
      { kind: 'not_started', why: 'the engine has not started it again' },
    ],
    ['is up', now, { kind: 'up' }],
    [
      'is starting',
      { ...now, health: 'starting' },
      { kind: 'unproven', why: 'its health check says starting' },
    ],
    [
      'is unhealthy',
      { ...now, health: 'unhealthy' },
      { kind: 'unproven', why: 'its health check says unhealthy' },
    ],
    ['is paused since', { ...now, status: 'paused' }, { kind: 'unproven', why: 'it is paused' }],
    ['is being stopped', { ...now, status: 'stopping' }, { kind: 'waiting', why: 'it is stopping' }],
    [
      'is between two attempts',
      { ...now, up: false, status: 'restarting', exitCode: 3 },
      { kind: 'waiting', why: 'it exited with code 3 and its restart policy starts it again' },
    ],
    [
      'has ended since',
      { ...now, ...DOWN, exitCode: 3 },
      { kind: 'down', why: 'it exited with code 3 after its start' },
    ],
    [
      'could not be started',
      { ...now, ...DOWN, startError: 'no' },
      { kind: 'down', why: 'it could not be started: no' },
    ],
    [
      'is another one that was never started',
      { ...now, ...DOWN, ...NEVER },
      { kind: 'down', why: 'it was not started' },
    ],
  ])('%s', (_, state, recovery) => {
    expect(judgeRecovery(before, state)).toEqual(recovery);
  });
});
