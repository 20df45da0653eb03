/** A broker of any kind: what the engine says about it, and what follows from that. */

import type { BrokerCondition } from './broker-condition.ts';
import { type Comeback, type ContainerState, conditionOfContainer, judgeRecovery } from './container.ts';
import { conditionOfService, healthOfService, type ServiceState } from './service.ts';
import { conditionOfUnit, judgeUnitRecovery, type UnitState } from './unit.ts';

/** Every way in which a call to the engine, or to systemd, fails. */
export const ENGINE_CAUSES = [
  'socket_missing',
  'not_a_socket',
  'connection_refused',
  'permission_denied',
  'unreachable',
  'tls_failed',
  'container_missing',
  'call_refused',
  'engine_error',
  'timeout',
  'connection_lost',
  'bad_answer',
  'not_a_manager',
  'service_missing',
  'out_of_sequence',
  'unit_missing',
  'systemctl_missing',
] as const;
export type EngineCause = (typeof ENGINE_CAUSES)[number];

export interface EngineFailure {
  readonly ok: false;
  readonly cause: EngineCause;
  /** one line: what failed on which object and why */
  readonly problem: string;
  readonly hint: string;
  /** the engine may have done what it was asked to, although it did not confirm it */
  readonly mayHaveHappened: boolean;
  /** somebody else has revoked the call: the broker is in the state that they want */
  readonly overruled?: true;
}

export type EngineAnswer<T> = { readonly ok: true; readonly value: T } | EngineFailure;

/** A broker as it was seen at one look. */
export type BrokerState = SingleState | ServiceState;

/** A broker that is one process, which was started at one moment, and not the tasks of a swarm. */
export type SingleState = ContainerState | UnitState;

/**
 * Whether the broker was started after the last change of any file of the set, so that it has already read it. It does
 * not matter who started it, nor whether it still runs.
 */
export function startedAfter(broker: BrokerState, newestCtimeMs: number): boolean {
  return broker.startedAtMs !== undefined && broker.startedAtMs > newestCtimeMs;
}

/** Names the condition of a broker at one look. */
export function conditionOf(broker: BrokerState): BrokerCondition {
  switch (broker.kind) {
    case 'container':
      return conditionOfContainer(broker);
    case 'service':
      return conditionOfService(broker);
    case 'unit':
      return conditionOfUnit(broker);
  }
}

/** Conditions that somebody else has caused and will end: no rotation restarts such a broker. */
const LEFT_ALONE: readonly BrokerCondition[] = ['paused', 'stopping', 'stopped', 'removing', 'dead'];

/**
 * Stopped on purpose, paused, never started or being removed: somebody did that deliberately, so the broker is left
 * alone. A service of which no task runs is left to its swarm, as long as the swarm is about to start some, and a unit
 * that systemd is starting to systemd: a restart would begin that again.
 */
export function isLeftAlone(broker: BrokerState): boolean {
  const condition = conditionOf(broker);
  if (broker.kind === 'service' && condition === 'crash_loop') return true;
  if (broker.kind === 'unit' && condition === 'starting') return true;
  return LEFT_ALONE.includes(condition);
}

/** What its health check reports; for a service, whether all its tasks run. Undefined without a health check. */
export function healthOf(broker: BrokerState): ContainerState['health'] {
  if (broker.kind === 'unit') return undefined;
  return broker.kind === 'container' ? broker.health : healthOfService(broker);
}

/** Judges how far a broker has recovered since it was seen as `before`. */
export function comebackOf(before: Pick<SingleState, 'startedAt'>, now: SingleState): Comeback {
  return now.kind === 'container' ? judgeRecovery(before, now) : judgeUnitRecovery(before, now);
}

/** Its health check has reported nothing for longer than it may need, by the wall clock. */
export function isOverdue(broker: BrokerState, wallMs: number): boolean {
  if (broker.kind !== 'container') return false;
  return conditionOf(broker) === 'starting' && wallMs - (broker.startedAtMs ?? wallMs) > broker.healthNeedsMs;
}

/** A broker that dies of its configuration runs for a moment at each attempt, but not for this long. */
const STEADY_MS = 10_000;

/** Whether the broker is well, and has been running long enough for that to count, by the wall clock. */
export function isSteady(broker: BrokerState, wallMs: number): boolean {
  return conditionOf(broker) === 'well' && wallMs - (broker.startedAtMs ?? wallMs) >= STEADY_MS;
}

/** How a restart ended. */
export type RestartOutcome = RestartEnd & {
  /** from the call to the end of the verification */
  readonly tookMs: number;
  /** monotonic milliseconds at which the engine answered or the call timed out; the cooldown counts from here */
  readonly answeredMonoMs: number;
};

type RestartEnd =
  /** started again and stayed up */
  | { readonly kind: 'verified'; readonly broker: BrokerState }
  /** the engine has restarted it, but the broker is not well */
  | { readonly kind: 'unhealthy'; readonly why: string; readonly broker: BrokerState | undefined }
  /** it may have happened but was not observed, or the engine has failed halfway through */
  | { readonly kind: 'uncertain'; readonly failure: EngineFailure; readonly broker: BrokerState | undefined }
  /** it certainly did not happen */
  | { readonly kind: 'not_done'; readonly failure: EngineFailure };

/** A restart that has brought the broker up, but not yet proved that it is well. */
export interface BrokerUp {
  readonly kind: 'up';
  readonly broker: ContainerState;
  /** monotonic milliseconds of the call */
  readonly calledMonoMs: number;
  /** see {@link RestartOutcome} */
  readonly answeredMonoMs: number;
}
