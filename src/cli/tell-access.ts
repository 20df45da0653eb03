/** Says once what the engine's socket grants, as soon as there is an engine to ask. */

import type { Clock } from '../adapters/clock.ts';
import { findEngineAccess } from '../adapters/engine/access.ts';
import { explainAccess } from '../core/engine-access.ts';
import { neededCalls, unneededPaths } from '../core/engine-calls.ts';
import type { Announcement } from '../core/events.ts';
import type { Settings } from '../core/settings.ts';

/**
 * Asks, and as long as no engine answers, again: after `CHECK_INTERVAL`, then after pauses that double up to
 * `RESTART_COOLDOWN`. Resolves when it has been said, or when `stop` aborts.
 */
export async function tellAccess(
  settings: Settings,
  clock: Clock,
  stop: AbortSignal,
  say: (announcement: Announcement) => void,
): Promise<void> {
  const { checkIntervalMs, cooldownMs } = settings;
  const paths = unneededPaths(settings);
  for (let pauseMs = checkIntervalMs; !stop.aborted; ) {
    const access = await findEngineAccess(settings.engine, paths, stop);
    if (stop.aborted) return;
    if (access.kind !== 'unknown') {
      const details = { access: access.kind, ...explainAccess(access, neededCalls(settings)) };
      say({ event: 'engine_access', details });
      return;
    }
    await clock.sleep(pauseMs, stop);
    pauseMs = Math.max(checkIntervalMs, Math.min(2 * pauseMs, cooldownMs));
  }
}
