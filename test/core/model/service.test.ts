import { describe, expect, it } from 'vitest';
import type { BrokerCondition } from '../../../src/core/model/broker-condition.ts';
import {
  APPLIED_LABEL,
  areTasksNewer,
  conditionOfService,
  HISTORY_LABEL,
  hasFailedSince,
  hasLeftBehind,
  hasTakenUp,
  labelsFor,
  type ServiceState,
  type UpdateState,
} from '../../../src/core/model/service.ts';

const OURS = 'a'.repeat(64);
const OLDER = 'b'.repeat(64);

const service = (change: Partial<ServiceState> = {}): ServiceState => ({
  kind: 'service',
  id: 'xxa1pd51woh6',
  up: true,
  status: 'running',
  startedAt: new Date(1_000).toISOString(),
  version: 1,
  applied: OURS,
  history: [],
  update: undefined,
  desired: 3,
  running: 3,
  updated: 3,
  startedAtMs: 1_000,
  coming: 0,
  hasRun: true,
  ...change,
});

const updated = (state: UpdateState, startedAtMs = 500) => ({ update: { state, startedAtMs, message: 'm' } });

describe('the labels of an update', () => {
  it('hold the fingerprint, and the beginnings of those before it, newest first', () => {
    const labels = labelsFor({ applied: OLDER, history: ['c'.repeat(16)] }, OURS);
    expect(labels).toEqual({
      [APPLIED_LABEL]: OURS,
      [HISTORY_LABEL]: `${'b'.repeat(16)} ${'c'.repeat(16)}`,
    });
  });

  it('hold no history for a service that was never updated', () => {
    expect(labelsFor({ applied: undefined, history: [] }, OURS)[HISTORY_LABEL]).toBe('');
  });

  it('do not grow without end', () => {
    let state = service({ applied: undefined });
    for (let number = 0; number < 100; number += 1) {
      const labels = labelsFor(state, String(number).padEnd(64, '0'));
      state = service({
        applied: labels[APPLIED_LABEL] ?? '',
        history: (labels[HISTORY_LABEL] ?? '').split(' '),
      });
    }
    expect(state.history).toHaveLength(8);
  });

  it('do not call a set old that has come back', () => {
    const labels = labelsFor({ applied: OLDER, history: [OURS.slice(0, 16)] }, OURS);
    expect(labels[HISTORY_LABEL]).toBe(OLDER.slice(0, 16));
  });
});

describe('a set that the service has left behind', () => {
  it('is one of its history', () => {
    expect(hasLeftBehind(service({ history: [OLDER.slice(0, 16)] }), OLDER)).toBe(true);
  });

  it('is not the one that it has', () => {
    expect(hasLeftBehind(service({ history: [OURS.slice(0, 16)] }), OURS)).toBe(false);
  });

  it('is not one that it has never had', () => {
    expect(hasLeftBehind(service(), OLDER)).toBe(false);
  });
});

describe('an update', () => {
  it.each<[UpdateState, boolean]>([
    ['updating', false],
    ['completed', false],
    ['paused', true],
    ['rollback_started', true],
    ['rollback_paused', true],
    ['rollback_completed', true],
  ])('that is %s has failed since the files were changed: %s', (state, isFailed) => {
    expect(hasFailedSince(service(updated(state)), 400)).toBe(isFailed);
  });

  it('that failed before the files were changed says nothing of them', () => {
    expect(hasFailedSince(service(updated('paused')), 600)).toBe(false);
  });

  it.each<[string, Partial<ServiceState>, boolean]>([
    ['it is complete', updated('completed'), true],
    [
      'it is said to be complete and tasks from before it run',
      { ...updated('completed'), updated: 2 },
      false,
    ],
    ['it has not begun', { updated: 0 }, false],
    ['it was paused', updated('paused'), false],
    ['it was rolled back', { ...updated('rollback_completed'), applied: OLDER }, false],
    ['the swarm reports none and all tasks run', {}, true],
    ['the swarm reports none and a task is missing', { running: 2, updated: 2 }, false],
    ['a newer set has come since', { applied: OLDER, history: [OURS.slice(0, 16)] }, false],
  ])('has been carried through where %s: %#', (_, change, isTakenUp) => {
    expect(hasTakenUp(service(change), OURS)).toBe(isTakenUp);
  });
});

describe('the tasks of a service', () => {
  it('have read files that are older than all of them', () => {
    expect(areTasksNewer(service(), 999)).toBe(true);
  });

  it('have read them, or are about to, where some are still being started', () => {
    expect(areTasksNewer(service({ running: 1, coming: 2 }), 999)).toBe(true);
  });

  it.each<[string, Partial<ServiceState>]>([
    ['one is older than the files', { startedAtMs: 998 }],
    ['one is missing', { running: 2 }],
    ['none should run', { desired: 0, running: 0, startedAtMs: undefined }],
  ])('have not where %s', (_, change) => {
    expect(areTasksNewer(service(change), 999)).toBe(false);
  });
});

describe('a service, by its tasks,', () => {
  const down = { up: false, running: 0, updated: 0 };

  it.each<[string, Partial<ServiceState>, BrokerCondition]>([
    ['is well while all run that should', {}, 'well'],
    ['was stopped on purpose where none should', { ...down, desired: 0 }, 'stopped'],
    ['is starting while an update is under way', { running: 2, ...updated('updating') }, 'starting'],
    ['is unhealthy where some are missing', { running: 2 }, 'unhealthy'],
    ['has not started where none has run yet', { ...down, coming: 3, hasRun: false }, 'stopped'],
    ['is in a crash loop while the swarm starts those that die', { ...down, coming: 3 }, 'crash_loop'],
    ['has crashed where the swarm starts none', down, 'crashed'],
  ])('%s', (_, change, condition) => {
    expect(conditionOfService(service(change))).toBe(condition);
  });
});
