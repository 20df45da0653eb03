/** A container of the engine: what the engine says about it, and what follows from that. */

import type { BrokerCondition } from './broker-condition.ts';

/** The container's state, from `GET /containers/{id}/json`. */
export interface ContainerState {
  readonly kind: 'container';
  readonly id: string;
  /** its process exists, even while it is paused; false between two attempts of a restart policy */
  readonly up: boolean;
  /** the engine's own word; {@link phaseOf} says what it means */
  readonly status: string;
  readonly exitCode: number;
  /** why the engine could not start it; empty if it could */
  readonly startError: string;
  /** the kernel has killed a process in it because memory ran out */
  readonly oomKilled: boolean;
  readonly restartPolicy: RestartPolicy;
  /** how often its restart policy has started it since it was last started by hand */
  readonly restartCount: number;
  /** as the engine writes it, for comparison */
  readonly startedAt: string;
  /** milliseconds since the epoch; undefined if it was never started */
  readonly startedAtMs: number | undefined;
  readonly finishedAt: string;
  /** undefined during its first run */
  readonly finishedAtMs: number | undefined;
  /** undefined without a health check */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  /** how long after its start its health check may need to pass or to fail */
  readonly healthNeedsMs: number;
  /** the container's own stop timeout in seconds; undefined: the engine's default */
  readonly stopTimeoutS: number | undefined;
  /** the unit of systemd that Podman's Quadlet runs it in, which expects to start and stop it; undefined: none */
  readonly unit?: string | undefined;
}

/** A full id. Only the engine assigns it, so unlike a name it identifies one container and no later one. */
export const CONTAINER_ID = /^[0-9a-f]{64}$/;

const ID_PREFIX = /^[0-9a-f]{12,64}$/;

/**
 * Whether the container that the engine has found is the one that was meant: by its full name, or by at least the 12
 * digits of its id that every tool shows. If no container has a name, Docker takes the name for the beginning of an id
 * (`GetContainer` in moby's daemon/container.go), however short, and answers with another container.
 */
export function isMeant(meant: string, found: { readonly name: string; readonly id: string }): boolean {
  return ownName(found.name) === meant || (ID_PREFIX.test(meant) && found.id.startsWith(meant));
}

/** The name as its operator knows it: the engine prefixes it with a slash. */
export function ownName(name: string): string {
  return name.replace(/^\//, '');
}

export interface RestartPolicy {
  /** `no`, `always`, `unless-stopped`, `on-failure`, or empty */
  readonly name: string;
  /** of `on-failure`: it gives up after this many attempts; 0: never */
  readonly retries: number;
}

/** What a container is doing, in one word for the many states of the engines. */
export type Phase =
  | 'unstarted'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'stopping'
  | 'ended'
  | 'removing'
  | 'dead';

/**
 * Docker (`StateString` of its daemon/container/state.go) and Podman (libpod/define/containerstate.go). Podman calls a
 * container `initialized` that its runtime has created but not started, and `stopped` one that has ended and has not
 * been cleaned up.
 */
const PHASES: ReadonlyMap<string, Phase> = new Map([
  ['created', 'unstarted'],
  ['configured', 'unstarted'],
  ['initialized', 'unstarted'],
  ['running', 'running'],
  ['paused', 'paused'],
  ['restarting', 'restarting'],
  ['stopping', 'stopping'],
  ['stopped', 'ended'],
  ['exited', 'ended'],
  ['removing', 'removing'],
  ['dead', 'dead'],
]);

/** What the container is doing. For an unknown word, `up` decides. */
export function phaseOf({ status, up }: ContainerState): Phase {
  const phase = PHASES.get(status);
  // Podman 5 does not use Docker's word for a container that is being stopped
  if (phase === 'running' && !up) return 'stopping';
  return phase ?? (up ? 'running' : 'ended');
}

/** A clean exit, or an exit through the SIGTERM or SIGINT of a stop: an init such as tini passes that on as 128 + n. */
const STOP_CODES: readonly number[] = [0, 143, 130];

/**
 * Whether somebody has stopped this container, which has ended. If its restart policy would have started it again, that
 * is the proof, whatever the exit code, because only a manual stop suspends the policy. Otherwise the exit code
 * decides: 137 is a kill, by the kernel or by a stop whose grace period ran out, and counts as a crash.
 */
function wasStopped({
  startedAtMs,
  exitCode,
  oomKilled,
  restartPolicy: { name, retries },
  restartCount,
}: ContainerState): boolean {
  if (startedAtMs === undefined) return true;
  if (name === 'always' || name === 'unless-stopped') return true;
  const hasTriesLeft = retries === 0 || restartCount < retries;
  if (name === 'on-failure' && exitCode !== 0 && hasTriesLeft) return true;
  return !oomKilled && STOP_CODES.includes(exitCode);
}

/** Names the condition of a container at one look; between two attempts of its restart policy it is in a crash loop. */
export function conditionOfContainer(container: ContainerState): BrokerCondition {
  const phase = phaseOf(container);
  switch (phase) {
    case 'running':
      return container.health === 'unhealthy' || container.health === 'starting' ? container.health : 'well';
    case 'restarting':
      return 'crash_loop';
    case 'unstarted':
      return container.startError === '' ? 'stopped' : 'crashed';
    case 'ended':
      return container.startError === '' && wasStopped(container) ? 'stopped' : 'crashed';
    default:
      return phase;
  }
}

/** One look at a broker whose restart was requested. */
export type Comeback =
  /** up, and healthy where it has a health check */
  | { readonly kind: 'up' }
  /** started again, but not yet proved to be well: its health check, or the end of a pause, is still to come */
  | { readonly kind: 'unproven'; readonly why: string }
  /** may still come up: keep looking */
  | { readonly kind: 'waiting'; readonly why: string }
  /** does not run, and the engine has not started it again */
  | { readonly kind: 'not_started'; readonly why: string }
  /** will not come up without help */
  | { readonly kind: 'down'; readonly why: string };

/** Judges how far a broker has recovered since it was seen as `before`. */
export function judgeRecovery(before: Pick<ContainerState, 'startedAt'>, now: ContainerState): Comeback {
  const condition = conditionOfContainer(now);
  if (now.startedAt === before.startedAt) {
    const phase = phaseOf(now);
    const isDown = phase === 'ended' || phase === 'unstarted' || phase === 'dead';
    return { kind: isDown ? 'not_started' : 'waiting', why: 'the engine has not started it again' };
  }
  switch (condition) {
    case 'well':
      return { kind: 'up' };
    case 'starting':
    case 'unhealthy':
      return { kind: 'unproven', why: `its health check says ${condition}` };
    case 'paused':
      return { kind: 'unproven', why: 'it is paused' };
    case 'crash_loop':
      return {
        kind: 'waiting',
        why: `it exited with code ${now.exitCode} and its restart policy starts it again`,
      };
    case 'stopping':
    case 'removing':
      return { kind: 'waiting', why: `it is ${condition}` };
    default:
      return { kind: 'down', why: endOf(now) };
  }
}

function endOf({ startError, startedAtMs, exitCode }: ContainerState): string {
  if (startError !== '') return `it could not be started: ${startError}`;
  if (startedAtMs === undefined) return 'it was not started';
  return `it exited with code ${exitCode} after its start`;
}
