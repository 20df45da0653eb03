/** What a broker has loaded, and whose doing its state is, as far as its start and the memory of it show. */

import { type BrokerState, startedAfter } from '../model/broker.ts';
import type { CertificateSet, Moment } from '../model/files.ts';
import { areTasksNewer, hasTakenUp, type ServiceState } from '../model/service.ts';
import { type BrokerMemory, hasSet } from './memory.ts';

/**
 * Whether this broker has loaded this set. If it was started after the last change of the files, it has, whoever
 * started it. If more is known than these times, a start in the future is no evidence: a clock that has been set back
 * says nothing about the order. Neither is the start that loaded another set.
 */
export function hasLoaded(
  broker: BrokerState,
  files: CertificateSet,
  memory: BrokerMemory,
  now: Moment,
): boolean {
  if (broker.kind === 'service') return isAppliedTo(broker, files);
  const { applied } = memory;
  const isStartedAfter = startedAfter(broker, files.newestCtimeMs);
  if (applied === undefined) return isStartedAfter;
  const isSameStart = broker.startedAt === applied.startedAt;
  const isEvident = isStartedAfter && !startedAfter(broker, now.wallMs);
  if (hasSet(applied, files)) return isSameStart || isEvident || hasKept(broker, memory, now);
  return isEvident && !isSameStart;
}

/** The service was updated for this set, or all its tasks were created after the files, by anybody. */
function isAppliedTo(service: ServiceState, { fingerprint, newestCtimeMs }: CertificateSet): boolean {
  return hasTakenUp(service, fingerprint) || areTasksNewer(service, newestCtimeMs);
}

/** Our own failed restart has stopped it, and nobody has started it since. */
export function isLeftByUs(broker: BrokerState, { stoppedByUs }: BrokerMemory): boolean {
  if (broker.kind === 'service' || broker.up) return false;
  return stoppedByUs !== undefined && broker.finishedAt === stoppedByUs;
}

/**
 * Whether the broker still runs with what is remembered of its sets: by the start that has loaded them, or by one from
 * before anything else lay on disk.
 */
export function isRemembered(broker: BrokerState, memory: BrokerMemory, now: Moment): boolean {
  if (memory.applied === undefined) return false;
  return broker.startedAt === memory.applied.startedAt || hasKept(broker, memory, now);
}

/** The set is back after another one was on disk, and the broker has been running with it since before that. */
function hasKept(broker: BrokerState, { divergedAtMs }: BrokerMemory, now: Moment): boolean {
  return divergedAtMs === undefined || (divergedAtMs <= now.wallMs && !startedAfter(broker, divergedAtMs));
}
