/** Judgements of a broker that somebody has stopped or paused: it is left to them. */

import { type BrokerState, conditionOf, isLeftAlone } from '../model/broker.ts';
import type { Statement } from '../news/condition.ts';
import { pause } from '../news/standing.ts';
import type { SetSituation } from '../situation.ts';
import type { Verdict } from './verdict.ts';

export function brokerNotRunning(situation: SetSituation): Verdict | undefined {
  const { name, broker, memory, isOursToStart, isToBePromoted, files } = situation;
  if (broker?.ok !== true || !isLeftAlone(broker.value) || isOursToStart || isToBePromoted) return undefined;
  const condition = conditionOf(broker.value);
  if (condition === 'paused') return undefined;
  const { id, status } = broker.value;
  const single = broker.value.kind === 'service' ? undefined : broker.value;
  const isDead = condition === 'dead';
  const stopped: Statement = {
    event: 'broker_not_running',
    subject: `${id} ${single?.finishedAt} ${condition}`,
    details: { container: name, status, exit_code: single?.exitCode, fingerprint: files.fingerprint },
    message: `${name} ${whatStopped(broker.value)} and is left alone: ${whenItReads(broker.value)}`,
    hint: isDead
      ? `the engine could not remove it and will not start it: remove it with docker rm --force ${name}, and create it again`
      : unmaskHint(broker.value),
  };
  return {
    sentence: stopped.message,
    conditions: [stopped],
    pending: true,
    untilMonoMs: memory.standing?.askAgainMonoMs,
  };
}

function unmaskHint(broker: BrokerState): string | undefined {
  if (broker.kind !== 'unit' || !broker.masked) return undefined;
  return `if the broker should run: systemctl unmask ${broker.id} && systemctl start ${broker.id}`;
}

function whenItReads(broker: BrokerState): string {
  return broker.kind === 'service' && broker.desired > 0
    ? 'the swarm starts its tasks, and they read the new certificates then'
    : 'it reads the new certificates when it is started';
}

function whatStopped(broker: BrokerState): string {
  if (broker.kind === 'service') {
    if (broker.desired === 0) return 'is scaled to no task';
    return broker.hasRun ? 'has no running task' : 'has not started yet';
  }
  if (broker.kind === 'unit' && broker.masked) return 'is masked';
  switch (conditionOf(broker)) {
    case 'starting':
      return 'is being started';
    case 'stopping':
      return 'is being stopped';
    case 'removing':
      return 'is being removed';
    case 'dead':
      return 'was to be removed, is dead';
    default:
      // systemd forgets a unit that is at rest
      if (broker.kind === 'unit') return 'is stopped';
      return broker.startedAtMs === undefined ? 'was never started' : 'was stopped';
  }
}

/** Any restart, for whatever reason, would end the pause. */
export function brokerPaused({
  name,
  broker,
  memory,
  isOursToStart,
  isToBePromoted,
  files,
}: SetSituation): Verdict | undefined {
  if (broker?.ok !== true || conditionOf(broker.value) !== 'paused' || isOursToStart || isToBePromoted)
    return undefined;
  const message = `${name} is paused and is left alone: it is restarted for the new certificates once it is resumed`;
  return {
    sentence: message,
    conditions: [pause(name, files.fingerprint, broker.value, message)],
    pending: true,
    untilMonoMs: memory.standing?.askAgainMonoMs,
  };
}
