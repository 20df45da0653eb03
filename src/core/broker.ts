/** What the container engine says of the broker, and what may be concluded from it. */

import type { ServiceState } from './service.ts';

/** Every way in which a call to the engine fails. */
export const ENGINE_CAUSES = [
  'socket_missing',
  'not_a_socket',
  'connection_refused',
  'permission_denied',
  'unreachable',
  'container_missing',
  'call_refused',
  'engine_error',
  'timeout',
  'connection_lost',
  'bad_answer',
  'not_a_manager',
  'service_missing',
  'out_of_sequence',
] as const;
export type EngineCause = (typeof ENGINE_CAUSES)[number];

export interface EngineFailure {
  readonly ok: false;
  readonly cause: EngineCause;
  /** one line: what failed on which object and why */
  readonly problem: string;
  readonly hint: string;
  /** the engine may have done what it was asked to although it did not say so */
  readonly mayHaveHappened: boolean;
}

export type EngineAnswer<T> = { readonly ok: true; readonly value: T } | EngineFailure;

/** The container's state, from `GET /containers/{id}/json`. */
export interface BrokerState {
  readonly id: string;
  /** the process runs; false between two attempts of a restart policy */
  readonly up: boolean;
  /** the engine's own word: `created`, `running`, `paused`, `restarting`, `exited`, `dead` */
  readonly status: string;
  readonly exitCode: number;
  /** as the engine writes it, for comparing */
  readonly startedAt: string;
  /** milliseconds since the epoch; undefined if it was never started */
  readonly startedAtMs: number | undefined;
  readonly finishedAt: string;
  /** undefined while its first run lasts */
  readonly finishedAtMs: number | undefined;
  /** undefined without a health check */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  /** the container's own stop timeout in seconds; undefined: the engine's default */
  readonly stopTimeoutS: number | undefined;
  /** present where the broker is a service of a Docker Swarm */
  readonly service?: ServiceState;
}

/**
 * Whether the broker has started after the last change of any file of the set, so that it has read it
 * already. It does not matter who started it, nor whether it still runs.
 */
export function startedAfter(broker: BrokerState, newestCtimeMs: number): boolean {
  return broker.startedAtMs !== undefined && broker.startedAtMs > newestCtimeMs;
}

/** Stopped on purpose (exit code 0) or never started: it will read the files when it is started. */
export function isLeftStopped(broker: BrokerState): boolean {
  if (broker.up || broker.status === 'restarting') return false;
  return broker.startedAtMs === undefined || broker.exitCode === 0;
}

/** How a broker is, for people. */
export type BrokerCondition = 'well' | 'starting' | 'stopped' | 'crashed' | 'crash_loop' | 'unhealthy';

/** Names the condition of a broker at one look; between two attempts of its restart policy it is in a crash loop. */
export function conditionOf(broker: BrokerState): BrokerCondition {
  if (broker.status === 'restarting') return 'crash_loop';
  if (!broker.up) return isLeftStopped(broker) ? 'stopped' : 'crashed';
  if (broker.health === 'unhealthy' || broker.health === 'starting') return broker.health;
  return 'well';
}

/** A broker that dies of its configuration runs for a moment at each attempt, but not for this long. */
const STEADY_MS = 10_000;

/** Whether the broker is well, and has been running for long enough to believe it, by the wall clock. */
export function isSteady(broker: BrokerState, wallMs: number): boolean {
  return conditionOf(broker) === 'well' && wallMs - (broker.startedAtMs ?? wallMs) >= STEADY_MS;
}

/** One look at a broker that has been told to restart. */
export type Recovery =
  /** up, and healthy where it has a health check */
  | { readonly kind: 'up' }
  /** may still come: keep looking */
  | { readonly kind: 'waiting'; readonly why: string }
  /** will not come by itself */
  | { readonly kind: 'down'; readonly why: string };

/** Judges how far a broker has come back since it was seen as `before`. */
export function judgeRecovery(before: BrokerState, now: BrokerState): Recovery {
  if (now.startedAt === before.startedAt) {
    return { kind: 'waiting', why: 'the engine has not started it again' };
  }
  if (now.status === 'restarting') {
    return {
      kind: 'waiting',
      why: `it exited with code ${now.exitCode} and its restart policy starts it again`,
    };
  }
  if (!now.up) return { kind: 'down', why: `it exited with code ${now.exitCode} after its start` };
  if (now.health !== undefined && now.health !== 'healthy') {
    return { kind: 'waiting', why: `its health check says ${now.health}` };
  }
  return { kind: 'up' };
}

/** How a restart ended. */
export type RestartOutcome = RestartEnd & {
  /** from the call to the end of the verification */
  readonly tookMs: number;
  /** monotonic milliseconds at which the engine answered, or was given up on; the cooldown counts from here */
  readonly answeredMonoMs: number;
};

type RestartEnd =
  /** started again and stayed up */
  | { readonly kind: 'verified'; readonly broker: BrokerState }
  /** the engine did it, but the broker is not well */
  | { readonly kind: 'unhealthy'; readonly why: string; readonly broker: BrokerState | undefined }
  /** nobody knows whether the engine did it */
  | { readonly kind: 'uncertain'; readonly failure: EngineFailure; readonly broker: BrokerState | undefined }
  /** it certainly did not happen */
  | { readonly kind: 'not_done'; readonly failure: EngineFailure };
