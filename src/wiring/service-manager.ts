/** What systemd is told, where it listens. Loaded only then. */

import { systemClock } from '../adapters/clock.ts';
import { notifyServiceManager } from '../adapters/systemd/notify.ts';
import type { Settings } from '../core/model/settings.ts';
import type { Announcement } from '../core/news/events.ts';
import { type Reporter, startReporter } from '../surfaces/service-manager.ts';

/** Reports to it until it is closed. */
export function reporterOf(
  settings: Settings,
  watchdogMs: number | undefined,
  say: (announcement: Announcement) => void,
): Reporter {
  return startReporter({ settings, time: systemClock, watchdogMs, send: notifyServiceManager, say });
}
