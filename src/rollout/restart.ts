/** A restart of a container or a unit: one call, then watching until the broker is back for good. */

import type { Clock } from '../adapters/clock.ts';
import type { Container } from '../adapters/engine/container.ts';
import type { Unit } from '../adapters/systemd/unit.ts';
import {
  type BrokerState,
  type EngineAnswer,
  type EngineFailure,
  isLeftAlone,
  type RestartOutcome,
  type SingleState,
} from '../core/model/broker.ts';
import type { Settings } from '../core/model/settings.ts';
import { type Looked, watchRecovery } from './recovery.ts';
import type { Rollout, RolloutEvent } from './rollout.ts';

/** The engine's grace before it kills, if neither the settings nor the container define one. */
const DEFAULT_STOP_TIMEOUT_S = 10;

/** A broker that can be restarted as it was seen `before`. */
interface Restartable extends Looked {
  restart(before: BrokerState): Promise<EngineAnswer<undefined>>;
}

/** The restart of a container, with the grace that the settings or the container define. */
export function createRestart(container: Container, clock: Clock, settings: Settings): Rollout {
  const restart = (before: BrokerState) => container.restart(before.id, stopTimeoutS(before, settings));
  return createRollout({ inspect: container.inspect, restart }, clock, settings);
}

/** The restart of a unit; systemd gives it the time that the unit defines. */
export function createUnitRestart(unit: Unit, clock: Clock, settings: Settings): Rollout {
  return createRollout(unit, clock, settings);
}

/**
 * Restarts the broker and proves that it came back: started again, up, healthy if it has a health check, and still so
 * after a short settle time. It ends within the stop timeout, the engine's margin and the verify timeout. If the answer
 * is lost, the call is not repeated but verified in the same way. A health check is not waited for: if it has not
 * passed by the end of the settle time, the broker counts as up, and is still to be proved well.
 */
function createRollout(broker: Restartable, clock: Clock, settings: Settings): Rollout {
  return async function* restart({ before }) {
    yield { kind: 'asked', by: 'restart' };
    yield await restarted(broker, clock, settings, before);
  };
}

type RestartEvent = Extract<RolloutEvent, { kind: 'restart_ended' | 'came_up' | 'dropped' }>;

async function restarted(
  restartable: Restartable,
  clock: Clock,
  settings: Settings,
  before: BrokerState,
): Promise<RestartEvent> {
  const calledMonoMs = clock.now().monoMs;
  const answer = await restartable.restart(before);
  const answeredMonoMs = clock.now().monoMs;
  const timing = () => ({ tookMs: clock.now().monoMs - calledMonoMs, answeredMonoMs });
  if (!answer.ok && !answer.mayHaveHappened)
    return { kind: 'restart_ended', outcome: { kind: 'not_done', failure: answer, ...timing() } };
  const recovery = await watchRecovery(restartable, clock, before, {
    timeoutMs: settings.verifyTimeoutMs,
    isAnswered: isAnswered(answer),
  });
  const { broker } = recovery;
  if (recovery.kind === 'well')
    return { kind: 'restart_ended', outcome: { kind: 'verified', broker: recovery.broker, ...timing() } };
  if (recovery.kind === 'up')
    return { kind: 'came_up', up: { kind: 'up', broker: recovery.broker, calledMonoMs, answeredMonoMs } };
  if (!answer.ok && answer.overruled && broker?.up === false) return overruled(answer, broker, timing());
  const isStartedAgain = broker !== undefined && broker.startedAt !== before.startedAt;
  return {
    kind: 'restart_ended',
    outcome:
      !answer.ok && !isStartedAgain
        ? { kind: 'uncertain', failure: answer, broker, ...timing() }
        : { kind: 'unhealthy', why: recovery.why, broker, ...timing() },
  };
}

/** Somebody has stopped it while it was being restarted: it is not started against their will. */
function overruled(
  { problem }: EngineFailure,
  broker: SingleState,
  timing: Pick<RestartOutcome, 'tookMs' | 'answeredMonoMs'>,
): RestartEvent {
  if (isLeftAlone(broker)) return { kind: 'dropped', broker };
  // stopped so hard that it counts as failed
  return { kind: 'restart_ended', outcome: { kind: 'unhealthy', why: problem, broker, ...timing } };
}

/** The engine has finished its call, and is not still working on it behind a lost connection. */
function isAnswered(answer: EngineAnswer<undefined>): boolean {
  return answer.ok || answer.cause === 'engine_error';
}

/** Whole seconds, as the engine expects. */
function stopTimeoutS(broker: BrokerState, { stopTimeoutMs }: Settings): number {
  if (stopTimeoutMs !== undefined) return Math.ceil(stopTimeoutMs / 1_000);
  return (broker.kind === 'container' ? broker.stopTimeoutS : undefined) ?? DEFAULT_STOP_TIMEOUT_S;
}
