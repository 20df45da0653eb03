/** When the upstream is probed. */

import type { ProbeProgress } from '../memory/memory.ts';
import { holdOf } from '../model/probe.ts';
import type { Settings } from '../model/settings.ts';
import type { ProbeStep } from '../model/step.ts';
import { quietSince, type Situation } from '../situation.ts';

/** A held restart is probed again after this time if no probe interval is set. */
const REPROBE_MS = 60_000;

/**
 * A set is probed once it has been unchanged for this time, or for a tenth of the stability window if that is shorter.
 */
const QUIET_MS = 1_000;

/** Whether a probe is due now, or the monotonic milliseconds of the next; neither if none is scheduled. */
export interface ProbeDue {
  readonly step?: ProbeStep;
  readonly atMonoMs?: number;
}

/**
 * Whether a probe is due. A new set is probed as soon as it has been unchanged for a moment, so that the verdict is
 * known when the stability window ends; the same set is probed again after the probe interval, or when the operator
 * asks.
 */
export function probeDue(situation: Situation): ProbeDue {
  const { now, files, site, settings } = situation;
  if (!settings.probeEnabled || files.kind !== 'complete') return {};
  if (files.sets === undefined && files.leaf.notBeforeMs > now.wallMs) return {};
  const probe = site.probe?.identity === files.identity ? site.probe : undefined;
  if (probe?.running === true) return {};
  const atMonoMs = site.requests.look
    ? now.monoMs
    : probe?.verdictAtMs === undefined
      ? quietSince(situation) + Math.min(QUIET_MS, settings.stabilityWindowMs / 10)
      : probe.verdictAtMs + reprobeAfter(probe, settings);
  if (now.monoMs < atMonoMs) return { atMonoMs };
  return { step: { kind: 'probe', identity: files.identity, fingerprint: files.fingerprint } };
}

function reprobeAfter(probe: ProbeProgress, settings: Settings): number {
  if (settings.probeIntervalMs > 0) return settings.probeIntervalMs;
  return holdOf(settings.probeGate, probe) !== undefined ? REPROBE_MS : Number.POSITIVE_INFINITY;
}
