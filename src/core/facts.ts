/** What follows from an observation and the memory before any verdict: windows, doubts, answers. */

import { type BrokerState, type EngineAnswer, isSteady, startedAfter } from './broker.ts';
import type { Memory } from './memory.ts';
import type { CertificateSet, FilesObservation, Moment } from './observation.ts';
import { holdOf, type ProbeFailure, type ProbeVerdict } from './probe.ts';
import { hasTakenUp, runsSince, type ServiceState } from './service.ts';
import type { Settings } from './settings.ts';

/** Everything that a decision rests on. `memory` has already taken in `files` and the engine's answer. */
export interface View {
  readonly now: Moment;
  readonly files: FilesObservation;
  readonly memory: Memory;
  /** with the one broker that this is about as `container` */
  readonly settings: Settings;
}

/** A view whose files are a readable set, with what follows from it. Times are monotonic milliseconds. */
export interface SetFacts extends View {
  readonly files: CertificateSet;
  /** when the files will have been unchanged for the stability window */
  readonly stableAtMonoMs: number;
  readonly isStable: boolean;
  /** when this host's share of RESTART_SPLAY, counted from the end of the stability window, has passed */
  readonly splayedAtMonoMs: number;
  /** when the cooldown ends */
  readonly readyAtMonoMs: number;
  /** not the set that the broker is known to have */
  readonly isChanged: boolean;
  /** the engine's answer about the broker, if it was asked about this very set */
  readonly broker: EngineAnswer<BrokerState> | undefined;
  /** the same, where the broker is a service of a swarm and the engine has answered */
  readonly service: ServiceState | undefined;
  /** the broker has loaded this set, and is not down through our fault, by what the engine says or else by what is remembered */
  readonly isLoaded: boolean;
  /** it does not run because our own failed restart has stopped it, whatever it had loaded */
  readonly isOursToStart: boolean;
  /** the probe has not come as far as comparing key and certificate of this set */
  readonly isPairUnknown: boolean;
  /** the probe's last verdict on this very set */
  readonly verdict: ProbeVerdict | undefined;
  /** the failure of the probe for which the gate holds a restart */
  readonly holding: ProbeFailure | undefined;
}

/** The facts about a readable set. */
export function factsOf(view: View, files: CertificateSet): SetFacts {
  const { now, memory, settings } = view;
  const stableAtMonoMs = quietSince(view) + settings.stabilityWindowMs;
  const isChanged = memory.applied?.fingerprint !== files.fingerprint;
  const broker = memory.broker?.identity === files.identity ? memory.broker.answer : undefined;
  const probe = memory.probe?.identity === files.identity ? memory.probe : undefined;
  const isOursToStart = broker?.ok === true && isLeftByUs(broker.value, memory);
  return {
    ...view,
    files,
    stableAtMonoMs,
    isStable: stableAtMonoMs <= now.monoMs,
    splayedAtMonoMs: splayEnd(view, stableAtMonoMs),
    readyAtMonoMs: cooldownEnd(view),
    isChanged,
    broker,
    service: broker?.ok === true ? broker.value.service : undefined,
    isLoaded:
      broker?.ok === true
        ? !isOursToStart && hasLoaded(broker.value, files, memory, now)
        : !isChanged && memory.stoppedByUs === undefined,
    isOursToStart,
    isPairUnknown: settings.probeEnabled && probe?.filesPassed !== true,
    verdict: probe?.verdict,
    holding: probe && holdOf(settings.probeGate, probe),
  };
}

/** Now, if there has been no restart. */
function cooldownEnd({ now, memory, settings }: View): number {
  const last = memory.lastRestartMonoMs ?? memory.predecessor?.monoMs;
  return last === undefined ? now.monoMs : last + settings.cooldownMs;
}

/** However long the splay, the broker is restarted this long before its old certificate expires. */
const SPLAY_MARGIN_MS = 600_000;

/** Where nobody knows when the old certificate expires, there is no time to lose: no splay. */
function splayEnd({ now, memory, settings }: View, stableAtMonoMs: number): number {
  const notAfterMs = memory.applied?.notAfterMs;
  if (notAfterMs === undefined) return stableAtMonoMs;
  const latestMonoMs = now.monoMs + (notAfterMs - SPLAY_MARGIN_MS - now.wallMs);
  return Math.max(stableAtMonoMs, Math.min(stableAtMonoMs + settings.splayMs, latestMonoMs));
}

/** Monotonic milliseconds since when the files have been seen as they are. */
export function quietSince({ memory, now }: View): number {
  return memory.sighting?.sinceMonoMs ?? now.monoMs;
}

/**
 * Whether the engine has to be asked about the broker before a decision: a valid, stable set that the
 * broker may not have loaded, and no failure of the engine that is still to be waited out.
 */
export function brokerIsInQuestion(view: View): boolean {
  const { now, files, memory } = view;
  if (files.kind !== 'complete') return false;
  const { isStable, isChanged } = factsOf(view, files);
  const isValid = files.leaf.notBeforeMs <= now.wallMs && now.wallMs < files.leaf.notAfterMs;
  const inDoubt = isChanged || memory.strayedAtMs !== undefined || memory.stoppedByUs !== undefined;
  if (!isValid || !isStable || !inDoubt) return false;
  const last = memory.broker;
  return last === undefined || last.identity !== files.identity || now.monoMs >= last.askAgainMonoMs;
}

/** A broker that runs well is looked at this often for those who look at us, any other more often. */
const GLANCE_MS = 60_000;
const CLOSER_GLANCE_MS = 10_000;

/** Whether the broker should be looked at again although no decision hangs on it: where somebody is shown it. */
export function isDueForGlance({ now, memory, settings }: View): boolean {
  if (!settings.metricsEnabled) return false;
  if (memory.glance === undefined) return true;
  const { answer, at } = memory.glance;
  const isCalm = answer.ok && isSteady(answer.value, at.wallMs);
  return now.monoMs >= at.monoMs + (isCalm ? GLANCE_MS : CLOSER_GLANCE_MS);
}

/**
 * Whether this broker has loaded this set. A start after the last change of the files has, whoever made it. Where
 * more is known than these times, a start in the future is no evidence: a clock that has been set back since says
 * nothing about the order. Nor is the start that has loaded another set.
 */
function hasLoaded(broker: BrokerState, files: CertificateSet, memory: Memory, now: Moment): boolean {
  const { service } = broker;
  if (service !== undefined) return isAppliedTo(service, files);
  const { applied } = memory;
  const isStartedAfter = startedAfter(broker, files.newestCtimeMs);
  if (applied === undefined) return isStartedAfter;
  const isSameStart = broker.startedAt === applied.startedAt;
  const isEvident = isStartedAfter && !startedAfter(broker, now.wallMs);
  if (applied.fingerprint === files.fingerprint)
    return isSameStart || isEvident || hasKept(broker, memory, now);
  return isEvident && !isSameStart;
}

/** The service was updated for this set, or all its tasks were made after the files, by whomever. */
function isAppliedTo(service: ServiceState, { fingerprint, newestCtimeMs }: CertificateSet): boolean {
  return hasTakenUp(service, fingerprint) || runsSince(service, newestCtimeMs);
}

/** Our own failed restart has stopped it, and nobody has started it since. */
function isLeftByUs(broker: BrokerState, { stoppedByUs }: Memory): boolean {
  return !broker.up && stoppedByUs !== undefined && broker.finishedAt === stoppedByUs;
}

/** The set is back after an excursion, and the broker has been running with it since before that. */
function hasKept(broker: BrokerState, { strayedAtMs }: Memory, now: Moment): boolean {
  return strayedAtMs === undefined || (strayedAtMs <= now.wallMs && !startedAfter(broker, strayedAtMs));
}
