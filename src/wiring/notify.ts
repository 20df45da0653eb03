/** Notifications and heartbeat according to the settings. Loaded only if one of them is configured. */

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { systemClock } from '../adapters/clock.ts';
import { createNotifiedFile, type NotifiedFile } from '../adapters/notified-file.ts';
import { createResolve } from '../adapters/webhook/resolve.ts';
import { createTrust } from '../adapters/webhook/trust.ts';
import { createWebhook, type Webhook } from '../adapters/webhook/webhook.ts';
import type { Delivery } from '../core/model/delivery.ts';
import type { SecretUrl, Settings } from '../core/model/settings.ts';
import type { Announcement } from '../core/news/events.ts';
import { TOLD_NOTHING } from '../core/status/notification.ts';
import { FORMATS } from '../surfaces/notify/formats.ts';
import { senderOf, testMessage } from '../surfaces/notify/message.ts';
import { type Notifier, startNotifier } from '../surfaces/notify/notify.ts';
import { VERSION } from '../system/process/version.ts';
import { stateFilePath } from './adapters.ts';

/** Whichever of the two is configured, running until it is closed. */
export async function notifierOf(
  settings: Settings,
  say: (announcement: Announcement) => void,
): Promise<Notifier> {
  const hooks = webhooksOf(settings);
  const notified = notifiedFileOf(settings);
  return startNotifier({
    settings,
    host: hostname(),
    version: VERSION,
    time: systemClock,
    send: hooks.notify?.post,
    beat: hooks.heartbeat?.get,
    say,
    newId: randomUUID,
    told: (await notified?.load()) ?? TOLD_NOTHING,
    keep: (told) => notified?.keep(told),
  });
}

/** What was notified outlives the process together with the state. */
function notifiedFileOf(settings: Settings): NotifiedFile | undefined {
  const path = stateFilePath(settings);
  if (path === undefined || settings.notifyUrl === undefined) return undefined;
  return createNotifiedFile(`${path}.notified`, JSON.stringify([settings.notifyUrl, settings.notifyFormat]));
}

export interface TestDelivery {
  /** where it goes, without anything secret */
  readonly to: string;
  readonly delivery: Promise<Delivery>;
}

/** Sends one notification that is marked as a test, once. */
export async function sendTest(
  settings: Settings,
  url: SecretUrl,
  signal: AbortSignal,
): Promise<TestDelivery> {
  const hook = webhooksOf({ ...settings, notifyUrl: url }).notify;
  if (hook === undefined) throw new Error('there is an address');
  const message = testMessage(randomUUID(), systemClock.now().wallMs);
  const sender = senderOf(settings, hostname(), VERSION);
  const payload = FORMATS[settings.notifyFormat](message, sender, TOLD_NOTHING);
  return { to: await hook.shown(), delivery: hook.post(payload, signal) };
}

/** Both share the trusted authorities, and one thread for name resolution. */
function webhooksOf({ notifyUrl, heartbeatUrl, notifyCaFile }: Settings): {
  readonly notify: Webhook | undefined;
  readonly heartbeat: Webhook | undefined;
} {
  const shared = {
    resolve: createResolve(),
    trust: createTrust(notifyCaFile),
    userAgent: `mosquitto-cert-watcher/${VERSION}`,
  };
  const hook = (url: SecretUrl | undefined, setting: 'NOTIFY_URL' | 'HEARTBEAT_URL') =>
    url && createWebhook({ ...shared, url, setting });
  return { notify: hook(notifyUrl, 'NOTIFY_URL'), heartbeat: hook(heartbeatUrl, 'HEARTBEAT_URL') };
}
