/** Which brokers are managed, where their bridges are observed, and the rules between the two. */

import type { Settings, Target } from '../core/model/settings.ts';
import type { Reader } from './reader.ts';
import { TABLE } from './table.ts';

/** One of four ways to name the brokers; the first has a default. */
export function readBrokers(reader: Reader) {
  const { given, read, complain } = reader;
  const target = readTarget(reader);
  const brokerUrls = given(TABLE.brokerUrls) === undefined ? [] : read(TABLE.brokerUrls);
  const reloadStrategy = read(TABLE.reloadStrategy);
  complain(...bridgeProblems(target, brokerUrls, reloadStrategy));
  return { target, targetLabel: target && labelOf(target), brokerUrls, reloadStrategy };
}

function readTarget({ given, read, complain }: Reader): Target | undefined {
  const [names, label, name] = [read(TABLE.container), read(TABLE.label), read(TABLE.service)];
  const unit = read(TABLE.unit);
  const rows = [TABLE.container, TABLE.label, TABLE.service, TABLE.unit];
  const chosen = rows.filter((row) => given(row) !== undefined);
  if (chosen.length > 1) {
    const isUsable = chosen.every((row) => row.parser.parse(given(row) ?? '') !== undefined);
    const both = chosen.map((row) => row.name).join(' and ');
    if (isUsable) complain(`${both} are set; only one of them can say which brokers to restart`);
    return undefined;
  }
  if (label !== undefined) return { kind: 'label', label };
  if (name !== undefined) return { kind: 'service', name };
  if (unit !== undefined) return { kind: 'unit', name: unit };
  return names && { kind: 'containers', names };
}

/** A short name for the brokers of a target. */
function labelOf(target: Target): string {
  switch (target.kind) {
    case 'containers':
      return target.names.join(', ');
    case 'label':
      return `containers with ${target.label}`;
    case 'service':
    case 'unit':
      return target.name;
  }
}

/** Conflicts between the brokers and the addresses where their bridges are observed. */
function bridgeProblems(
  target: Target | undefined,
  brokerUrls: Settings['brokerUrls'] | undefined,
  reloadStrategy: Settings['reloadStrategy'] | undefined,
): string[] {
  if (target === undefined || brokerUrls === undefined) return [];
  const problems: string[] = [];
  const count = target.kind === 'containers' ? target.names.length : 1;
  if (brokerUrls.length > 1 && brokerUrls.length !== count) {
    problems.push(
      `BROKER_URL has ${brokerUrls.length} addresses for ${count} ${count === 1 ? 'broker' : 'brokers'}; give one for all, or one for each name in MOSQUITTO_CONTAINER`,
    );
  }
  if (reloadStrategy !== 'sighup') return problems;
  if (target.kind !== 'containers' && target.kind !== 'unit') {
    problems.push(
      'RELOAD_STRATEGY=sighup needs MOSQUITTO_CONTAINER or MOSQUITTO_UNIT: each broker is asked by itself',
    );
  } else if (brokerUrls.length !== count) {
    problems.push(
      'RELOAD_STRATEGY=sighup needs BROKER_URL, one for each broker: without it nothing proves that a signal was enough',
    );
  }
  return problems;
}
