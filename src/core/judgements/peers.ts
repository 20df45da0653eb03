/**
 * What one broker means for the restart of another: they are restarted one by one, and none while another is not well.
 */

import { allUp } from '../model/bridge.ts';
import { conditionOf, isOverdue, isSteady } from '../model/broker.ts';
import type { BrokerCondition } from '../model/broker-condition.ts';
import { isOurFault, type ProbeVerdict } from '../model/probe.ts';
import { bridgesSettledAt } from '../news/bridges.ts';
import type { Statement } from '../news/condition.ts';
import { liveFiles, type PeerProblem, type Peers, type Situation } from '../situation.ts';

/** A roll over several brokers is halted. */
export function rollStopped(
  { container, problem, hint }: PeerProblem,
  { done, notDone, fingerprint }: Peers,
): Statement {
  const waiting = notDone.filter((name) => name !== container).join(', ');
  return {
    event: 'roll_stopped',
    subject: `${container} ${problem}`,
    details: {
      container,
      fingerprint,
      error: problem,
      // the broker with the problem does not count as done, even if it has been restarted
      done: done.filter((name) => name !== container),
      not_done: notDone,
    },
    message: `${container} ${problem}${waiting === '' ? '' : `; ${waiting} is not restarted until that is resolved`}`,
    hint,
  };
}

/** Why another broker must not be restarted in this broker's current state; undefined if it is well. */
export function problemOf(situation: Situation): PeerProblem | undefined {
  const { name: container, memory, now } = situation;
  const { lastAnswer } = memory;
  const hint = `fix ${container}, or remove it from the list; the roll then continues by itself`;
  if (lastAnswer === undefined)
    return { container, problem: 'has not been looked at yet', hint, isPassing: true };
  const { answer } = lastAnswer;
  if (!answer.ok) return { container, problem: `cannot be seen: ${answer.problem}`, hint };
  const condition = conditionOf(answer.value);
  if (condition === 'paused') {
    const unpause = `resume it with docker unpause ${container} once it need not be paused any more; the roll then continues by itself`;
    return { container, problem: 'is paused', hint: unpause };
  }
  if (memory.start !== undefined) return { container, problem: PROBLEMS.starting, hint, isPassing: true };
  if (condition === 'starting' && isOverdue(answer.value, now.wallMs)) {
    const problem = 'is starting, and its health check has said nothing for longer than it should need';
    return { container, problem, hint };
  }
  if (condition !== 'well') {
    return { container, problem: PROBLEMS[condition], hint, isPassing: condition === 'starting' };
  }
  const why = failureOf(situation);
  if (why !== undefined && !isSteady(answer.value, now.wallMs)) {
    return { container, problem: `was not well after its restart: ${why}`, hint };
  }
  return isOfThisRoll(situation) ? bridgeProblem(situation) : undefined;
}

const PROBLEMS: Readonly<Record<Exclude<BrokerCondition, 'well' | 'paused'>, string>> = {
  starting: 'is starting',
  stopping: 'is being stopped',
  stopped: 'does not run',
  removing: 'is being removed',
  dead: 'is dead',
  crashed: 'has crashed',
  crash_loop: 'crashes again and again',
  unhealthy: 'fails its health check',
};

/** It has been restarted for the set on disk. */
function isOfThisRoll(situation: Situation): boolean {
  const { lastRestart } = situation.memory;
  const files = liveFiles(situation);
  return files.kind === 'complete' && lastRestart?.fingerprint === files.fingerprint;
}

/** The effect of the new set on this broker is not known yet, or was not good. */
export function isInProof(situation: Situation): boolean {
  return situation.memory.start !== undefined || failureOf(situation) !== undefined;
}

/** Why it was not well after its restart for the set on disk; undefined if it was. */
function failureOf(situation: Situation): string | undefined {
  const outcome = isOfThisRoll(situation) ? situation.memory.lastRestart?.outcome : undefined;
  return outcome?.kind === 'unhealthy' ? outcome.why : undefined;
}

/** A bridge that has not come back with the new set, although the upstream can be reached. */
function bridgeProblem(situation: Situation): PeerProblem | undefined {
  const { name, memory, site, now } = situation;
  const { bridges } = memory;
  const { lastVerdict } = site;
  if (bridges === undefined || allUp(bridges.sight) || isUnreachable(lastVerdict?.verdict)) return undefined;
  const isPassing = now.monoMs < (bridgesSettledAt(situation) ?? now.monoMs);
  if (bridges.sight.ok && bridges.sight.bridges.length === 0 && !isPassing) return undefined;
  const problem = 'has been restarted and its bridge is not up';
  const hint = `see docker logs ${name}; the roll continues by itself once the bridge is up`;
  return { container: name, problem, hint, isPassing };
}

/** In that case no bridge can be up, and a site without a network rotates all the same. */
function isUnreachable(verdict: ProbeVerdict | undefined): boolean {
  return verdict?.ok === false && !isOurFault(verdict);
}
