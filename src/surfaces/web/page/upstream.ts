/** The card of the upstream, as the probes found it. */

import { probeSentence } from '../../../core/model/probe.ts';
import { type Level, probeLevel } from '../../../core/status/assess.ts';
import type { CycleStatus, ProbeRecord, Snapshot } from '../../../core/status/snapshot.ts';
import { hostPort } from '../../../core/text/address.ts';
import { clip } from '../../../core/text/clip.ts';
import { formatDuration } from '../../../core/text/duration.ts';
import { type Countdown, counter } from './countdown.ts';
import { html, type Markup } from './html.ts';
import { heading } from './parts.ts';
import { clock, dayAndClock, sentenceCase } from './words.ts';

export function upstreamCard(snapshot: Snapshot, count: Countdown): Markup {
  const { settings, probes, cycle } = snapshot;
  const { upstream } = settings;
  const address = upstream && hostPort(upstream);
  return html`<section class="card" aria-labelledby="upstream">${heading('upstream', html`Upstream ${settings.probeEnabled && html`<span class="mono">${address}</span>`}`, upstreamLevel(snapshot))}
${settings.probeEnabled ? probeVerdict(snapshot) : html`<p class="quiet">The probe is switched off (<code>ENABLE_TLS_PROBE=false</code>): nothing checks whether the upstream accepts the certificates.</p>`}
${settings.probeEnabled && probeHistory(probes)}
${settings.probeEnabled && cycle !== undefined && probeOutlook(cycle, count)}
</section>`;
}

/** Undefined if probes are off. */
function upstreamLevel({ settings, lastProbe }: Snapshot): Level | undefined {
  if (!settings.probeEnabled) return undefined;
  if (lastProbe === undefined) return 'unknown';
  return lastProbe.verdict.ok ? 'ok' : probeLevel(lastProbe.verdict);
}

function probeVerdict({ lastProbe, cycle }: Snapshot): Markup {
  if (lastProbe === undefined) {
    return html`<p class="lead tone-unknown">${cycle?.probeRunning ? 'Being probed for the first time' : 'Not probed yet'}</p>`;
  }
  const { verdict, atMs } = lastProbe;
  if (verdict.ok) {
    const words = verdict.proof === 'connack' ? 'let us log in' : 'raised no objection';
    return html`<p class="lead tone-ok">Accepts the client certificate</p><p class="quiet">It ${words} at ${clock(atMs)} UTC, after ${formatDuration(verdict.durationMs)}.</p>
<dl><dt>Connection</dt><dd>${[verdict.protocol, verdict.cipher].filter(Boolean).join(', ')} ${verdict.address && `to ${verdict.address}`}</dd>${verdict.server && html`<dt>Its certificate</dt><dd>${clip(verdict.server.subject)}, ${verdict.server.daysRemaining} days left</dd>`}</dl>`;
  }
  return html`<p class="lead tone-${probeLevel(verdict)}">${sentenceCase(probeSentence(verdict))}</p><p>${sentenceCase(clip(verdict.hint))}.</p>
<dl><dt>Cause</dt><dd class="mono">${verdict.cause}</dd><dt>Error</dt><dd>${clip(verdict.error)}</dd><dt>Phase</dt><dd>${verdict.phase}, after ${formatDuration(verdict.durationMs)}, at ${clock(atMs)} UTC</dd></dl>`;
}

const SLOTS = 60;

/** One stroke per probe, the latest at the right; failures are short as well as red. */
function probeHistory(probes: readonly ProbeRecord[]): Markup | undefined {
  if (probes.length === 0) return undefined;
  const shown = probes.slice(-SLOTS);
  const failed = shown.filter(({ ok }) => !ok);
  const causes = [...new Set(failed.map(({ cause }) => cause))].join(', ');
  const words = `Last ${shown.length === 1 ? 'probe' : `${shown.length} probes`}: ${shown.length - failed.length} succeeded, ${failed.length} failed${causes && ` (${causes})`}`;
  const strokes = Array.from({ length: SLOTS }, (_, slot) =>
    stroke(shown[slot - (SLOTS - shown.length)], slot),
  );
  return html`<svg class="history" viewBox="0 0 ${SLOTS * 5} 34" preserveAspectRatio="none" role="img" aria-label="${words}">${strokes}</svg><p class="legend">${words}</p>`;
}

function stroke(probe: ProbeRecord | undefined, slot: number): Markup {
  const x = slot * 5 + 0.5;
  if (probe === undefined) return html`<rect class="none" x="${x}" y="30" width="4" height="3"/>`;
  const words = `${dayAndClock(probe.atMs)} UTC: ${probe.cause ?? 'accepted'}, ${formatDuration(probe.durationMs)}`;
  return probe.ok
    ? html`<rect class="good" x="${x}" y="3" width="4" height="30"><title>${words}</title></rect>`
    : html`<rect class="bad" x="${x}" y="19" width="4" height="14"><title>${words}</title></rect>`;
}

function probeOutlook({ probeRunning, nextProbeAtMs }: CycleStatus, countTo: Countdown): Markup | undefined {
  if (probeRunning) return html`<p class="legend">A probe is under way.</p>`;
  const count = countTo(nextProbeAtMs);
  return count && html`<p class="legend">Next probe in ${counter(count)}</p>`;
}
