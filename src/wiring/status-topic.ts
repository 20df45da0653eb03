/** The state of the watcher over MQTT, according to the settings. Loaded only if it is configured. */

import type { BridgeClient } from '../adapters/broker-listener/bridges.ts';
import { createVoice, type Voice } from '../adapters/broker-listener/voice.ts';
import { systemClock } from '../adapters/clock.ts';
import type { Settings } from '../core/model/settings.ts';
import { type StatusTopic, startStatusTopic } from '../surfaces/mqtt/status-topic.ts';
import { GONE, HERE, topicsOf } from '../surfaces/mqtt/topics.ts';
import { VERSION } from '../system/process/version.ts';

export interface Speaker {
  /** for the connection to the broker */
  readonly voice: Voice;
  /** Begins to publish through this connection. */
  start(client: Pick<BridgeClient, 'expectReturn'>): StatusTopic;
}

/** Publishes at the first address of BROKER_URL. */
export function speakerOf(settings: Settings, statusTopic: string): Speaker {
  const { availability, announced } = topicsOf(statusTopic);
  let topic: StatusTopic | undefined;
  const voice = createVoice({
    presence: { topic: availability, here: HERE, gone: GONE },
    topics: [announced],
    onHeard: ({ payload }) => topic?.heardAnnounced(payload),
  });
  return {
    voice,
    start({ expectReturn }) {
      const { put } = voice;
      const time = systemClock;
      topic = startStatusTopic({ settings, statusTopic, version: VERSION, time, put, expectReturn });
      return topic;
    },
  };
}
