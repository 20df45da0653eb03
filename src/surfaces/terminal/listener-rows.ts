/** Rows of `check` about the set of a listener, and about what the broker's user may read. */

import { fixOf, unreadableSentence, userText } from '../../core/judgements/readable.ts';
import { isComparedAt, type Settings } from '../../core/model/settings.ts';
import { WHY_ANOTHER } from '../../core/news/listener.ts';
import type { BrokerStatus, CycleStatus } from '../../core/status/snapshot.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import type { Row } from './row.ts';

/** What the listener presents, compared with the set; or what would make that visible. */
export function listenerRows({ container, listener }: BrokerStatus, settings: Settings): Row[] {
  const name = 'listener';
  if (settings.certRole !== 'listener') return [];
  if (!isComparedAt(settings, container)) {
    const hint = `name the TLS listener in BROKER_URL=mqtts://host:port, one for each broker`;
    return [{ name, level: undefined, message: `nothing shows what ${container} presents`, hint }];
  }
  if (listener === undefined) return [{ name, level: undefined, message: 'was not looked at' }];
  const { seen, isCurrent } = listener;
  if (!seen.ok) {
    const hint = 'check BROKER_URL, and the port of the listener in mosquitto.conf';
    return [{ name, level: 'warning', message: `the listener of ${container} ${seen.problem}`, hint }];
  }
  const until = Number.isNaN(seen.notAfterMs) ? '' : `, valid until ${timestamp(seen.notAfterMs)}`;
  const what = `${container} presents ${seen.subject || 'a certificate'}${until}`;
  if (isCurrent) return [{ name, level: 'ok', message: `${what}, the one on disk` }];
  return [{ name, level: 'warning', message: `${what}, not the one on disk`, hint: WHY_ANOTHER }];
}

/** Whether the broker's user may read the set. */
export function accessRows({ unreadable }: CycleStatus, { brokerUser, mosquittoConf }: Settings): Row[] {
  const name = 'broker user';
  if (brokerUser === undefined || unreadable === undefined || mosquittoConf !== undefined) return [];
  const user = userText(brokerUser);
  if (unreadable.length === 0) return [{ name, level: 'ok', message: `user ${user} may read the set` }];
  return [
    { name, level: 'critical', message: unreadableSentence(user, unreadable), hint: fixOf(unreadable) },
  ];
}
