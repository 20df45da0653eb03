/**
 * Several brokers, one decision: each is decided for by itself, as if it were the only one, and this says whose
 * turn it is. They are restarted one by one, and none while another one is not well. Pure.
 */

import { allUp } from './bridge.ts';
import { conditionOf, isSteady } from './broker.ts';
import { bridgesSettledAt, messageOf, ofBridges, rollStopped } from './conditions.ts';
import { type Decision, decide } from './decide.ts';
import type { Condition } from './events.ts';
import type { View } from './facts.ts';
import { isOurFault, type ProbeVerdict } from './probe.ts';

/** The decision of a cycle, and the broker that it is about. */
export interface Roll {
  readonly lead: View;
  readonly decision: Decision;
}

/** One broker with what would be decided if it were the only one. */
interface Turn {
  readonly view: View;
  readonly decision: Decision;
}

/** Why no other broker may be restarted now. */
export interface Obstacle {
  readonly container: string;
  /** continues its name: `does not run` */
  readonly problem: string;
  readonly hint: string;
  /** it will be over by itself in a moment: not worth a complaint */
  readonly isPassing: boolean;
}

/** The decision for brokers that see the same files, in the order in which they are restarted; at least one. */
export function decideRoll(views: readonly View[]): Roll {
  const turns = views.map((view) => ({ view, decision: decide(view) }));
  const lead = leadOf(turns);
  if (lead === undefined) throw new Error('there is no broker to decide for');
  if (turns.length === 1) return { lead: lead.view, decision: lead.decision };
  const decision = heedOthers(lead, turns);
  return {
    lead: lead.view,
    decision: {
      ...decision,
      steps: stepsOf(decision, turns),
      conditions: [
        ...decision.conditions.map((condition) => ofBroker(condition, lead.view)),
        ...bridgesOfOthers(lead, turns),
      ],
      nextLookMonoMs: Math.min(...turns.map((turn) => turn.decision.nextLookMonoMs)),
    },
  };
}

/**
 * Whose turn it is: of those that wait for the set on disk, one that is down, because nobody misses it, or else the
 * first. One that was stopped on purpose reads the set when it is started and has no turn.
 */
function leadOf(turns: readonly Turn[]): Turn | undefined {
  const waiting = turns.filter(
    ({ decision }) => decision.pending && decision.reason !== 'broker_not_running',
  );
  const stopped = turns.find(({ decision }) => decision.reason === 'broker_not_running');
  return waiting.find(({ view }) => isDown(view)) ?? waiting[0] ?? stopped ?? turns[0];
}

function isDown({ memory: { broker } }: View): boolean {
  return broker?.answer.ok === true && !broker.answer.value.up;
}

/** The lead's decision, unless another broker is in the way of its restart. */
function heedOthers(lead: Turn, turns: readonly Turn[]): Decision {
  const { view, decision } = lead;
  if (decision.reason === 'engine_failed') {
    return { ...decision, conditions: [...decision.conditions, ...engineFailure(view, turns)] };
  }
  // a broker that is down is missed by nobody; what the new set has done to another one still stops the roll
  const others = turns.filter(
    (turn) => turn !== lead && (!isDown(view) || failureOf(turn.view) !== undefined),
  );
  const [obstacle] = others.flatMap((turn) => obstacleOf(turn.view) ?? []);
  if (decision.reason !== 'restart' || obstacle === undefined) return decision;
  const condition = stopFor(obstacle, turns);
  return {
    ...decision,
    reason: 'roll_stopped',
    path: decision.path.filter((state) => state !== 'RESTART_MOSQUITTO'),
    sentence: messageOf(condition),
    conditions: obstacle.isPassing ? decision.conditions : [...decision.conditions, condition],
    steps: decision.steps.filter(({ kind }) => kind !== 'restart'),
  };
}

/** The first failure stops the roll. */
function engineFailure({ memory, settings }: View, turns: readonly Turn[]): Condition[] {
  const answer = memory.broker?.answer;
  if (answer === undefined || answer.ok) return [];
  const problem = `could not be restarted: ${answer.problem}`;
  const { container } = settings;
  return [stopFor({ container, problem, hint: answer.hint, isPassing: false }, turns)];
}

/** What speaks against a restart of another broker while this one is as it is; undefined if it is well. */
function obstacleOf(view: View): Obstacle | undefined {
  const { memory, settings, now } = view;
  const { container } = settings;
  const { glance } = memory;
  const hint = `mend ${container}, or take it off the list; the roll goes on by itself`;
  if (glance === undefined)
    return { container, problem: 'has not been looked at yet', hint, isPassing: true };
  const { answer } = glance;
  if (!answer.ok) return { container, problem: `cannot be seen: ${answer.problem}`, hint, isPassing: false };
  const condition = conditionOf(answer.value);
  if (condition !== 'well') {
    return { container, problem: PROBLEMS[condition], hint, isPassing: condition === 'starting' };
  }
  const why = failureOf(view);
  if (why !== undefined && !isSteady(answer.value, now.wallMs)) {
    const problem = `was not well after its restart: ${why}`;
    return { container, problem, hint, isPassing: false };
  }
  return isOfThisRoll(view) ? bridgeObstacle(view) : undefined;
}

/** It has been restarted for the set that lies on disk. */
function isOfThisRoll({ files, memory: { lastRestart } }: View): boolean {
  return files.kind === 'complete' && lastRestart?.fingerprint === files.fingerprint;
}

/** Why it was not well after that; undefined if it was. */
function failureOf(view: View): string | undefined {
  const outcome = isOfThisRoll(view) ? view.memory.lastRestart?.outcome : undefined;
  return outcome?.kind === 'unhealthy' ? outcome.why : undefined;
}

/** A bridge that the new set has not brought back, although the upstream can be reached. */
function bridgeObstacle(view: View): Obstacle | undefined {
  const { memory, settings, now } = view;
  const { bridges, lastVerdict } = memory;
  if (bridges === undefined || allUp(bridges.sight) || isUnreachable(lastVerdict?.verdict)) return undefined;
  const isPassing = now.monoMs < (bridgesSettledAt(view) ?? now.monoMs);
  if (bridges.sight.ok && bridges.sight.bridges.length === 0 && !isPassing) return undefined;
  const problem = 'has been restarted and its bridge is not up';
  const hint = `see docker logs ${settings.container}; the roll goes on by itself when the bridge is up`;
  return { container: settings.container, problem, hint, isPassing };
}

/** Then no bridge can be up, and a site without a network rotates all the same. */
function isUnreachable(verdict: ProbeVerdict | undefined): boolean {
  return verdict?.ok === false && !isOurFault(verdict);
}

const PROBLEMS = {
  starting: 'is starting',
  stopped: 'does not run',
  crashed: 'has crashed',
  crash_loop: 'crashes again and again',
  unhealthy: 'fails its health check',
} as const;

function stopFor(obstacle: Obstacle, turns: readonly Turn[]): Condition {
  const isWaiting = ({ decision }: Turn) => decision.pending;
  const names = (some: readonly Turn[]) => some.map(({ view }) => view.settings.container);
  const fingerprint = turns
    .map(({ view }) => (view.files.kind === 'complete' ? view.files.fingerprint : undefined))
    .find((each) => each !== undefined);
  return rollStopped(obstacle, {
    // the one in the way is not done, even if it has been restarted
    done: names(turns.filter((turn) => !isWaiting(turn))).filter((name) => name !== obstacle.container),
    notDone: names(turns.filter(isWaiting)),
    fingerprint,
  });
}

/** Bridges are told of for every broker, whoever has its turn. */
function bridgesOfOthers(lead: Turn, turns: readonly Turn[]): Condition[] {
  const said = new Set(ofBridges(lead.view).map(({ about }) => about));
  return turns.flatMap(({ view }) => ofBridges(view)).filter(({ about }) => !said.has(about));
}

/** Every broker that turns out to have the set is remembered in the same cycle; at most one is restarted. */
function stepsOf(decision: Decision, turns: readonly Turn[]): Decision['steps'] {
  const adoptions = turns.flatMap((turn) => turn.decision.steps.filter(({ kind }) => kind === 'adopt'));
  return [...decision.steps.filter(({ kind }) => kind !== 'adopt'), ...adoptions].toSorted(
    (a, b) => ORDER[a.kind] - ORDER[b.kind],
  );
}

const ORDER = { probe: 0, adopt: 1, conclude: 1, restart: 2 } as const;

/** What is so of one broker is news when it becomes so of the next. */
function ofBroker(condition: Condition, { settings }: View): Condition {
  if (!('container' in condition.details)) return condition;
  return { ...condition, about: [condition.about, settings.container].filter(Boolean).join(' ') };
}
