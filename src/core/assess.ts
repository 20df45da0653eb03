/**
 * How things stand, for people: everything that is wrong, worst first, each with what to do about it, and the
 * one sentence that sums it up. Pure.
 */

import type { Reason } from './branches.ts';
import { type BrokerCondition, conditionOf, isSteady } from './broker.ts';
import { daysRemaining } from './certificate.ts';
import type { Decision } from './decide.ts';
import { type Details, EVENTS, type EventName } from './events.ts';
import type { View } from './facts.ts';
import type { Moment } from './observation.ts';
import { holdOf, isFileFault, isOurFault, type ProbeFailure, probeSentence } from './probe.ts';

export type Level = 'ok' | 'warning' | 'critical' | 'unknown';

/** Something that is wrong now. */
export interface Finding {
  readonly level: 'warning' | 'critical';
  readonly about: 'certificates' | 'upstream' | 'broker' | 'bridge' | 'watcher';
  readonly sentence: string;
  /** what to try */
  readonly advice: string | undefined;
}

export interface Assessment {
  readonly level: Level;
  /** how things stand, in one sentence */
  readonly sentence: string;
  /** what to do about it */
  readonly advice: string;
  /** everything that is wrong, worst first */
  readonly findings: readonly Finding[];
}

export const NOTHING_TO_DO = 'nothing to do';

/** Sums up one cycle: the broker that it decided about, and all of them with it. */
export function assess(view: View, decision: Decision, brokers: readonly View[]): Assessment {
  const findings = findingsOf(view, decision, brokers);
  const [worst] = findings;
  if (worst === undefined) {
    return {
      level: 'ok',
      sentence: wellSentence(view, decision, brokers.length),
      advice: NOTHING_TO_DO,
      findings,
    };
  }
  return {
    level: worst.level,
    sentence: worst.sentence,
    advice: worst.advice ?? 'see the log of the watcher',
    findings,
  };
}

/** Before the first cycle there is nothing to say. */
export const NOTHING_KNOWN: Assessment = {
  level: 'unknown',
  sentence: 'the first look at the certificates has not ended yet',
  advice: 'wait a moment',
  findings: [],
};

function findingsOf(view: View, decision: Decision, brokers: readonly View[]): readonly Finding[] {
  const said = decision.conditions.flatMap(({ event, details }) => findingOf(event, details) ?? []);
  const certificatesAtFault = said.some(({ about }) => about === 'certificates');
  const isHeld = decision.reason === 'probe_holds';
  const findings = [
    ...said,
    ...probeFinding(view, certificatesAtFault).map((finding) =>
      isHeld ? { ...finding, sentence: `${finding.sentence}; the restart is held` } : finding,
    ),
    ...(said.some(({ about }) => about === 'broker') ? [] : brokers.flatMap(brokerFindings)),
  ];
  return findings.toSorted((a, b) => SEVERITY[a.level] - SEVERITY[b.level]);
}

const SEVERITY = { critical: 0, warning: 1 } as const;

/** What a condition means for people; probe failures are told with their cause by {@link probeFinding}. */
function findingOf(event: EventName, details: Details): Finding | undefined {
  const about = ABOUT[event];
  if (about === undefined) return undefined;
  const hint = details['hint'];
  return {
    level: EVENTS[event].level === 'error' ? 'critical' : 'warning',
    about,
    sentence: String(details['message']),
    advice: typeof hint === 'string' ? hint : ADVICE[event],
  };
}

const ABOUT: Partial<Record<EventName, Finding['about']>> = {
  cert_missing: 'certificates',
  cert_parse_failed: 'certificates',
  cert_expired: 'certificates',
  cert_expiring: 'certificates',
  cert_not_yet_valid: 'certificates',
  cert_key_mismatch: 'certificates',
  restart_disabled: 'broker',
  restart_failed: 'broker',
  broker_not_running: 'broker',
  roll_stopped: 'broker',
  broker_unhealthy: 'broker',
  set_outdated: 'broker',
  bridge_down: 'bridge',
};

const ADVICE: Partial<Record<EventName, string>> = {
  broker_not_running: 'start the broker if it should run',
};

/** The upstream as the last probe found it, or the one that holds a restart. A fault of our own files has been told already. */
function probeFinding({ memory, settings }: View, certificatesAtFault: boolean): Finding[] {
  const holding = memory.probe && holdOf(settings.probeGate, memory.probe);
  const verdict = holding ?? memory.lastVerdict?.verdict;
  if (!settings.probeEnabled || verdict === undefined || verdict.ok) return [];
  const isOurs = isFileFault(verdict);
  if (isOurs && certificatesAtFault) return [];
  return [
    {
      level: probeLevel(verdict),
      about: isOurs ? 'certificates' : 'upstream',
      sentence: probeSentence(verdict),
      advice: verdict.hint,
    },
  ];
}

/** How bad a failed probe is: critical if this set cannot work, a warning if another day it may. */
export function probeLevel(failure: ProbeFailure): 'warning' | 'critical' {
  return isOurFault(failure) && failure.keyUnreadable !== true ? 'critical' : 'warning';
}

/** The broker, where no condition of the decision tells of it: one finding at most. */
function brokerFindings(view: View): Finding[] {
  const [finding] = [...restartFinding(view), ...glanceFinding(view)];
  return finding === undefined ? [] : [finding];
}

/** The broker as the engine described it last. */
function glanceFinding({ memory: { glance }, settings: { container } }: View): Finding[] {
  if (glance === undefined) return [];
  const { answer } = glance;
  if (!answer.ok) {
    const sentence = `the engine cannot be asked about ${container}, and no rotation could be applied now: ${answer.problem}`;
    return [{ level: 'warning', about: 'broker', sentence, advice: answer.hint }];
  }
  const condition = conditionOf(answer.value);
  if (condition === 'well' || condition === 'starting') return [];
  return [
    {
      level: brokerLevel(condition),
      about: 'broker',
      sentence: brokerSentence(container, condition, answer.value.exitCode),
      advice: condition === 'stopped' ? ADVICE.broker_not_running : `see docker logs ${container}`,
    },
  ];
}

/** How bad the condition of a broker that is not well is: one that somebody has stopped may be meant to be. */
export function brokerLevel(condition: Exclude<BrokerCondition, 'well'>): 'warning' | 'critical' {
  return condition === 'stopped' || condition === 'starting' ? 'warning' : 'critical';
}

function brokerSentence(container: string, condition: BrokerCondition, exitCode: number): string {
  if (condition === 'stopped') return `${container} does not run`;
  if (condition === 'crashed') return `${container} has crashed with exit code ${exitCode}`;
  if (condition === 'crash_loop')
    return `${container} crashes again and again, with exit code ${exitCode}; its restart policy starts it anew`;
  return `${container} fails its health check`;
}

/**
 * What the last restart for this very set has left behind. A broker that has been seen to be well since then has
 * been mended.
 */
function restartFinding({ memory, files, settings }: View): Finding[] {
  const { lastRestart: last, applied } = memory;
  if (last === undefined || files.kind !== 'complete' || last.fingerprint !== files.fingerprint) return [];
  const { container } = settings;
  if (last.outcome.kind === 'unhealthy' && !hasRecovered(memory.glance, last.at)) {
    const sentence = `${container} was not well after its last restart: ${last.outcome.why}`;
    const advice = `see docker logs ${container}; mend the cause and restart it by hand`;
    return [{ level: 'critical', about: 'broker', sentence, advice }];
  }
  if (last.outcome.kind === 'uncertain' && applied?.fingerprint !== files.fingerprint) {
    const sentence = `nobody knows whether ${container} was restarted; it is looked at again after the cooldown`;
    return [{ level: 'warning', about: 'broker', sentence, advice: last.outcome.failure.hint }];
  }
  return [];
}

function hasRecovered(glance: View['memory']['glance'], since: Moment): boolean {
  if (glance === undefined || !glance.answer.ok || glance.at.monoMs <= since.monoMs) return false;
  return isSteady(glance.answer.value, glance.at.wallMs);
}

function wellSentence(view: View, decision: Decision, brokerCount: number): string {
  return (
    PENDING_SENTENCES[decision.pending ? decision.reason : 'unchanged'] ?? settledSentence(view, brokerCount)
  );
}

/** The broker has what lies on disk. */
function settledSentence({ files, memory, settings, now }: View, brokerCount: number): string {
  if (files.kind !== 'complete') return 'the certificate files are being written at this moment';
  const days = daysRemaining(files.leaf, now.wallMs);
  const valid = `valid for ${days} more ${days === 1 ? 'day' : 'days'}`;
  const has =
    brokerCount === 1
      ? `${settings.container} has the current certificates`
      : `all ${brokerCount} brokers have the current certificates`;
  const verdict = memory.probe?.verdict;
  if (!settings.probeEnabled) return `${has}, ${valid}`;
  if (verdict?.ok !== true) return `${has}, ${valid}; the upstream is being asked`;
  return `${has}, the upstream accepts them, ${valid}`;
}

/** A rotation on its way. */
const PENDING_SENTENCES: Partial<Record<Reason, string>> = {
  not_stable:
    'new certificates have arrived; the broker is restarted once they have been unchanged for a while',
  restart_splayed:
    'new certificates have arrived; the restarts of the fleet are spread out, and this broker has its turn soon',
  in_cooldown: 'new certificates have arrived; the broker is restarted when the cooldown has passed',
  probe_pending: 'new certificates have arrived; the upstream is being asked whether it accepts them',
  watcher_just_started:
    'new certificates have arrived; the watcher has just started and restarts in a moment',
  roll_stopped: 'new certificates have arrived; a broker waits until another one is well again',
  service_updating: 'new certificates have arrived; the service is being updated',
  restart: 'new certificates have arrived; the broker is being restarted',
};
