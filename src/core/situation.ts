/** What follows from an observation and the memory before any verdict: windows, unknowns, answers. */

import { hasLoaded, isLeftByUs } from './memory/evidence.ts';
import { type BrokerMemory, hasSet, type SiteMemory } from './memory/memory.ts';
import { isPresented, isPresentedSet } from './memory/presented.ts';
import { splayEnd } from './memory/splay.ts';
import { START_LOOK_MS } from './memory/start.ts';
import type { BrokerState, EngineAnswer } from './model/broker.ts';
import {
  type CertificateSet,
  type FilesObservation,
  type Moment,
  markOf,
  type NamedSet,
  NO_SET,
} from './model/files.ts';
import { isLive, type LiveDirectory } from './model/live.ts';
import { holdOf, type ProbeFailure, type ProbeVerdict, setCannotWork } from './model/probe.ts';
import type { ServiceState } from './model/service.ts';
import type { Settings } from './model/settings.ts';

/** Everything that a decision is based on. `memory` already includes `files` and the engine's answer. */
export interface Situation {
  readonly now: Moment;
  readonly files: FilesObservation;
  readonly site: SiteMemory;
  /** of the broker that this is about */
  readonly name: string;
  readonly memory: BrokerMemory;
  readonly settings: Settings;
  /** `files` is the live set of a two-phase rotation, which was accepted before it was promoted */
  readonly isAccepted?: true;
  /** the name of the one of several sets that this is about */
  readonly set?: string;
}

/** Why no other broker may be restarted now. */
export interface PeerProblem {
  readonly container: string;
  /** continues its name: `does not run` */
  readonly problem: string;
  readonly hint: string;
  /** it will pass within moments: not worth reporting */
  readonly isPassing?: boolean;
}

/** With several brokers: how far the roll over them has progressed, and what blocks another restart. */
export interface Peers {
  /** brokers that have the set, or wait for nothing */
  readonly done: readonly string[];
  readonly notDone: readonly string[];
  /** of the set on disk */
  readonly fingerprint: string | undefined;
  readonly problem: PeerProblem | undefined;
}

/** A situation in which the files are a readable set, with what follows from it. Times are monotonic milliseconds. */
export interface SetSituation extends Situation {
  /** undefined: this broker is the only one, or the others have not been considered yet */
  readonly peers: Peers | undefined;
  readonly files: CertificateSet;
  /** when the files will have been unchanged for the stability window */
  readonly stableAtMonoMs: number;
  readonly isStable: boolean;
  /** the operator has exempted this set from RESTART_WINDOW and RESTART_SPLAY */
  readonly isWaived: boolean;
  /**
   * when this host's share of RESTART_SPLAY has passed, counted from the end of the stability window or the opening of
   * RESTART_WINDOW
   */
  readonly splayedAtMonoMs: number;
  /** when the cooldown ends */
  readonly readyAtMonoMs: number;
  /** a set that the broker does not see until it is promoted */
  readonly isToBePromoted: boolean;
  /** not the set that the broker is known to have */
  readonly isChanged: boolean;
  /** the engine's answer about the broker, if it was asked about this very set */
  readonly broker: EngineAnswer<BrokerState> | undefined;
  /** the same, where the broker is a service of a swarm and the engine has answered */
  readonly service: ServiceState | undefined;
  /**
   * the broker has loaded this set, and is not down through our fault, according to the engine or else to the memory
   */
  readonly isLoaded: boolean;
  /** it does not run because our own failed restart has stopped it, whichever set it had loaded */
  readonly isOursToStart: boolean;
  /** the probe has not got as far as comparing key and certificate of this set */
  readonly isPairUnknown: boolean;
  /** the probe's last verdict on exactly this set */
  readonly verdict: ProbeVerdict | undefined;
  /** the failure of the probe for which the gate holds a restart */
  readonly holding: ProbeFailure | undefined;
}

/** What follows from a readable set, with the other brokers considered if they are given. */
export function setSituation(situation: Situation, files: CertificateSet, peers?: Peers): SetSituation {
  const { now, site, memory, settings, isAccepted = false } = situation;
  const live = site.live?.seen;
  const isToBePromoted = !isAccepted && live !== undefined && !isLive(live, files);
  const stableAtMonoMs = stableAt(situation);
  const isChanged = isToBePromoted || !hasSet(memory.applied, files);
  const broker = memory.standing?.identity === files.identity ? memory.standing.answer : undefined;
  const probe = !isAccepted && site.probe?.identity === files.identity ? site.probe : undefined;
  const isWaived = site.waived === files.fingerprint;
  const isOursToStart = broker?.ok === true && isLeftByUs(broker.value, memory);
  return {
    ...situation,
    files,
    peers,
    stableAtMonoMs,
    isStable: stableAtMonoMs <= now.monoMs,
    isWaived,
    splayedAtMonoMs: isAccepted || isWaived ? stableAtMonoMs : splayEnd(situation, stableAtMonoMs),
    readyAtMonoMs:
      isAccepted && startsAtOnce(situation) && broker?.ok === true && !broker.value.up
        ? now.monoMs
        : cooldownEnd(situation),
    isToBePromoted,
    isChanged,
    broker,
    service: broker?.ok === true && broker.value.kind === 'service' ? broker.value : undefined,
    isLoaded: isToBePromoted
      ? false
      : broker?.ok === true
        ? !isOursToStart && hasLoadedAll({ ...situation, files }, broker.value, asBrokerSees(files, live))
        : !isChanged && memory.stoppedByUs === undefined,
    isOursToStart,
    isPairUnknown: !isAccepted && settings.probeEnabled && probe?.filesPassed !== true,
    verdict: probe?.verdict,
    holding: probe && files.sets === undefined ? holdOf(settings.probeGate, probe) : undefined,
  };
}

/** The live set of a two-phase rotation was not there before it was promoted, however old the agent's files are. */
function asBrokerSees(files: CertificateSet, live: LiveDirectory | undefined): CertificateSet {
  if (live?.files.kind !== 'complete') return files;
  return { ...files, newestCtimeMs: live.files.newestCtimeMs };
}

/** A file system may date a change with the kernel's last tick. */
const FILE_TICK_MS = 10;

/**
 * The set was rolled back, and whoever is down because of it is started once without waiting for the cooldown: by the
 * watcher that has rolled it back or, if that was ended before it could, by the next one.
 */
export function startsAtOnce({ site, memory, now }: Situation): boolean {
  if (memory.startAtOnce) return true;
  const restoredAtMs = site.live?.seen.restoredAtMs;
  // one that has made a restart itself knows better, whatever the wall clock says
  if (memory.lastRestart !== undefined && memory.lastRestart.outcome.kind !== 'not_done') return false;
  if (restoredAtMs === undefined || restoredAtMs > now.wallMs) return false;
  const restoredMonoMs = now.monoMs - (now.wallMs - restoredAtMs);
  return (memory.lastRestartMonoMs ?? Number.NEGATIVE_INFINITY) <= restoredMonoMs + FILE_TICK_MS;
}

/** The files where the broker reads them. */
export function liveFiles({ site, files }: Pick<Situation, 'site' | 'files'>): FilesObservation {
  return site.live?.seen.files ?? files;
}

/**
 * The same situation with the live set of a two-phase rotation in place of the one that the agent has written, if they
 * differ, or if the live one does not wait for anything. It keeps the same identity, by which answers of the engine are
 * remembered.
 */
export function acceptedSituation(situation: Situation): Situation | undefined {
  const { site, files } = situation;
  const live = site.live?.seen;
  if (live?.files.kind !== 'complete') return undefined;
  if (files.kind === 'complete' && isLive(live, files) && !startsAtOnce(situation)) return undefined;
  return { ...situation, files: { ...live.files, identity: files.identity }, isAccepted: true };
}

/** Now, if there has been no restart. */
function cooldownEnd({ now, memory, settings }: Situation): number {
  const last = memory.lastRestartMonoMs ?? memory.predecessor?.monoMs;
  return last === undefined ? now.monoMs : last + settings.cooldownMs;
}

/** Monotonic milliseconds at which the files will have been unchanged for the stability window. */
export function stableAt(situation: Situation): number {
  if (situation.isAccepted) return situation.now.monoMs;
  return quietSince(situation) + situation.settings.stabilityWindowMs;
}

/** Monotonic milliseconds since when the files have been unchanged. */
export function quietSince({ site, now }: Situation): number {
  return site.sighting?.sinceMonoMs ?? now.monoMs;
}

/** Monotonic milliseconds of the next look at a broker that is not known to be well after its restart. */
export function startLookAt({ memory: { start, lastAnswer } }: Situation): number | undefined {
  return start && (lastAnswer?.at.monoMs ?? 0) + START_LOOK_MS;
}

/** Whether it has loaded the set, or each of several: when it was started, or because somebody has signalled it. */
function hasLoadedAll(situation: Situation, broker: BrokerState, files: CertificateSet): boolean {
  const { memory, now } = situation;
  if (files.sets === undefined) return hasLoaded(broker, files, memory, now) || isPresented(memory, files);
  return files.sets.every((named) => {
    const view = viewOf(situation, named);
    return hasLoadedSet(view, named, broker) || isPresentedSet(view.memory, named, broker, now);
  });
}

/** One of several sets; one that cannot be read is unchanged where it could not be read when it was applied. */
function hasLoadedSet({ memory, now }: Situation, { files }: NamedSet, broker: BrokerState): boolean {
  if (files.kind !== 'complete') return memory.applied?.fingerprint === NO_SET;
  return hasLoaded(broker, files, memory, now);
}

/** The situation of one of several sets, as if it were the only one. */
export function viewOf(situation: Situation, named: NamedSet): Situation {
  const { files, site, memory, settings } = situation;
  const { probe } = site;
  const verdict = probe?.verdict?.sets?.[named.name];
  const [upstream] = named.upstreams;
  return {
    ...situation,
    // by the identity of all of them, answers and verdicts are remembered
    files: { ...named.files, identity: files.identity },
    set: named.name,
    memory: { ...memory, applied: appliedOf(memory, named), presented: presentedOf(memory, named) },
    site: {
      ...site,
      probe: probe && {
        ...probe,
        verdict,
        filesPassed: verdict !== undefined && !setCannotWork(verdict),
        rejection: probe.rejections?.[named.name],
      },
      lastVerdict: verdict && site.lastVerdict && { ...site.lastVerdict, verdict },
    },
    settings: {
      ...settings,
      certRole: named.role,
      certDir: named.certFile.replace(/\/[^/]*$/, ''),
      caCertFile: named.caFile,
      clientCertFile: named.certFile,
      clientKeyFile: named.keyFile,
      upstream,
    },
  };
}

function presentedOf({ presentedBy }: BrokerMemory, { name }: NamedSet): BrokerMemory['presented'] {
  const listener = presentedBy?.seen[name];
  return listener && presentedBy && { seen: listener.seen, at: presentedBy.at };
}

/** What is known of one set; a memory from before there were several may be that of one of them. */
function appliedOf({ applied }: BrokerMemory, named: NamedSet): BrokerMemory['applied'] {
  if (applied === undefined) return undefined;
  const { fingerprint, startedAt, sets, parts } = applied;
  const mark = sets === undefined && fingerprint === markOf(named) ? fingerprint : sets?.[named.name];
  return mark === undefined ? undefined : { fingerprint: mark, startedAt, parts };
}

/** Those sets that the broker has not loaded at its start, as far as that is known: these decide. */
export function changedSets(situation: SetSituation): readonly NamedSet[] {
  const { files, broker } = situation;
  return (files.sets ?? []).filter((named) => {
    const view = viewOf(situation, named);
    if (broker?.ok === true) return !hasLoadedSet(view, named, broker.value);
    return view.memory.applied?.fingerprint !== markOf(named);
  });
}

/** The views of these sets. */
export function changedViews(situation: SetSituation): readonly Situation[] {
  return changedSets(situation).map((named) => viewOf(situation, named));
}
