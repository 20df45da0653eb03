/** Notifications and heartbeat: connects the history, the notifications that follow from it, and their delivery. */

import type { Delivery, Payload } from '../../core/model/delivery.ts';
import type { Settings } from '../../core/model/settings.ts';
import type { Announcement } from '../../core/news/events.ts';
import type { Publication } from '../../core/status/cycle.ts';
import { createHistory, record } from '../../core/status/history.ts';
import { isAlive } from '../../core/status/liveness.ts';
import { isStillUnknown, notificationDue, type Told } from '../../core/status/notification.ts';
import { type Courier, createCourier, type Time } from './courier.ts';
import { FORMATS } from './formats.ts';
import { keepBeating } from './heartbeat.ts';
import { senderOf } from './message.ts';
import { createTrouble } from './trouble.ts';

export interface NotifierParts {
  readonly settings: Settings;
  readonly host: string;
  readonly version: string;
  readonly time: Time;
  /** undefined: notifications are off. Always ends, and never rejects */
  readonly send: ((payload: Payload, signal: AbortSignal) => Promise<Delivery>) | undefined;
  /** undefined: the heartbeat is off. Always ends, and never rejects */
  readonly beat: ((signal: AbortSignal) => Promise<Delivery>) | undefined;
  /** something could not be delivered */
  readonly say: (announcement: Announcement) => void;
  readonly newId: () => string;
  /** what a predecessor has delivered */
  readonly told: Told;
  /** remembers what has been delivered for a successor; returns at once */
  readonly keep: (told: Told) => void;
}

export interface Notifier {
  /** Records what the loop has published; returns at once. */
  show(publication: Publication): void;
  /** Ends every attempt and every wait, at once. */
  close(): void;
}

/** A loop that has missed its deadline is checked this much later. */
const STUCK_MARGIN_MS = 1_000;

export function startNotifier(parts: NotifierParts): Notifier {
  const { settings, time, beat, say } = parts;
  const stop = new AbortController();
  const courier = courierOf(parts);
  let history = createHistory(settings, time.now());
  let { told } = parts;
  let isBeating = false;

  function notify() {
    const due = courier && notificationDue(told, history.snapshot, settings.notifyLevel, time.now());
    if (due === undefined) return;
    const isInherited = told === parts.told;
    if (due.now.level === 'ok' && isInherited && isStillUnknown(told, history.snapshot)) return;
    told = due.now;
    courier?.post(due);
  }

  /** A loop that is stuck publishes nothing, so this has to report it. */
  async function watchLoop() {
    while (!stop.signal.aborted) {
      const silentMs = history.snapshot.aliveUntilMonoMs - time.now().monoMs;
      await time.sleep(Math.max(0, silentMs) + STUCK_MARGIN_MS, stop.signal);
      if (!stop.signal.aborted) notify();
    }
  }

  function startBeating() {
    if (beat === undefined || isBeating) return;
    isBeating = true;
    const trouble = createTrouble('heartbeat', time.now, say);
    const { heartbeatIntervalMs: intervalMs } = settings;
    const isLoopAlive = () => isAlive(history.snapshot, time.now().monoMs);
    void keepBeating({ time, intervalMs, beat, isAlive: isLoopAlive, trouble }, stop.signal);
  }

  if (courier !== undefined) void watchLoop();
  return {
    show(publication) {
      history = record(history, publication);
      if (publication.cycle === undefined) return;
      notify();
      startBeating();
    },
    close() {
      stop.abort();
      courier?.close();
    },
  };
}

function courierOf({ settings, host, version, ...parts }: NotifierParts): Courier | undefined {
  const { send, time, say, newId, told, keep } = parts;
  if (send === undefined) return undefined;
  const sender = senderOf(settings, host, version);
  const trouble = createTrouble('notifications', time.now, say);
  const format = FORMATS[settings.notifyFormat];
  return createCourier({ time, format, sender, send, trouble, newId, told, keep });
}
