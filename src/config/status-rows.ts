/** The settings of what the watcher publishes over MQTT. */

import { entry } from './entry.ts';
import * as parsers from './parsers.ts';

export const STATUS_ROWS = {
  statusTopic: entry(
    'STATUS_TOPIC',
    undefined,
    parsers.topic,
    'topic below which to publish the state at BROKER_URL: `cert-watcher/edge-1`',
  ),
  homeassistantPrefix: entry(
    'HOMEASSISTANT_PREFIX',
    undefined,
    parsers.topic,
    'discovery prefix of Home Assistant (`homeassistant`): show STATUS_TOPIC there',
  ),
} as const;
