/** A service of a Docker Swarm: what the engine says about it, and what follows from that. */

import type { BrokerCondition } from './broker-condition.ts';

/** The labels in which the watchers of all nodes keep their state; each update writes both. */
export const APPLIED_LABEL = 'mosquitto-cert-watcher.fingerprint';
export const HISTORY_LABEL = 'mosquitto-cert-watcher.history';

/** `UpdateStatus.State` in `GET /services/{id}`. */
export const UPDATE_STATES = [
  'updating',
  'paused',
  'completed',
  'rollback_started',
  'rollback_paused',
  'rollback_completed',
] as const;
export type UpdateState = (typeof UPDATE_STATES)[number];

/** The last update of a service, by any client. */
export interface ServiceUpdate {
  readonly state: UpdateState;
  /** milliseconds since the epoch, by the clock of a manager; a roll-back keeps the time of the update before it */
  readonly startedAtMs: number;
  /** in the engine's words */
  readonly message: string;
}

/** A service of a Docker Swarm, from `GET /services/{id}` and `GET /tasks`. */
export interface ServiceState {
  readonly kind: 'service';
  readonly id: string;
  /** at least one of its tasks runs */
  readonly up: boolean;
  /** `running`, or the state of an update that is not complete */
  readonly status: string;
  /** when the oldest of the tasks that should run was created, as text for comparison; empty if there is none */
  readonly startedAt: string;
  /** the same in milliseconds since the epoch; undefined if there is none */
  readonly startedAtMs: number | undefined;
  /** `Version.Index`: an update is accepted only with the index of the state that it is based on */
  readonly version: number;
  /** fingerprint of the set that the service was last updated for; undefined if no watcher ever updated it */
  readonly applied: string | undefined;
  /** beginnings of the fingerprints before it, newest first */
  readonly history: readonly string[];
  readonly update: ServiceUpdate | undefined;
  /** how many tasks should run, do run, and run since the last update */
  readonly desired: number;
  readonly running: number;
  readonly updated: number;
  /** how many the swarm is about to start */
  readonly coming: number;
  /** a task runs, or has ended */
  readonly hasRun: boolean;
}

/** Enough for watchers on nodes that are far behind, and small for a label. */
const KEPT_HISTORY = 8;
/** How many digits of a fingerprint the history keeps. */
const DIGITS = 16;

/** The labels of a service that is updated for this set. */
export function labelsFor(
  { applied, history }: Pick<ServiceState, 'applied' | 'history'>,
  fingerprint: string,
): Readonly<Record<string, string>> {
  const before = applied === undefined ? history : [shortened(applied), ...history];
  const others = before.filter((each) => each !== shortened(fingerprint));
  return {
    [APPLIED_LABEL]: fingerprint,
    [HISTORY_LABEL]: [...new Set(others)].slice(0, KEPT_HISTORY).join(' '),
  };
}

/** The service has moved on from this set: another node has a newer one. */
export function hasLeftBehind({ applied, history }: ServiceState, fingerprint: string): boolean {
  return applied !== fingerprint && history.includes(shortened(fingerprint));
}

function shortened(fingerprint: string): string {
  return fingerprint.slice(0, DIGITS);
}

/**
 * Whether the last update failed after the files had been changed: some watcher most likely made it for them, so it is
 * not made again. A roll-back restores the labels too, so the labels cannot show this.
 */
export function hasFailedSince(service: ServiceState, changedMs: number): boolean {
  return hasFailed(service) && service.update !== undefined && service.update.startedAtMs > changedMs;
}

/** The last update was paused or rolled back, by the engine or by hand. */
function hasFailed({ update }: ServiceState): boolean {
  return update !== undefined && FAILED.has(update.state);
}

const FAILED: ReadonlySet<UpdateState> = new Set([
  'paused',
  'rollback_started',
  'rollback_paused',
  'rollback_completed',
]);

/**
 * The last update has been carried through. Right after it was accepted, the swarm does not report it yet; then the
 * tasks decide, which are still the old ones.
 */
function isCarriedThrough({ update, updated, running, desired }: ServiceState): boolean {
  return update === undefined ? updated >= desired : update.state === 'completed' && updated >= running;
}

/** The service has been updated for this set, and the update has been carried through. */
export function hasTakenUp(service: ServiceState, fingerprint: string): boolean {
  return service.applied === fingerprint && isCarriedThrough(service);
}

/** The update for this set has been carried through, or one for a newer set has taken its place. */
export function isUpdateComplete(service: ServiceState, fingerprint: string): boolean {
  return hasTakenUp(service, fingerprint) || hasLeftBehind(service, fingerprint);
}

/** An update, or its roll-back, is in progress. */
export function isBusy({ update }: ServiceState): boolean {
  return update?.state === 'updating' || update?.state === 'rollback_started';
}

/** The update for this set has been accepted and has not begun. */
export function isAboutToBegin(service: ServiceState, fingerprint: string): boolean {
  const { update, applied } = service;
  return update === undefined && applied === fingerprint && !isCarriedThrough(service);
}

/**
 * Every task that should run was created after this moment, whether it already runs or is being started: it has read
 * the files, or is about to. An update would not change that.
 */
export function areTasksNewer(
  { running, coming, desired, startedAtMs }: ServiceState,
  changedMs: number,
): boolean {
  return desired > 0 && running + coming >= desired && startedAtMs !== undefined && startedAtMs > changedMs;
}

/** Names the condition of a service at one look. A service that is scaled to zero was stopped on purpose. */
export function conditionOfService(service: ServiceState): BrokerCondition {
  const { desired, running, coming, hasRun } = service;
  if (desired === 0) return 'stopped';
  if (running >= desired) return 'well';
  if (isBusy(service)) return 'starting';
  if (running > 0) return 'unhealthy';
  if (!hasRun) return 'stopped';
  return coming > 0 ? 'crash_loop' : 'crashed';
}

/** Healthy while all tasks that should run do run; an update in progress is followed to its end. */
export function healthOfService(service: ServiceState): 'starting' | 'healthy' | 'unhealthy' {
  if (service.running >= service.desired) return 'healthy';
  return isBusy(service) ? 'starting' : 'unhealthy';
}
