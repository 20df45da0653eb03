/** Judgements of a service of a Docker Swarm: how far an update has progressed, and whether another one would help. */

import {
  hasLeftBehind,
  isAboutToBegin,
  isBusy,
  isUpdateComplete,
  type ServiceState,
} from '../model/service.ts';
import type { Statement } from '../news/condition.ts';
import type { SetSituation } from '../situation.ts';
import type { Verdict } from './verdict.ts';

/** An update of a service proceeds without the watcher; it is looked at this often. */
const UPDATE_LOOK_MS = 1_000;

export function serviceUpdating(situation: SetSituation): Verdict | undefined {
  const { now, name, service, files } = situation;
  if (service === undefined) return updateOutOfSight(situation);
  if (!isBusy(service) && !isAboutToBegin(service, files.fingerprint)) return undefined;
  const { updated, desired, update, applied } = service;
  const isBack = update?.state === 'rollback_started';
  const message = isBack
    ? `${name} is being rolled back: ${update?.message}`
    : applied === files.fingerprint
      ? `${updated} of ${desired} tasks of ${name} run with the new certificates`
      : `another update of ${name} is under way (${updated} of ${desired} tasks); waiting for it`;
  const updating: Statement = {
    event: 'service_updating',
    subject: `${applied} ${isBack ? 'back' : 'forth'} ${updated}`,
    details: { container: name, fingerprint: files.fingerprint, updated, desired },
    message,
  };
  return {
    sentence: message,
    conditions: [updating],
    pending: true,
    untilMonoMs: now.monoMs + UPDATE_LOOK_MS,
  };
}

/**
 * The engine cannot report the progress of the update that this watcher requested: the swarm continues it all the same.
 */
function updateOutOfSight({ name, broker, memory, files }: SetSituation): Verdict | undefined {
  if (broker === undefined || broker.ok || memory.updating?.set.fingerprint !== files.fingerprint)
    return undefined;
  const { cause, problem, hint } = broker;
  const unseen: Statement = {
    event: 'service_updating',
    subject: `out of sight ${cause}`,
    details: { container: name, fingerprint: files.fingerprint, cause, error: problem },
    message: `the update of ${name} cannot be followed at present: ${problem}; the swarm continues it`,
    hint,
  };
  return {
    sentence: unseen.message,
    conditions: [unseen],
    pending: true,
    untilMonoMs: memory.standing?.askAgainMonoMs,
  };
}

/** The update that this watcher requested has ended; the files on disk may be different by now. */
export function serviceUpdated(situation: SetSituation): Verdict | undefined {
  const { now, broker, name, service, memory } = situation;
  const { updating } = memory;
  if (broker?.ok !== true || service === undefined || updating === undefined) return undefined;
  const { set, atMonoMs } = updating;
  const timing = { tookMs: now.monoMs - atMonoMs, answeredMonoMs: atMonoMs };
  const { running, desired, update } = service;
  if (areTasksComing(situation, service)) return tasksComing(situation, service);
  const isCarriedThrough = isUpdateComplete(service, set.fingerprint);
  // with the failure action `continue`, an update whose tasks have all died is complete, too
  const isWell = isCarriedThrough && running >= desired;
  const said = `its update has stopped: ${update?.message ?? 'the swarm reports no update'}`;
  const why = isCarriedThrough ? `${running} of ${desired} tasks run after its update` : said;
  return {
    sentence: isWell ? `the update of ${name} is complete` : why,
    step: {
      kind: 'conclude',
      container: name,
      set,
      outcome: isWell
        ? { kind: 'verified', broker: broker.value, ...timing }
        : { kind: 'unhealthy', why, broker: broker.value, ...timing },
    },
  };
}

/**
 * The update is complete, and the swarm is still starting a task: one whose node is lost is started again elsewhere, or
 * on its node once that is back. With the failure action `continue`, a task that dies is started again without end.
 */
function areTasksComing({ now, memory, settings }: SetSituation, service: ServiceState): boolean {
  const { running, coming, desired } = service;
  const sinceMonoMs = memory.updating?.completeMonoMs;
  if (sinceMonoMs === undefined || running >= desired || running + coming < desired) return false;
  return now.monoMs < sinceMonoMs + settings.verifyTimeoutMs;
}

function tasksComing({ now, name, memory }: SetSituation, { running, desired }: ServiceState): Verdict {
  const message = `${running} of ${desired} tasks of ${name} run after its update; the swarm is starting the others`;
  const fingerprint = memory.updating?.set.fingerprint;
  const coming: Statement = {
    event: 'service_updating',
    subject: `coming ${running}`,
    details: { container: name, fingerprint, updated: running, desired },
    message,
  };
  return {
    sentence: message,
    conditions: [coming],
    pending: true,
    untilMonoMs: now.monoMs + UPDATE_LOOK_MS,
  };
}

/** No node updates a service again for a set with which its last update has failed. */
export function serviceUpdateFailed({
  service,
  files,
  name,
  memory,
  isLoaded,
}: SetSituation): Verdict | undefined {
  const { failedUpdate } = memory;
  if (service === undefined || isLoaded || failedUpdate?.fingerprint !== files.fingerprint) return undefined;
  const { state, startedAtMs, message } = failedUpdate.update;
  const what = state === 'paused' ? 'is paused' : 'was rolled back';
  const failed: Statement = {
    event: 'broker_unhealthy',
    subject: `${files.fingerprint} ${state} ${startedAtMs}`,
    details: { container: name, fingerprint: files.fingerprint, error: message, status: state },
    message: `the last update of ${name} ${what}: ${message}; it is not updated again for this set`,
    hint: `see docker service ps ${name}; fix the cause and update it by hand (docker service update --force ${name})`,
  };
  return { sentence: failed.message, conditions: [failed], pending: true };
}

/** The service runs with a set that this node has never had, and had ours before it: our files are behind. */
export function setOutdated({ name, service, files, site }: SetSituation): Verdict | undefined {
  if (service?.applied === undefined || !hasLeftBehind(service, files.fingerprint)) return undefined;
  if (site.seen.includes(service.applied)) return undefined;
  const outdated: Statement = {
    event: 'set_outdated',
    subject: `${files.fingerprint} ${service.applied}`,
    details: { container: name, fingerprint: files.fingerprint, applied_fingerprint: service.applied },
    message: `${name} has newer certificates than this node has on disk; the service is not set back`,
    hint: 'find out why the agent has not delivered the new certificates to this node',
  };
  return { sentence: outdated.message, conditions: [outdated] };
}
