/** When this host's share of RESTART_SPLAY has passed. */

import { LAST_HOUR_MS, nextOpening } from '../model/calendar.ts';
import type { Moment } from '../model/files.ts';
import type { Settings } from '../model/settings.ts';
import type { BrokerMemory } from './memory.ts';

/** However long the splay, the broker is restarted at least this long before its old certificate expires. */
const SPLAY_MARGIN_MS = 600_000;

/** If it is not known when the old certificate expires, there is no splay: any delay could be too long. */
export function splayEnd(
  {
    now,
    memory,
    settings,
  }: { readonly now: Moment; readonly memory: BrokerMemory; readonly settings: Settings },
  stableAtMonoMs: number,
): number {
  const { splayMs, restartWindow } = settings;
  const notAfterMs = memory.applied?.notAfterMs;
  if (notAfterMs === undefined || splayMs === 0) return stableAtMonoMs;
  const monoOf = (wallMs: number) => now.monoMs + (wallMs - now.wallMs);
  if (restartWindow === undefined) {
    return Math.max(stableAtMonoMs, Math.min(stableAtMonoMs + splayMs, monoOf(notAfterMs - SPLAY_MARGIN_MS)));
  }
  const { opensAtMs, closesAtMs } = nextOpening(restartWindow, now.wallMs);
  const opensAtMonoMs = monoOf(opensAtMs);
  // a fleet that has waited for its window is spread over it, and no share is longer than the window
  const endMonoMs =
    opensAtMonoMs > stableAtMonoMs
      ? opensAtMonoMs + (splayMs % (closesAtMs - opensAtMs))
      : stableAtMonoMs + splayMs;
  return Math.max(stableAtMonoMs, Math.min(endMonoMs, monoOf(notAfterMs - LAST_HOUR_MS)));
}
