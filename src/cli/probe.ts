/** `probe`: one TLS probe of the upstream with the daemon's settings, for people and for programs. */

import { systemClock } from '../adapters/clock.ts';
import type { HostPort, Settings } from '../core/model/settings.ts';
import {
  probeJsonLine,
  renderPhase,
  renderProbe,
  renderProbeTarget,
} from '../surfaces/terminal/probe-report.ts';
import { tlsProbeOf } from '../wiring/adapters.ts';

export interface ProbeOptions {
  /** one object on one line instead of text */
  readonly json: boolean;
  readonly color: boolean;
}

/**
 * Probes once, whether or not the daemon's own probes are enabled, and writes each phase as it passes, then the
 * verdict. Resolves with the exit code: 0 accepted, 1 failed or interrupted by `stop` (then without a verdict).
 */
export async function probe(
  settings: Settings,
  upstream: HostPort,
  { json, color }: ProbeOptions,
  stop: AbortSignal,
  write: (text: string) => void,
): Promise<number> {
  if (!json) write(renderProbeTarget(upstream, settings.tlsSni));
  const verdict = await tlsProbeOf(settings, upstream).run({
    signal: stop,
    nowMs: systemClock.now().wallMs,
    onPhase: (phase, elapsedMs) => {
      if (!json) write(renderPhase(phase, elapsedMs));
    },
  });
  if (verdict === undefined) return 1;
  write(json ? probeJsonLine(verdict) : `\n${renderProbe(verdict, { color })}`);
  return verdict.ok ? 0 : 1;
}
