/** Several brokers, one decision per cycle: which broker is next, and what the state of the others means for it. */

import { isInProof, problemOf } from '../judgements/peers.ts';
import { isLeftAlone } from '../model/broker.ts';
import type { Peers, Situation } from '../situation.ts';
import type { Candidate } from './candidate.ts';
import type { Reason } from './diagram.ts';

/** Brokers that were stopped or paused on purpose have no turn until they are started or unpaused. */
const WITHOUT_TURN: readonly Reason[] = ['broker_not_running', 'broker_paused'];

/**
 * Selects the broker whose turn it is: among those that wait for the set on disk, one that is down, because restarting
 * it costs no availability, otherwise the first. A broker that waits for its window gives way to one whose certificate
 * expires sooner.
 */
export function next(candidates: readonly Candidate[]): Candidate {
  const hasTurn = ({ judged, situation }: Candidate) =>
    !WITHOUT_TURN.includes(judged.reason) && (judged.reason !== 'promote' || !isLeft(situation));
  const waiting = candidates.filter((candidate) => candidate.judged.pending === true && hasTurn(candidate));
  const left = candidates.find((candidate) => !hasTurn(candidate));
  const chosen =
    waiting.find(({ situation }) => isDown(situation)) ??
    waiting.find(({ judged }) => judged.reason !== 'outside_window') ??
    waiting[0] ??
    left ??
    candidates[0];
  if (chosen === undefined) throw new Error('there is no broker to decide for');
  return chosen;
}

/** A set is promoted for a stopped broker, too, but only after the turn of the brokers that run. */
function isLeft({ memory: { standing } }: Situation): boolean {
  return standing?.answer.ok === true && isLeftAlone(standing.answer.value);
}

function isDown({ memory: { standing } }: Situation): boolean {
  return standing?.answer.ok === true && !standing.answer.value.up;
}

/**
 * How far the roll has progressed, and the first problem of another broker. Restarting a broker that is down costs no
 * availability, so only what the new set does to another broker can block that.
 */
export function peersOf(lead: Candidate, candidates: readonly Candidate[]): Peers {
  const others = candidates.filter((candidate) => candidate !== lead).map(({ situation }) => situation);
  const relevant = isDown(lead.situation) ? others.filter(isInProof) : others;
  const [problem] = relevant.flatMap((other) => problemOf(other) ?? []);
  const named = (pending: boolean) =>
    candidates
      .filter(({ judged }) => (judged.pending ?? false) === pending)
      .map(({ situation }) => situation.name);
  const { files } = lead.situation;
  return {
    done: named(false),
    notDone: named(true),
    fingerprint: files.kind === 'complete' ? files.fingerprint : undefined,
    problem,
  };
}
