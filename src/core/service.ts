/** A service of a Docker Swarm: what the engine says of it, and what may be concluded from it. */

/** The labels in which the watchers of all nodes remember; each update writes both. */
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

/** The last update of a service, whoever asked for it. */
export interface ServiceUpdate {
  readonly state: UpdateState;
  /** milliseconds since the epoch, by the clock of a manager; a roll-back keeps that of the update before it */
  readonly startedAtMs: number;
  /** in the engine's words */
  readonly message: string;
}

export interface ServiceState {
  /** `Version.Index`: an update is only taken with the index of the state that it was made of */
  readonly version: number;
  /** fingerprint of the set that the service was updated for; undefined if a watcher never did */
  readonly applied: string | undefined;
  /** beginnings of the fingerprints before it, newest first */
  readonly history: readonly string[];
  readonly update: ServiceUpdate | undefined;
  /** how many tasks should run, do run, and run since the last update */
  readonly desired: number;
  readonly running: number;
  readonly updated: number;
  /** when the oldest of the running tasks was made, milliseconds since the epoch */
  readonly oldestTaskMs: number | undefined;
}

/** Enough for the watchers of nodes that are far behind, and little for a label. */
const KEPT_HISTORY = 8;
/** As much of a fingerprint as stands in the history. */
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

/** The service has left this set behind: another node has a newer one. */
export function hasLeftBehind({ applied, history }: ServiceState, fingerprint: string): boolean {
  return applied !== fingerprint && history.includes(shortened(fingerprint));
}

function shortened(fingerprint: string): string {
  return fingerprint.slice(0, DIGITS);
}

/**
 * Whether the last update failed after the files had been changed: it was most likely made for them, by whichever
 * watcher, so it is not made again. A roll-back takes the labels back too, so they do not tell.
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
 * The last update has been carried through. Right after it was taken the swarm tells nothing of it yet; then the tasks
 * tell, which are still those from before.
 */
function isCarriedThrough({ update, updated, running, desired }: ServiceState): boolean {
  return update === undefined ? updated >= desired : update.state === 'completed' && updated >= running;
}

/** The service has been updated for this set, and the update has been carried through. */
export function hasTakenUp(service: ServiceState, fingerprint: string): boolean {
  return service.applied === fingerprint && isCarriedThrough(service);
}

/** An update, or its roll-back, is on its way. */
export function isBusy({ update }: ServiceState): boolean {
  return update?.state === 'updating' || update?.state === 'rollback_started';
}

/** The update for this set has been taken and has not begun. */
export function isAboutToBegin(service: ServiceState, fingerprint: string): boolean {
  const { update, applied } = service;
  return update === undefined && applied === fingerprint && !isCarriedThrough(service);
}

/** Every task that should run does, and has been started after this moment, so that it has read the files. */
export function runsSince({ running, desired, oldestTaskMs }: ServiceState, changedMs: number): boolean {
  return desired > 0 && running >= desired && oldestTaskMs !== undefined && oldestTaskMs > changedMs;
}
