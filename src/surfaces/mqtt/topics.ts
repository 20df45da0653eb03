/** The topics of one watcher, below STATUS_TOPIC. */

import { createHash } from 'node:crypto';

export const HERE = 'online';
export const GONE = 'offline';

export interface Topics {
  readonly state: string;
  readonly availability: string;
  /** contains the topic at which Home Assistant was told, so that it can be taken back when the option is gone */
  readonly announced: string;
}

export function topicsOf(statusTopic: string): Topics {
  return {
    state: `${statusTopic}/state`,
    availability: `${statusTopic}/availability`,
    announced: `${statusTopic}/homeassistant`,
  };
}

/** What Home Assistant allows in the id of a device: letters, digits, `_` and `-`. */
export function objectIdOf(statusTopic: string): string {
  const id = statusTopic.replaceAll('/', '_').replace(/[^\w-]/g, '');
  // two topics that look alike without their special characters are still two devices
  if (/^[a-zA-Z0-9/-]*$/.test(statusTopic)) return id;
  return `${id}_${createHash('sha256').update(statusTopic).digest('hex').slice(0, 8)}`;
}

/** Where Home Assistant looks for the description of a device. */
export function discoveryTopicOf(prefix: string, statusTopic: string): string {
  return `${prefix}/device/${objectIdOf(statusTopic)}/config`;
}

/** Whether it is one that this watcher has used: with any prefix, but with its own id. */
export function isOwnDiscoveryTopic(topic: string, statusTopic: string): boolean {
  const end = `/device/${objectIdOf(statusTopic)}/config`;
  return topic.endsWith(end) && topic.length > end.length && /^[^+#\p{Cc}]+$/u.test(topic);
}
