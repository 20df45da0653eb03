/** A service of a Docker Swarm on a fake clock, as its managers show it to every watcher. */

import type { EngineAnswer } from '../src/core/model/broker.ts';
import { APPLIED_LABEL, HISTORY_LABEL, labelsFor, type ServiceState } from '../src/core/model/service.ts';
import * as fix from './core-fixtures.ts';
import type { FakeClock } from './fake-clock.ts';

/** For so long a swarm has taken an update and tells nothing of it: the last one is forgotten, this one not begun. */
const BEGIN_MS = 50;

/** How long one task takes to be replaced. */
export const TASK_MS = 2_000;

export type SimulatedService = ReturnType<typeof createSimulatedService>;

/** A service with three tasks that have been running for an hour and that no watcher has updated yet. */
export function createSimulatedService(clock: FakeClock, replicas = 3) {
  const madeMs = clock.now().wallMs - 3_600_000;
  let state: ServiceState = {
    kind: 'service',
    id: 'b'.repeat(25),
    up: true,
    status: 'running',
    version: 10,
    applied: undefined,
    history: [],
    update: undefined,
    desired: replicas,
    running: replicas,
    updated: replicas,
    ...startedAt(madeMs),
    coming: 0,
    hasRun: true,
  };
  let before = state;
  let startedMs: number | undefined;

  const service = {
    /** every update that a manager has taken, with the fingerprint that it was made for */
    updates: [] as { readonly atMs: number; readonly fingerprint: string }[],
    /** updates that came too late */
    outOfSequence: 0,
    /** what a task that is started again does to the update */
    taskFails: 'never' as 'never' | 'pauses' | 'rolls back' | 'continues',
    /** a node was lost during the update: at its end, the swarm is still starting one task */
    oneIsComing: false,
    /** The task that was still coming runs. */
    allHaveCome: () => {
      state = { ...now(), running: replicas, updated: replicas, coming: 0 };
    },
    state: () => now(),
    inspect: async (): Promise<EngineAnswer<ServiceState>> => ({ ok: true, value: now() }),
    /** As the manager does with the version of the inspection before. */
    update: async (version: number, fingerprint: string): Promise<EngineAnswer<undefined>> => {
      const current = now();
      if (version !== current.version) {
        service.outOfSequence += 1;
        return fix.engineFailure({ cause: 'out_of_sequence' });
      }
      const labels = labelsFor(current, fingerprint);
      before = current;
      state = {
        ...current,
        version: current.version + 1,
        applied: labels[APPLIED_LABEL],
        history: (labels[HISTORY_LABEL] ?? '').split(' ').filter(Boolean),
      };
      startedMs = clock.now().wallMs;
      service.updates.push({ atMs: clock.elapsedMs(), fingerprint });
      return { ok: true, value: undefined };
    },
    /** Somebody updates it by hand, with `docker service update --force`. */
    updateByHand: () => {
      state = { ...now(), version: now().version + 1 };
      startedMs = clock.now().wallMs;
    },
    /** All of them, each as soon as it is started. */
    tasksDie: ({ coming, hasRun = true }: { readonly coming: number; readonly hasRun?: boolean }) => {
      state = { ...now(), up: false, running: 0, updated: 0, ...startedAt(undefined), coming, hasRun };
    },
    scaleToNothing: () => {
      state = {
        ...now(),
        version: now().version + 1,
        desired: 0,
        running: 0,
        updated: 0,
        up: false,
        ...startedAt(undefined),
      };
    },
  };

  function now(): ServiceState {
    if (startedMs === undefined) return state;
    const since = clock.now().wallMs - startedMs;
    const update = (name: NonNullable<ServiceState['update']>['state'], message: string) => ({
      state: name,
      startedAtMs: startedMs ?? 0,
      message,
    });
    if (since < BEGIN_MS) return { ...state, updated: 0, update: undefined };
    const isStopped = service.taskFails === 'pauses' || service.taskFails === 'rolls back';
    if (isStopped && since >= TASK_MS) return failed(since, update);
    const updated = Math.min(state.desired, Math.floor(since / TASK_MS));
    if (since < (state.desired + 1) * TASK_MS) {
      return { ...state, updated, update: update('updating', 'update in progress') };
    }
    state = {
      ...state,
      version: state.version + 1,
      running: service.taskFails === 'continues' ? 0 : state.desired,
      updated: service.taskFails === 'continues' ? 0 : updated,
      up: service.taskFails !== 'continues',
      ...startedAt(service.taskFails === 'continues' ? undefined : startedMs),
      update: update('completed', 'update completed'),
    };
    if (service.oneIsComing) state = { ...state, running: replicas - 1, updated: replicas - 1, coming: 1 };
    startedMs = undefined;
    return state;
  }

  function failed(
    since: number,
    update: (name: NonNullable<ServiceState['update']>['state'], message: string) => ServiceState['update'],
  ): ServiceState {
    if (service.taskFails === 'pauses') {
      state = {
        ...state,
        version: state.version + 1,
        running: replicas - 1,
        update: update('paused', 'a task failed'),
      };
      startedMs = undefined;
      return state;
    }
    if (since < 3 * TASK_MS) {
      return { ...before, version: state.version, update: update('rollback_started', 'a task failed') };
    }
    state = {
      ...before,
      version: state.version + 1,
      update: update('rollback_completed', 'rollback completed'),
    };
    startedMs = undefined;
    return state;
  }

  return service;
}

function startedAt(startedAtMs: number | undefined): Pick<ServiceState, 'startedAt' | 'startedAtMs'> {
  return { startedAt: startedAtMs === undefined ? '' : new Date(startedAtMs).toISOString(), startedAtMs };
}
