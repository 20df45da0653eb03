/** Where the watcher publishes its own state, and what that needs. */

import type { Reader } from './reader.ts';
import { TABLE } from './table.ts';

/** Neither works alone: a state is published through the connection of `BROKER_URL`, and Home Assistant shows it. */
export function readStatusTopic({ given, read, complain }: Reader) {
  const [statusTopic, homeassistantPrefix] = [read(TABLE.statusTopic), read(TABLE.homeassistantPrefix)];
  if (statusTopic !== undefined && given(TABLE.brokerUrls) === undefined) {
    complain('STATUS_TOPIC needs BROKER_URL: the broker at which the state is published');
  }
  if (homeassistantPrefix !== undefined && given(TABLE.statusTopic) === undefined) {
    complain('HOMEASSISTANT_PREFIX needs STATUS_TOPIC: the state that Home Assistant shows');
  }
  return { statusTopic, homeassistantPrefix };
}
