/** The decision: from one look and the memory to a verdict, the steps to take and the time of the next look. Pure. */

import { proofDue } from '../judgements/roll-back.ts';
import { endOfStart } from '../memory/start.ts';
import type { BrokerStep, Step } from '../model/step.ts';
import { bridgesSettledAt, ofBridges } from '../news/bridges.ts';
import type { Condition } from '../news/condition.ts';
import { ofListeners, ofPair } from '../news/listener.ts';
import { ofLive } from '../news/live.ts';
import { ofProbe, ofSet, ofStart } from '../news/standing.ts';
import { type Situation, startLookAt } from '../situation.ts';
import { earlyLookAt } from './broker-look.ts';
import { type Candidate, candidateOf } from './candidate.ts';
import { BEGIN, END, type Reason, type State } from './diagram.ts';
import type { Judged } from './judge.ts';
import { liveStepOf, liveTimes } from './live-steps.ts';
import { lookAroundDue } from './look-around.ts';
import { probeDue } from './probe-schedule.ts';
import { waiveDue } from './requests.ts';
import { ofSets } from './sets.ts';
import { next, peersOf } from './turn.ts';

export interface Decision {
  /** the broker that the decision is about */
  readonly situation: Situation;
  /** the boxes of the diagram that this cycle passed through, in order */
  readonly path: readonly State[];
  readonly reason: Reason;
  /** the verdict in one sentence, for people */
  readonly sentence: string;
  /** why the set that the agent has written is not applied to the broker now */
  readonly waitsFor?: string;
  readonly steps: readonly Step[];
  /** everything that currently holds and is worth reporting */
  readonly conditions: readonly Condition[];
  /** the files are being written at this moment: what held before still counts as reported */
  readonly transient: boolean;
  /** a changed set is waiting to be applied */
  readonly pending: boolean;
  /** monotonic milliseconds at which the verdict may change without outside input; undefined if it will not */
  readonly untilMonoMs: number | undefined;
  /** monotonic milliseconds of the next probe of this set; undefined if none is due */
  readonly probeAtMonoMs: number | undefined;
  /** monotonic milliseconds; always in the future, at most one check interval away */
  readonly nextLookMonoMs: number;
}

/** The decision for brokers that see the same files, in restart order; at least one. */
export function decide(situations: readonly Situation[]): Decision {
  const candidates = situations.map((observed) => candidateOf(observed));
  const lead = next(candidates);
  const { situation } = lead;
  const others = candidates.filter((other) => other !== lead).map((other) => other.situation);
  const isAlone = others.length === 0;
  const judged = isAlone ? lead.judged : candidateOf(lead.observed, peersOf(lead, candidates)).judged;
  const { observed } = lead;
  const probe = probeDue(observed);
  const proof = probe.step === undefined ? proofDue(observed) : undefined;
  const around = lookAroundDue(situation, lead.judged);
  const live = liveStepOf(situations);
  return {
    situation: observed,
    path: [...(situation.site.cycles <= 1 ? [BEGIN] : []), ...judged.path, ...END],
    reason: judged.reason,
    sentence: judged.sentence,
    waitsFor: lead.waitsFor,
    steps: stepsOf(judged, [probe.step ?? proof, around.step, waiveDue(situation, judged), live], candidates),
    conditions: withoutTwins([
      ...(isOfSeveral(observed) ? [] : ofSet(observed)),
      ...ofLive(observed),
      ...[...(judged.conditions ?? []), ...ofStart(situation)].map((condition) =>
        isAlone ? condition : ofBroker(condition, situation),
      ),
      ...(isOfSeveral(observed) ? ofSets(observed) : [...ofProbe(situation), ...ofPair(situation)]),
      ...situations.flatMap(ofListeners),
      ...ofBridges(situation),
      ...others.flatMap(ofBridges),
      ...others.flatMap((other) => ofStart(other).map((condition) => ofBroker(condition, other))),
    ]),
    transient: judged.transient ?? false,
    pending: judged.pending ?? false,
    untilMonoMs: judged.untilMonoMs,
    probeAtMonoMs: probe.step === undefined ? probe.atMonoMs : situation.now.monoMs,
    nextLookMonoMs: Math.min(...candidates.map(nextLook)),
  };
}

/** The broker's configuration names its sets. */
function isOfSeveral({ files }: Situation): boolean {
  return files.sets !== undefined || files.conf !== undefined;
}

/** A fault that holds a restart is told once, and not again as the fault of its set. */
function withoutTwins(conditions: readonly Condition[]): readonly Condition[] {
  const keys = conditions.map(({ event, about }) => `${event} ${about ?? ''}`);
  return conditions.filter((_, index) => keys.indexOf(keys[index] ?? '') === index);
}

/** What is learned about any broker is remembered in the same cycle; at most one broker is restarted. */
function stepsOf(
  { step }: Judged,
  beside: readonly (Step | undefined)[],
  candidates: readonly Candidate[],
): readonly Step[] {
  const ofAny = candidates.flatMap(({ situation, judged }) => [endOfRestart(situation), judged.step]);
  const isFound = (each: Step | undefined) => each?.kind === 'adopt' || each?.kind === 'conclude';
  // a set that is being rolled back is not applied to another broker first
  const isGoneBackFrom = beside.some((each) => each?.kind === 'roll_back');
  const own = isFound(step) || isGoneBackFrom ? [] : [step];
  return [...beside, ...ofAny.filter(isFound), ...own].filter((each) => each !== undefined);
}

/** A restart whose outcome is now known is reported, whatever files are on disk by then. */
function endOfRestart({ now, name, memory, settings }: Situation): BrokerStep | undefined {
  const { start, lastAnswer } = memory;
  if (start === undefined || lastAnswer === undefined) return undefined;
  const outcome = endOfStart(start, lastAnswer.answer, now, settings.verifyTimeoutMs);
  if (outcome === undefined) return undefined;
  return { kind: 'conclude', container: name, set: start.set, outcome };
}

/** A condition that moves from one broker to the next is reported for each. */
function ofBroker(condition: Condition, { name }: Situation): Condition {
  if (!('container' in condition.details)) return condition;
  return { ...condition, about: [condition.about, name].filter(Boolean).join(' ') };
}

/** Monotonic milliseconds at which something may have changed for this broker without outside input. */
function nextLook({ situation, observed, judged }: Candidate): number {
  const { now, settings } = situation;
  const looks = [
    judged.untilMonoMs,
    // reading at the end of the stability window instead would delay the restart
    observed.files.finalFromMonoMs,
    ...liveTimes(observed),
    probeDue(observed).atMonoMs,
    lookAroundDue(situation, judged).atMonoMs,
    earlyLookAt(observed),
    expiryAt(situation),
    bridgesSettledAt(situation),
    startLookAt(situation),
    now.monoMs + settings.checkIntervalMs,
  ];
  return Math.min(...looks.filter((at) => at !== undefined).filter((at) => at > now.monoMs));
}

/** The moment at which the leaf expires, so that expiry is reported on time. */
function expiryAt({ now, files }: Situation): number | undefined {
  return files.kind === 'complete' ? now.monoMs + (files.leaf.notAfterMs - now.wallMs) : undefined;
}
