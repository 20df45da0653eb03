/** A broker that is not well, in one sentence for people. */

import type { BrokerState } from '../model/broker.ts';
import type { BrokerCondition } from '../model/broker-condition.ts';
import type { ServiceState } from '../model/service.ts';
import { endOfUnit, type UnitState } from '../model/unit.ts';

/** `mosquitto has crashed with exit code 3`. */
export function brokerSentence(
  name: string,
  condition: Exclude<BrokerCondition, 'well' | 'starting'>,
  broker: BrokerState,
): string {
  if (broker.kind === 'service') return `${name} ${tasksSentence(broker)}`;
  if (broker.kind === 'unit') return `${name} ${unitSentence(condition, broker)}`;
  const { exitCode, startError } = broker;
  const sentences = {
    paused: 'is paused',
    stopping: 'is being stopped',
    stopped: 'does not run',
    removing: 'is being removed',
    dead: 'is dead: the engine could not remove it, and does not start it again',
    crashed:
      startError === '' ? `has crashed with exit code ${exitCode}` : `could not be started: ${startError}`,
    crash_loop: `crashes again and again, with exit code ${exitCode}; its restart policy starts it again`,
    unhealthy: 'fails its health check',
  };
  return `${name} ${sentences[condition]}`;
}

function unitSentence(condition: BrokerCondition, unit: UnitState): string {
  switch (condition) {
    case 'crashed':
      return `has failed: ${endOfUnit(unit)}`;
    case 'crash_loop':
      return `crashes again and again (${endOfUnit(unit)}); systemd starts it again`;
    case 'paused':
      return 'is frozen';
    case 'stopping':
      return 'is being stopped';
    default:
      return unit.masked ? 'does not run, and is masked' : 'does not run';
  }
}

function tasksSentence({ running, desired, coming, hasRun }: ServiceState): string {
  if (desired === 0) return 'is scaled to no task';
  if (running > 0) return `runs ${running} of ${desired} tasks`;
  if (!hasRun) return 'has not started yet: none of its tasks has run';
  return coming > 0
    ? 'does not run: its tasks die, and the swarm starts them again'
    : 'does not run: all its tasks have ended';
}
