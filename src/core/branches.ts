/**
 * The branches of the state diagram, one function each: a verdict if the walk ends there, undefined if it
 * goes on. Their order, which is behaviour, is in {@link SET_BRANCHES}.
 */

import { type BrokerState, isLeftStopped, type RestartOutcome } from './broker.ts';
import * as conditions from './conditions.ts';
import type { Condition } from './events.ts';
import { quietSince, type SetFacts, type View } from './facts.ts';
import { authoritiesOf, PREDECESSOR_MS } from './memory.ts';
import type { CertificateSet, FilesObservation } from './observation.ts';
import { setCannotWork } from './probe.ts';
import { hasLeftBehind, hasTakenUp, isAboutToBegin, isBusy } from './service.ts';
import { listenerOf } from './settings.ts';

/** The boxes of the state diagram. */
export type State =
  | 'INITIALIZE'
  | 'CHECK_CERTS'
  | 'CERTS_MISSING'
  | 'CERTS_FOUND'
  | 'PARSE_CERT'
  | 'VALIDATE_CERT'
  | 'CERT_INVALID'
  | 'CERT_EXPIRED'
  | 'CERT_VALID'
  | 'CHECK_STABILITY'
  | 'NOT_STABLE'
  | 'STABLE'
  | 'CHECK_COOLDOWN'
  | 'IN_COOLDOWN'
  | 'READY'
  | 'CHECK_HASH'
  | 'HASH_UNCHANGED'
  | 'HASH_CHANGED'
  | 'TLS_PROBE'
  | 'RESTART_MOSQUITTO'
  | 'UPDATE_STATE'
  | 'WAIT_INTERVAL';

/** Why a cycle ended as it did; every verdict has exactly one reason. */
export const REASONS = [
  'certs_missing',
  'certs_changing',
  'cert_unparsable',
  'cert_expired',
  'cert_not_yet_valid',
  'key_unusable',
  'not_stable',
  'in_cooldown',
  'unchanged',
  'broker_already_current',
  'probe_pending',
  'probe_holds',
  'restart_disabled',
  'restart_splayed',
  'engine_failed',
  'broker_not_running',
  'watcher_just_started',
  'roll_stopped',
  'service_updating',
  'service_updated',
  'service_update_failed',
  'set_outdated',
  'restart',
] as const;
export type Reason = (typeof REASONS)[number];

/** What a verdict asks to be done to the broker, or to the knowledge of it. */
export type BrokerStep =
  /** the broker runs with this set without our doing: remember it */
  | {
      readonly kind: 'adopt';
      readonly container: string;
      readonly fingerprint: string;
      readonly startedAt: string;
      readonly notAfterMs: number;
      readonly authorities: string;
    }
  /** the update of a service has ended: tell how */
  | {
      readonly kind: 'conclude';
      readonly container: string;
      readonly set: CertificateSet;
      readonly outcome: RestartOutcome;
    }
  | {
      readonly kind: 'restart';
      readonly container: string;
      readonly set: CertificateSet;
      readonly broker: BrokerState;
      /** a signal may be enough: it is tried first */
      readonly signalFirst: boolean;
    };

export interface Verdict {
  /** the boxes in which the walk ends */
  readonly boxes: readonly State[];
  readonly reason: Reason;
  /** the verdict in one sentence, for people */
  readonly sentence: string;
  readonly conditions?: readonly Condition[];
  readonly step?: BrokerStep;
  /** the files are just being written: what was so before still counts as said */
  readonly transient?: boolean;
  /** a changed set waits to be applied */
  readonly pending?: boolean;
  /** monotonic milliseconds at which the verdict may change by itself */
  readonly untilMonoMs?: number | undefined;
}

/** Files that change faster than this are being written: not worth a complaint yet. */
const QUIET_MS = 1_000;

/** A file that changes under our hands is looked at again after this time. */
const CHANGING_LOOK_MS = 100;

/** Where the walk ends if there is no readable set. */
export function withoutSet(view: View, files: Exclude<FilesObservation, CertificateSet>): Verdict {
  const { now, settings } = view;
  const quietAtMonoMs = quietSince(view) + Math.min(QUIET_MS, settings.stabilityWindowMs);
  const waiting = {
    transient: view.memory.cycles > 1 && now.monoMs < quietAtMonoMs,
    untilMonoMs: quietAtMonoMs,
  };
  switch (files.kind) {
    case 'incomplete':
      return {
        boxes: ['CERTS_MISSING'],
        reason: 'certs_missing',
        sentence: conditions.sentenceOf(files.complaints),
        conditions: [conditions.certMissing(files, settings)],
        ...waiting,
      };
    case 'changing':
      return {
        boxes: ['CERTS_FOUND', 'CHECK_STABILITY', 'NOT_STABLE'],
        reason: 'certs_changing',
        sentence: 'the files are being written at this moment',
        transient: true,
        untilMonoMs: now.monoMs + CHANGING_LOOK_MS,
      };
    case 'unparsable':
      return {
        boxes: ['CERTS_FOUND', 'PARSE_CERT', 'CERT_INVALID'],
        reason: 'cert_unparsable',
        sentence: conditions.sentenceOf(files.complaints),
        conditions: conditions.certParseFailed(files, settings),
        ...waiting,
      };
  }
}

/** The rest of the diagram, in its order: the boxes on the way to a branch, and the branch. */
export const SET_BRANCHES: readonly {
  readonly via: readonly State[];
  readonly branch: (facts: SetFacts) => Verdict | undefined;
}[] = [
  { via: ['CERTS_FOUND', 'PARSE_CERT', 'VALIDATE_CERT'], branch: certExpired },
  { via: [], branch: certNotYetValid },
  { via: [], branch: keyUnusable },
  { via: ['CERT_VALID', 'CHECK_STABILITY'], branch: notStable },
  { via: [], branch: serviceUpdating },
  { via: [], branch: serviceUpdated },
  { via: [], branch: serviceUpdateFailed },
  { via: [], branch: setOutdated },
  { via: ['STABLE', 'CHECK_COOLDOWN'], branch: inCooldown },
  { via: ['READY', 'CHECK_HASH'], branch: hashUnchanged },
  { via: [], branch: brokerAlreadyCurrent },
  { via: ['HASH_CHANGED', 'TLS_PROBE'], branch: probePending },
  { via: [], branch: probeHolds },
  { via: [], branch: restartDisabled },
  { via: [], branch: restartSplayed },
  { via: [], branch: engineFailed },
  { via: [], branch: brokerNotRunning },
  { via: [], branch: watcherJustStarted },
  { via: ['RESTART_MOSQUITTO'], branch: restartMosquitto },
];

function certExpired(facts: SetFacts): Verdict | undefined {
  if (facts.now.wallMs < facts.files.leaf.notAfterMs) return undefined;
  const expired = conditions.certExpired(facts);
  return {
    boxes: ['CERT_EXPIRED'],
    reason: 'cert_expired',
    sentence: conditions.messageOf(expired),
    conditions: [expired],
  };
}

function certNotYetValid(facts: SetFacts): Verdict | undefined {
  const aheadMs = facts.files.leaf.notBeforeMs - facts.now.wallMs;
  if (aheadMs <= 0) return undefined;
  const early = conditions.certNotYetValid(facts);
  return {
    boxes: ['CERT_INVALID'],
    reason: 'cert_not_yet_valid',
    sentence: conditions.messageOf(early),
    conditions: [early],
    pending: facts.isChanged,
    untilMonoMs: facts.now.monoMs + aheadMs,
  };
}

/** Said of stable files only: certificate first and key a moment later is how many agents write. */
function keyUnusable(facts: SetFacts): Verdict | undefined {
  const { verdict, isStable, isChanged } = facts;
  if (!isStable || verdict === undefined || !setCannotWork(verdict)) return undefined;
  const unusable = conditions.keyUnusable(facts, verdict);
  return {
    boxes: ['CERT_INVALID'],
    reason: 'key_unusable',
    sentence: conditions.messageOf(unusable),
    conditions: [unusable],
    pending: isChanged,
  };
}

function notStable(facts: SetFacts): Verdict | undefined {
  const { isStable, isChanged, stableAtMonoMs } = facts;
  if (isStable) return undefined;
  return {
    boxes: ['NOT_STABLE'],
    reason: 'not_stable',
    sentence: isChanged
      ? 'a changed set waits for the stability window to pass'
      : 'the files were touched; they hold the certificates that the broker has',
    conditions: isChanged ? [conditions.restartDeferred(facts)] : [],
    pending: isChanged,
    untilMonoMs: stableAtMonoMs,
  };
}

/** An update of a service goes on by itself; it is looked at this often. */
const UPDATE_LOOK_MS = 1_000;

const TO_HASH_CHANGED = ['STABLE', 'CHECK_COOLDOWN', 'READY', 'CHECK_HASH', 'HASH_CHANGED'] as const;

function serviceUpdating(facts: SetFacts): Verdict | undefined {
  const { now, service, files } = facts;
  if (service === undefined) return undefined;
  if (!isBusy(service) && !isAboutToBegin(service, files.fingerprint)) return undefined;
  const update = conditions.serviceUpdating(facts, service);
  return {
    boxes: [...TO_HASH_CHANGED, 'RESTART_MOSQUITTO'],
    reason: 'service_updating',
    sentence: conditions.messageOf(update),
    conditions: [update],
    pending: true,
    untilMonoMs: now.monoMs + UPDATE_LOOK_MS,
  };
}

/** The update that this watcher has asked for has come to an end; other files may lie there by now. */
function serviceUpdated({ now, broker, service, memory, settings }: SetFacts): Verdict | undefined {
  const { updating } = memory;
  if (broker?.ok !== true || service === undefined || updating === undefined) return undefined;
  const { set, atMonoMs } = updating;
  const timing = { tookMs: now.monoMs - atMonoMs, answeredMonoMs: atMonoMs };
  const { running, desired, update } = service;
  // a newer set may have come upon it since
  const isCarriedThrough = hasTakenUp(service, set.fingerprint) || hasLeftBehind(service, set.fingerprint);
  // under the failure action `continue` an update is complete, too, whose tasks have all died
  const isWell = isCarriedThrough && running >= desired;
  const said = `its update has stopped: ${update?.message ?? 'the swarm tells of no update'}`;
  const why = isCarriedThrough ? `${running} of ${desired} tasks run after its update` : said;
  return {
    boxes: [...TO_HASH_CHANGED, 'RESTART_MOSQUITTO'],
    reason: 'service_updated',
    sentence: isWell ? `the update of ${settings.container} is complete` : why,
    step: {
      kind: 'conclude',
      container: settings.container,
      set,
      outcome: isWell
        ? { kind: 'verified', broker: broker.value, ...timing }
        : { kind: 'unhealthy', why, broker: broker.value, ...timing },
    },
  };
}

/** Nobody updates a service again for a set with which its last update has failed. */
function serviceUpdateFailed(facts: SetFacts): Verdict | undefined {
  const { service, files, memory, isLoaded } = facts;
  const { failedUpdate } = memory;
  if (service === undefined || isLoaded || failedUpdate?.fingerprint !== files.fingerprint) return undefined;
  const failed = conditions.serviceUpdateFailed(facts, failedUpdate.update);
  return {
    boxes: [...TO_HASH_CHANGED, 'RESTART_MOSQUITTO'],
    reason: 'service_update_failed',
    sentence: conditions.messageOf(failed),
    conditions: [failed],
    pending: true,
  };
}

/** The service runs with a set that this node has never had, and had ours before it: our files are behind. */
function setOutdated(facts: SetFacts): Verdict | undefined {
  const { service, files, memory } = facts;
  if (service?.applied === undefined || !hasLeftBehind(service, files.fingerprint)) return undefined;
  if (memory.seen.includes(service.applied)) return undefined;
  const outdated = conditions.setOutdated(facts, service.applied);
  return {
    boxes: ['STABLE', 'CHECK_COOLDOWN', 'READY', 'CHECK_HASH', 'HASH_UNCHANGED'],
    reason: 'set_outdated',
    sentence: conditions.messageOf(outdated),
    conditions: [outdated],
  };
}

function inCooldown(facts: SetFacts): Verdict | undefined {
  const { now, readyAtMonoMs, isLoaded, broker } = facts;
  if (now.monoMs >= readyAtMonoMs) return undefined;
  // somebody else has restarted it meanwhile: nothing is left to wait for
  if (isLoaded && broker?.ok === true) return undefined;
  return {
    boxes: ['IN_COOLDOWN'],
    reason: 'in_cooldown',
    sentence: isLoaded
      ? 'the broker has these certificates, and the cooldown of its last restart runs'
      : 'a changed set waits for the cooldown to pass',
    conditions: isLoaded ? [] : [conditions.restartSuppressed(facts)],
    pending: !isLoaded,
    untilMonoMs: readyAtMonoMs,
  };
}

function hashUnchanged({ isLoaded, broker }: SetFacts): Verdict | undefined {
  if (!isLoaded || broker?.ok === true) return undefined;
  return {
    boxes: ['HASH_UNCHANGED'],
    reason: 'unchanged',
    sentence: 'the broker has these certificates; nothing to do',
  };
}

/** Not before key and certificate are known to belong together: of a half-renewed set it proves nothing. */
function brokerAlreadyCurrent({
  isLoaded,
  isPairUnknown,
  broker,
  files,
  settings,
}: SetFacts): Verdict | undefined {
  if (!isLoaded || isPairUnknown || broker?.ok !== true) return undefined;
  const { startedAt } = broker.value;
  return {
    boxes: ['HASH_UNCHANGED'],
    reason: 'broker_already_current',
    sentence:
      broker.value.service === undefined
        ? `the broker was started at ${startedAt} and has read these files`
        : `${settings.container} runs with these files`,
    step: {
      kind: 'adopt',
      container: settings.container,
      fingerprint: files.fingerprint,
      startedAt,
      notAfterMs: files.leaf.notAfterMs,
      authorities: authoritiesOf(files),
    },
  };
}

function probePending({ settings, isPairUnknown, isLoaded, verdict }: SetFacts): Verdict | undefined {
  const awaitsVerdict = settings.probeEnabled && settings.probeGate !== 'off' && verdict === undefined;
  if (!isPairUnknown && !awaitsVerdict) return undefined;
  return {
    boxes: [],
    reason: 'probe_pending',
    sentence: 'the upstream is being probed with this set',
    pending: !isLoaded,
  };
}

function probeHolds(facts: SetFacts): Verdict | undefined {
  const { holding } = facts;
  if (holding === undefined) return undefined;
  const held = conditions.restartHeld(facts, holding);
  return {
    boxes: [],
    reason: 'probe_holds',
    sentence: conditions.messageOf(held),
    conditions: [held],
    pending: true,
  };
}

function restartDisabled(facts: SetFacts): Verdict | undefined {
  if (facts.settings.restartEnabled) return undefined;
  const disabled = conditions.restartDisabled(facts);
  return {
    boxes: [],
    reason: 'restart_disabled',
    sentence: conditions.messageOf(disabled),
    conditions: [disabled],
    pending: true,
  };
}

function restartSplayed(facts: SetFacts): Verdict | undefined {
  const { now, splayedAtMonoMs } = facts;
  if (now.monoMs >= splayedAtMonoMs) return undefined;
  const splayed = conditions.restartSplayed(facts);
  return {
    boxes: [],
    reason: 'restart_splayed',
    sentence: conditions.messageOf(splayed),
    conditions: [splayed],
    pending: true,
    untilMonoMs: splayedAtMonoMs,
  };
}

function engineFailed(facts: SetFacts): Verdict | undefined {
  const { broker, memory } = facts;
  if (broker === undefined || broker.ok) return undefined;
  const failed = conditions.restartFailed(facts, broker);
  return {
    boxes: [],
    reason: 'engine_failed',
    sentence: conditions.messageOf(failed),
    conditions: [failed],
    pending: true,
    untilMonoMs: memory.broker?.askAgainMonoMs,
  };
}

function brokerNotRunning(facts: SetFacts): Verdict | undefined {
  const { broker, memory, isOursToStart } = facts;
  if (broker?.ok !== true || !isLeftStopped(broker.value) || isOursToStart) return undefined;
  const stopped = conditions.brokerNotRunning(facts, broker.value);
  return {
    boxes: [],
    reason: 'broker_not_running',
    sentence: conditions.messageOf(stopped),
    conditions: [stopped],
    pending: true,
    untilMonoMs: memory.broker?.askAgainMonoMs,
  };
}

function watcherJustStarted({ memory, now }: SetFacts): Verdict | undefined {
  const overAtMonoMs = memory.started.monoMs + PREDECESSOR_MS;
  if (memory.applied !== undefined || memory.lastRestart !== undefined || now.monoMs >= overAtMonoMs)
    return undefined;
  return {
    boxes: [],
    reason: 'watcher_just_started',
    sentence: 'the watcher has just started; a restart by its predecessor may still be under way',
    pending: true,
    untilMonoMs: overAtMonoMs,
  };
}

/**
 * Whether a signal may be enough for this set, and be proved to be: bridges can connect again, and a TLS listener can
 * present the new certificate, but takes up other CA certificates only when the broker is started. While nobody knows
 * whether there are bridges, no listener can speak for them.
 */
function maySuffice({ memory, files, settings }: SetFacts, broker: BrokerState): boolean {
  const { applied, bridges } = memory;
  if (settings.reloadStrategy === 'restart' || !broker.up || bridges?.sight.ok !== true) return false;
  if (bridges.sight.bridges.length > 0) return true;
  const isKnown = settings.bridgeName === undefined && listenerOf(settings)?.tls === true;
  return isKnown && applied?.authorities === authoritiesOf(files);
}

function restartMosquitto(facts: SetFacts): Verdict | undefined {
  const { broker, files, settings, memory } = facts;
  if (broker?.ok !== true) return undefined;
  const last = memory.lastRestart;
  const isRepeated = last?.outcome.kind === 'not_done' && last.fingerprint === files.fingerprint;
  return {
    boxes: [],
    reason: 'restart',
    sentence: `the certificates have changed; ${settings.container} is restarted`,
    // the failure before this try stays said, so that it is no news if the try fails in the same way
    conditions: isRepeated ? [conditions.restartFailed(facts, last.outcome.failure)] : [],
    step: {
      kind: 'restart',
      container: settings.container,
      set: files,
      broker: broker.value,
      signalFirst: maySuffice(facts, broker.value),
    },
    pending: true,
  };
}
