/** Reports once what the engine's socket grants, as soon as an engine can be asked. */

import type { Clock } from '../adapters/clock.ts';
import { findEngineAccess } from '../adapters/engine/access.ts';
import { explainAccess } from '../core/engine/access.ts';
import { neededCalls, unneededPaths } from '../core/engine/calls.ts';
import type { Settings } from '../core/model/settings.ts';
import type { Announcement } from '../core/news/events.ts';
import { backoffMs } from '../core/text/backoff.ts';

/**
 * Asks, and repeats that while no engine answers: after `CHECK_INTERVAL`, then after pauses that double up to
 * `RESTART_COOLDOWN`. Resolves when it has been reported, or when `stop` aborts.
 */
export async function tellAccess(
  settings: Settings,
  clock: Clock,
  stop: AbortSignal,
  say: (announcement: Announcement) => void,
): Promise<void> {
  const { checkIntervalMs, cooldownMs } = settings;
  const paths = unneededPaths(settings);
  for (let failures = 1; !stop.aborted; failures++) {
    const access = await findEngineAccess(settings.engine, paths, stop);
    if (stop.aborted) return;
    if (access.kind !== 'unknown') {
      const details = { access: access.kind, ...explainAccess(access, neededCalls(settings)) };
      say({ event: 'engine_access', details });
      return;
    }
    await clock.sleep(backoffMs(failures, checkIntervalMs, cooldownMs), stop);
  }
}
