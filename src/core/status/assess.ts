/**
 * The overall state, for people: everything that is wrong, worst first, each with what to do about it, and the one
 * sentence that sums it up. Pure.
 */

import type { Decision } from '../decision/decide.ts';
import { hasSet } from '../memory/memory.ts';
import { type BrokerState, conditionOf, isSteady } from '../model/broker.ts';
import type { BrokerCondition } from '../model/broker-condition.ts';
import { expiringFrom } from '../model/certificate.ts';
import type { Moment } from '../model/files.ts';
import { isLive, wasRolledBack } from '../model/live.ts';
import { holdOf, isFileFault, isOurFault, type ProbeFailure, probeSentence } from '../model/probe.ts';
import { asksUpstream } from '../model/settings.ts';
import type { Condition } from '../news/condition.ts';
import { EVENTS, type EventName, type Part } from '../news/events.ts';
import { adviceAfter, uncertainSentence } from '../news/rollout.ts';
import { liveFiles, type Situation, viewOf } from '../situation.ts';
import { resume, seeLog } from '../text/commands.ts';
import { brokerSentence } from './broker-sentence.ts';
import { wellSentence } from './well.ts';

export type Level = 'ok' | 'warning' | 'critical' | 'unknown';

/** Something that is wrong now. */
export interface Finding {
  readonly level: 'warning' | 'critical';
  readonly about: Part;
  /** what causes it, by names that stay the same while it lasts: an event or a cause, and which of several */
  readonly cause: string;
  readonly sentence: string;
  /** what to try */
  readonly advice: string | undefined;
}

export interface Assessment {
  readonly level: Level;
  /** the overall state, in one sentence */
  readonly sentence: string;
  /** what to do about it */
  readonly advice: string;
  /** everything that is wrong, worst first */
  readonly findings: readonly Finding[];
}

export const NOTHING_TO_DO = 'nothing to do';

/** Sums up one cycle: the broker that it decided about, and all of them with it. */
export function assess(decision: Decision, situations: readonly Situation[]): Assessment {
  const findings = findingsOf(decision, situations);
  const [worst] = findings;
  if (worst === undefined) {
    return {
      level: 'ok',
      sentence: wellSentence(decision, situations.length),
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

/** Before the first cycle nothing is known. */
export const NOTHING_KNOWN: Assessment = {
  level: 'unknown',
  sentence: 'the first look at the certificates has not ended yet',
  advice: 'wait a moment',
  findings: [],
};

function findingsOf(decision: Decision, situations: readonly Situation[]): readonly Finding[] {
  const said = decision.conditions.flatMap((condition) => findingOf(condition) ?? []);
  const certificatesAtFault = said.some(({ about }) => about === 'certificates');
  const isHeld = decision.reason === 'probe_holds';
  const findings = [
    ...said,
    ...probeFindings(decision.situation, certificatesAtFault).map((finding) =>
      isHeld ? { ...finding, sentence: `${finding.sentence}; the restart is held` } : finding,
    ),
    ...(said.some(({ about }) => about === 'broker') ? [] : situations.flatMap(brokerFindings)),
  ];
  return [...findings, ...rolledBack(decision)]
    .map((finding) => withLiveSet(finding, decision.situation))
    .toSorted((a, b) => SEVERITY[a.level] - SEVERITY[b.level]);
}

/**
 * A set that was rolled back is reported once, when that is done; it remains a problem for as long as it is on disk.
 */
function rolledBack({ reason, sentence, waitsFor = sentence, situation }: Decision): Finding[] {
  const { site, files } = situation;
  if (site.live === undefined || files.kind !== 'complete') return [];
  if (reason !== 'set_rolled_back' && !wasRolledBack(site.live.seen, files)) return [];
  if (isLive(site.live.seen, files)) return [];
  const advice = 'see set_rolled_back in the log, fix the cause, and have the agent write the set again';
  return [{ level: 'warning', about: 'certificates', cause: 'set_rolled_back', sentence: waitsFor, advice }];
}

/**
 * In a two-phase rotation, a problem with the incoming set or its promotion does no harm as long as the live set lasts:
 * it is a warning, and critical once the live certificate is expiring.
 */
function withLiveSet(finding: Finding, { site, files, now, settings }: Situation): Finding {
  const { live } = site;
  const isAbout = finding.about === 'certificates' || finding.about === 'upstream';
  if (!isAbout || live?.seen.files.kind !== 'complete') return finding;
  if (files.kind === 'complete' && isLive(live.seen, files)) return finding;
  const isExpiring = now.wallMs >= expiringFrom(live.seen.files.leaf, settings.expiryWarnDays);
  return { ...finding, level: isExpiring ? 'critical' : 'warning' };
}

const SEVERITY = { critical: 0, warning: 1 } as const;

/** What a condition means for people; probe failures are reported with their cause by {@link probeFinding}. */
function findingOf({ event, about, message = '', hint }: Condition): Finding | undefined {
  const { level, part } = EVENTS[event];
  if (part === null) return undefined;
  return {
    level: level === 'error' ? 'critical' : 'warning',
    about: part,
    cause: about === undefined ? event : `${event} ${about}`,
    sentence: message,
    advice: hint ?? ADVICE[event],
  };
}

const ADVICE: Partial<Record<EventName, string>> = {
  broker_not_running: 'start the broker if it should run',
};

/** The upstream of each of several sets, told under its name. */
function probeFindings(situation: Situation, certificatesAtFault: boolean): Finding[] {
  const { sets } = situation.files;
  if (sets === undefined) return probeFinding(situation, certificatesAtFault);
  return sets.flatMap((named) =>
    probeFinding(viewOf(situation, named), false)
      .filter(({ about }) => about === 'upstream' || !certificatesAtFault)
      .map((finding) => ({
        ...finding,
        cause: `${finding.cause} ${named.name}`,
        sentence: `${named.name}: ${finding.sentence}`,
      })),
  );
}

/**
 * The upstream as the last probe, or the one that holds a restart, found it. A fault of our own files has already been
 * reported.
 */
function probeFinding({ site, settings }: Situation, certificatesAtFault: boolean): Finding[] {
  const holding = site.probe && holdOf(settings.probeGate, site.probe);
  const verdict = holding ?? site.lastVerdict?.verdict;
  if (!settings.probeEnabled || verdict === undefined || verdict.ok) return [];
  const isOurs = isFileFault(verdict);
  if (isOurs && certificatesAtFault) return [];
  return [
    {
      level: probeLevel(verdict),
      about: isOurs ? 'certificates' : 'upstream',
      cause: verdict.cause,
      sentence: probeSentence(verdict, asksUpstream(settings)),
      advice: verdict.hint,
    },
  ];
}

/** How bad a failed probe is: critical if this set cannot work, a warning if it may work later. */
export function probeLevel(failure: ProbeFailure): 'warning' | 'critical' {
  return isOurFault(failure) && failure.keyUnreadable !== true ? 'critical' : 'warning';
}

/**
 * The broker, where no condition of the decision covers it: one finding at most. A broker that has just been restarted
 * may still be starting.
 */
function brokerFindings(view: Situation): Finding[] {
  if (view.memory.start !== undefined) return [];
  const [finding] = [...restartFinding(view), ...lastAnswerFinding(view)];
  return finding === undefined ? [] : [finding];
}

/** The broker as the engine last described it. */
function lastAnswerFinding({ name, memory: { lastAnswer }, settings }: Situation): Finding[] {
  if (lastAnswer === undefined) return [];
  const { answer } = lastAnswer;
  if (!answer.ok) {
    const whom = settings.target.kind === 'unit' ? 'systemd' : 'the engine';
    const sentence = `${whom} cannot be asked about ${name}, and no rotation could be applied now: ${answer.problem}`;
    const cause = `${answer.cause} ${name}`;
    return [{ level: 'warning', about: 'broker', cause, sentence, advice: answer.hint }];
  }
  const condition = conditionOf(answer.value);
  if (condition === 'well' || condition === 'starting') return [];
  return [
    {
      level: brokerLevel(condition),
      about: 'broker',
      cause: `broker_${condition} ${name}`,
      sentence: brokerSentence(name, condition, answer.value),
      advice: brokerAdvice(name, condition, answer.value.kind),
    },
  ];
}

/**
 * How bad the condition of a broker that is not well is: if somebody has stopped or paused it, that may be intended.
 */
export function brokerLevel(condition: Exclude<BrokerCondition, 'well'>): 'warning' | 'critical' {
  return SEVERE.includes(condition) ? 'critical' : 'warning';
}

const SEVERE: readonly BrokerCondition[] = ['crashed', 'crash_loop', 'unhealthy', 'dead'];

/** What to do about a broker that is not well, for people. */
export function brokerAdvice(
  name: string,
  condition: Exclude<BrokerCondition, 'well'>,
  kind: BrokerState['kind'],
): string | undefined {
  switch (condition) {
    case 'starting':
      return undefined;
    case 'stopped':
    case 'stopping':
    case 'removing':
      return ADVICE.broker_not_running;
    case 'paused':
      return resume(kind, name);
    case 'dead':
      return `remove it with docker rm --force ${name}, and create it again`;
    default:
      return seeLog(kind, name);
  }
}

/**
 * The consequences of the last restart for exactly this set. A broker that has been seen to be well since then has
 * recovered.
 */
function restartFinding(situation: Situation): Finding[] {
  const { name, memory, settings } = situation;
  const files = liveFiles(situation);
  const { lastRestart: last, applied } = memory;
  if (last === undefined || files.kind !== 'complete' || last.fingerprint !== files.fingerprint) return [];
  if (last.outcome.kind === 'unhealthy' && !hasRecovered(memory.lastAnswer, last.at)) {
    const sentence = `${name} was not well after its last restart: ${last.outcome.why}`;
    const advice = adviceAfter(last.outcome.broker, name, settings.target);
    return [{ level: 'critical', about: 'broker', cause: `broker_unhealthy ${name}`, sentence, advice }];
  }
  if (last.outcome.kind === 'uncertain' && !hasSet(applied, files)) {
    const sentence = uncertainSentence(last.outcome, name);
    const { cause, hint } = last.outcome.failure;
    return [{ level: 'warning', about: 'broker', cause: `${cause} ${name}`, sentence, advice: hint }];
  }
  return [];
}

function hasRecovered(lastAnswer: Situation['memory']['lastAnswer'], since: Moment): boolean {
  if (lastAnswer === undefined || !lastAnswer.answer.ok || lastAnswer.at.monoMs <= since.monoMs) return false;
  return isSteady(lastAnswer.answer.value, lastAnswer.at.wallMs);
}
