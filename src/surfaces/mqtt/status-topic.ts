/** Publishes the state of the watcher: which message is due follows from what the loop has published, and from time. */

import type { Moment } from '../../core/model/files.ts';
import type { Settings } from '../../core/model/settings.ts';
import type { Publication } from '../../core/status/cycle.ts';
import { createHistory, record } from '../../core/status/history.ts';
import { discoveryText } from './home-assistant.ts';
import { isNews, type StateDocument, stateDocument, stateText } from './state-document.ts';
import { discoveryTopicOf, isOwnDiscoveryTopic, topicsOf } from './topics.ts';

export interface StatusTopicParts {
  readonly settings: Settings;
  readonly statusTopic: string;
  readonly version: string;
  readonly time: { now(): Moment; sleep(ms: number, signal: AbortSignal): Promise<void> };
  /** Keeps this published, retained; an empty payload removes it. */
  readonly put: (message: { readonly topic: string; readonly payload: string }) => void;
  /** A restart begins or ends: the connection is expected to be lost, and to be possible again, within this time. */
  readonly expectReturn: (forMs: number) => void;
}

export interface StatusTopic {
  /** Records what the loop has published; returns at once. */
  show(publication: Publication): void;
  /** What a watcher before this one, or this one, has left at the topic for it. */
  heardAnnounced(payload: string): void;
  close(): void;
}

/** Without a change, a message is published this often, so that a silent gateway can be told from a calm one. */
export const EVERY_MS = 3_600_000;

/** A loop that has missed its deadline is looked at this much later. */
const STUCK_MARGIN_MS = 1_000;

/** A restart is over by then, or reported as failed. */
const LONGEST_RESTART_MS = 600_000;

/** A broker that is up may still need a moment until it listens. */
const AFTER_RESTART_MS = 30_000;

export function startStatusTopic(parts: StatusTopicParts): StatusTopic {
  const { settings, statusTopic, version, time, put, expectReturn } = parts;
  const { state, announced } = topicsOf(statusTopic);
  const stop = new AbortController();
  let history = createHistory(settings, time.now());
  let published: { readonly document: StateDocument; readonly atMonoMs: number } | undefined;

  function publish() {
    const now = time.now();
    const document = stateDocument(history.snapshot, version, now);
    const isOld = published === undefined || now.monoMs - published.atMonoMs >= EVERY_MS;
    if (!isOld && published !== undefined && !isNews(published.document, document)) return;
    published = { document, atMonoMs: now.monoMs };
    put({ topic: state, payload: stateText(document) });
  }

  /** A loop that is stuck publishes nothing, so this has to. */
  async function watchLoop() {
    while (!stop.signal.aborted) {
      const { monoMs } = time.now();
      const silentMs = Math.max(0, history.snapshot.aliveUntilMonoMs - monoMs) + STUCK_MARGIN_MS;
      const restMs = (published?.atMonoMs ?? monoMs) + EVERY_MS - monoMs;
      await time.sleep(Math.max(STUCK_MARGIN_MS, Math.min(silentMs, restMs)), stop.signal);
      if (!stop.signal.aborted && published !== undefined) publish();
    }
  }

  const { homeassistantPrefix: prefix } = settings;
  const discovery =
    prefix === undefined
      ? undefined
      : {
          topic: discoveryTopicOf(prefix, statusTopic),
          payload: discoveryText(statusTopic, version),
        };
  if (discovery) {
    // first what takes it back later
    put({ topic: announced, payload: discovery.topic });
    put(discovery);
  }
  void watchLoop();

  return {
    show(publication) {
      history = record(history, publication);
      const kind = publication.fact?.kind;
      if (kind === 'restart_asked') expectReturn(LONGEST_RESTART_MS);
      else if (kind === 'restart_dropped') expectReturn(0);
      else if (kind === 'restart_ended' || kind === 'reload_ended') expectReturn(AFTER_RESTART_MS);
      if (history.snapshot.cycle !== undefined) publish();
    },
    heardAnnounced(payload) {
      const [topic, current = ''] = [payload, discovery?.topic];
      if (topic === '' || topic === current) return;
      // whatever a stranger has written there, nothing but a description of this very device is removed
      if (isOwnDiscoveryTopic(topic, statusTopic)) put({ topic, payload: '' });
      put({ topic: announced, payload: current });
    },
    close: () => stop.abort(),
  };
}
