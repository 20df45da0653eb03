/**
 * The status page at `/`: one self-contained document, rendered from the snapshot. It loads nothing, and its
 * Content-Security-Policy allows no script and no style but its own.
 */

import { createHash } from 'node:crypto';
import { type Assessment, brokerLevel, type Finding, type Level, probeLevel } from '../core/assess.ts';
import type { Reason } from '../core/branches.ts';
import { type BrokerCondition, conditionOf } from '../core/broker.ts';
import { formatDuration } from '../core/duration.ts';
import type { Moment } from '../core/observation.ts';
import { probeSentence } from '../core/probe.ts';
import {
  assessmentAt,
  type BrokerStatus,
  type CertificateStatus,
  type CycleStatus,
  isAlive,
  neverSeen,
  type PairStatus,
  type ProbeRecord,
  type RestartRecord,
  type Snapshot,
} from '../core/snapshot.ts';
import { clip } from '../core/summary.ts';
import { html, type Markup, trusted } from './html.ts';
import { diagram } from './status-page-diagram.ts';
import { SCRIPT } from './status-page-script.ts';
import { STYLE } from './status-page-style.ts';

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src '${hashOf(SCRIPT)}'`,
  `style-src '${hashOf(STYLE)}'`,
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  ok: 'OK',
  warning: 'Warning',
  critical: 'Critical',
  unknown: 'Starting',
};

/** The same of one part, where it is heard and not seen. */
const MARK_WORDS: Readonly<Record<Level, string>> = { ...LEVEL_WORDS, unknown: 'Not known yet' };

/** The whole page. */
export function statusPage(snapshot: Snapshot, version: string, now: Moment): string {
  const assessment = assessmentAt(snapshot, now);
  // what a loop that is stuck waits for does not come
  const isStuck = !isAlive(snapshot, now.monoMs);
  const count: Countdown = (untilMs) => (isStuck ? undefined : countdown(untilMs, now.wallMs));
  const { container } = snapshot.settings;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="version" content="${version}">
<meta name="color-scheme" content="light dark">
<title>${LEVEL_WORDS[assessment.level]}: certificates of ${container}</title>
<link rel="icon" href="${favicon(assessment.level)}">
<style>${trusted(STYLE)}</style>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body data-now="${Math.round(now.wallMs)}" class="body${isStuck && ' stuck'}">
<div class="page">
<header class="bar"><h1>Certificates of ${container}</h1><p id="connection"><span class="dot"></span><span class="text">${clock(now.wallMs)} UTC</span></p></header>
<p id="gone" role="status"></p>
<main>
${verdictSection(snapshot, assessment, count)}
<div class="columns">
<div class="column first">
${certificatesCard(snapshot, assessment)}
${upstreamCard(snapshot, count)}
</div>
<div class="column second">
${brokerCard(snapshot, assessment)}
${eventsCard(snapshot, now)}
</div>
${diagramCard(snapshot, assessment, count)}
</div>
</main>
<footer><span>mosquitto-cert-watcher ${version}, running since ${dayAndClock(snapshot.started.wallMs)} UTC</span><a href="status.json">status.json</a><a href="metrics">metrics</a><a href="healthz">healthz</a></footer>
</div>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`;
  return page.markup;
}

const FAVICON_COLOURS: Readonly<Record<Level, string>> = {
  ok: '23704a',
  warning: 'd08a00',
  critical: 'c0392b',
  unknown: '607080',
};

function favicon(level: Level): string {
  const picture = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='#${FAVICON_COLOURS[level]}'/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

/** What is left until then, as markup that the script keeps counting; undefined if nothing comes then. */
type Countdown = (untilMs: number | undefined) => Count | undefined;

interface Count {
  readonly untilMs: number;
  /** for those who run no script */
  readonly left: string;
}

function countdown(untilMs: number | undefined, nowMs: number): Count | undefined {
  if (untilMs === undefined) return undefined;
  const seconds = Math.max(0, Math.ceil((untilMs - nowMs) / 1_000));
  return { untilMs: Math.round(untilMs), left: formatDuration(seconds * 1_000) };
}

function counter({ untilMs, left }: Count): Markup {
  return html`<span class="count" data-until="${untilMs}">${left}</span>`;
}

function verdictSection(
  { cycle }: Snapshot,
  { level, sentence, advice, findings }: Assessment,
  count: Countdown,
): Markup {
  return html`<section class="verdict level-${level}" aria-label="How things stand">
${sign(level)}
<div role="status"><h2><span class="level-word">${LEVEL_WORDS[level]}:</span> ${sentence}</h2></div>
<p class="advice">${sentenceCase(advice)}.</p>
${waitLine(cycle, count(cycle?.waitsUntilMs))}
${
  findings.length > 1 &&
  html`<ul>${findings.slice(1).map((finding) => html`<li>${sentenceCase(finding.sentence)}.<span>${finding.advice && `${sentenceCase(finding.advice)}.`}</span></li>`)}</ul>`
}
</section>`;
}

const SIGNS: Readonly<Record<Level, string>> = {
  ok: 'M14.5 24.5l6.5 6.5 13-14',
  warning: 'M24 14v12M24 33v.5',
  critical: 'M17 17l14 14M31 17l-14 14',
  unknown: 'M16 24h.5M24 24h.5M32 24h.5',
};

/** The title of a card, and how its subject stands. */
function heading(id: string, title: Markup, level: Level | undefined): Markup {
  const mark =
    level &&
    html`<span class="mark level-${level}">${sign(level)}<span class="visually-hidden">: ${MARK_WORDS[level]}</span></span>`;
  return html`<h2 id="${id}"><span>${title}</span>${mark}</h2>`;
}

/** The worst that was found of this part; undefined if nothing was. */
function worstOf(findings: readonly Finding[], part: Finding['about']): Level | undefined {
  return findings.find(({ about }) => about === part)?.level;
}

function sign(level: Level): Markup {
  return html`<svg viewBox="0 0 48 48" aria-hidden="true"><circle class="disc" cx="24" cy="24" r="22"/><path class="sign" d="${SIGNS[level]}"/></svg>`;
}

/** What the moment that is counted down to brings. */
const WAIT_WORDS: Partial<Record<Reason, string>> = {
  not_stable: 'The stability window ends',
  restart_splayed: 'The turn of this broker comes',
  in_cooldown: 'The cooldown ends',
  cert_not_yet_valid: 'The certificate becomes valid',
  probe_holds: 'The upstream is probed again',
  key_unusable: 'The key is looked at again',
  engine_failed: 'The next try is',
  broker_not_running: 'The broker is looked at again',
  watcher_just_started: 'The restart comes',
};

function waitLine(cycle: CycleStatus | undefined, count: Count | undefined): Markup | undefined {
  const words = cycle && WAIT_WORDS[cycle.reason];
  if (words === undefined || count === undefined) return undefined;
  return html`<p class="wait">${words} at ${clock(count.untilMs)} UTC, in ${counter(count)}</p>`;
}

function certificatesCard({ cycle, settings }: Snapshot, { findings }: Assessment): Markup {
  const certificates = cycle?.certificates ?? [];
  const complaints = cycle?.complaints ?? [];
  const level = worstOf(findings, 'certificates') ?? (cycle?.files === 'complete' ? 'ok' : 'unknown');
  return html`<section class="card" aria-labelledby="certificates">${heading('certificates', html`Certificates in <span class="mono">${settings.certDir}</span>`, level)}
${complaints.map(({ file, problem, hint }, index) => html`<p class="lead tone-${cycle?.files === 'incomplete' ? 'warning' : 'critical'}">${clip(`${file} ${problem}`)}</p>${hint !== complaints[index + 1]?.hint && html`<p class="quiet">${sentenceCase(hint)}.</p>`}`)}
${certificates.map((certificate) => certificateBlock(certificate, cycle, settings.expiryWarnDays))}
${certificates.length === 0 && complaints.length === 0 && html`<p class="quiet">${cycle === undefined ? 'Not looked at yet.' : 'The files are being written at this moment.'}</p>`}
${cycle?.files === 'complete' && keyFacts(cycle)}
</section>`;
}

const CERTIFICATE_TONES = {
  valid: 'ok',
  expiring: 'warning',
  expired: 'critical',
  not_yet_valid: 'warning',
} as const;

function certificateBlock(
  certificate: CertificateStatus,
  cycle: CycleStatus | undefined,
  warnDays: number,
): Markup {
  const tone = CERTIFICATE_TONES[certificate.state];
  const name = certificate.role === 'client' ? 'Client certificate' : 'CA certificate';
  return html`<div class="certificate"><h3><span>${name} <small class="mono">${certificate.file}</small></span><span class="tone-${tone}">${daysInWords(certificate)}</span></h3>
<div class="subject">${certificate.subject === '' ? '(no subject)' : certificate.subject}</div>
${validityBar(certificate, cycle?.at.wallMs ?? certificate.notBeforeMs, warnDays, tone)}
<div class="scale"><span>${day(certificate.notBeforeMs)}</span><span class="threshold">warning from ${day(certificate.notAfterMs - warnDays * DAY_MS)}</span><span>${day(certificate.notAfterMs)}</span></div>
</div>`;
}

const DAY_MS = 86_400_000;

function daysInWords({ state, daysRemaining }: CertificateStatus): string {
  const plural = (days: number) => `${days} ${days === 1 ? 'day' : 'days'}`;
  if (state === 'expired')
    return daysRemaining === -1 ? 'expired today' : `expired ${plural(-daysRemaining - 1)} ago`;
  if (state === 'not_yet_valid') return 'not valid yet';
  return daysRemaining === 0 ? 'expires today' : `${plural(daysRemaining)} left`;
}

/** From begin to end of validity: what is left of it, where the warning begins, and now. */
function validityBar(
  { notBeforeMs, notAfterMs, role }: CertificateStatus,
  nowMs: number,
  warnDays: number,
  tone: string,
): Markup {
  const percent = (ms: number) => clamp(((ms - notBeforeMs) / Math.max(1, notAfterMs - notBeforeMs)) * 100);
  const nowAt = percent(nowMs);
  const warnAt = percent(notAfterMs - warnDays * DAY_MS);
  const anchor = nowAt < 6 ? 'start' : nowAt > 94 ? 'end' : 'middle';
  return html`<svg class="validity level-${tone}" role="img" aria-label="Validity of the ${role} certificate: ${Math.round(nowAt)} % of it has passed"><text x="${nowAt}%" y="12" text-anchor="${anchor}">now</text><rect class="track" x="0" y="18" width="100%" height="14" rx="7"/><rect class="left" x="${nowAt}%" y="18" width="${100 - nowAt}%" height="14" rx="7"/><line class="warn" x1="${warnAt}%" x2="${warnAt}%" y1="15" y2="35"/><line class="now" x1="${nowAt}%" x2="${nowAt}%" y1="15" y2="35"/></svg>`;
}

function clamp(percent: number): number {
  return Number(Math.min(100, Math.max(0, percent)).toFixed(2));
}

const PAIR_WORDS: Readonly<Record<PairStatus, string>> = {
  matches: 'belongs to the client certificate',
  does_not_match: 'belongs to another certificate',
  not_checked: 'not checked (only the probe opens it)',
};

function keyFacts({ pair, fingerprint, certificates }: CycleStatus): Markup {
  const issuer = certificates.find(({ role }) => role === 'client')?.issuer;
  return html`<dl><dt>Private key</dt><dd class="${pair === 'does_not_match' && 'tone-critical'}">${PAIR_WORDS[pair]}</dd><dt>Issued by</dt><dd>${issuer}</dd><dt>Fingerprint</dt><dd class="mono">${short(fingerprint)}</dd></dl>`;
}

function upstreamCard(snapshot: Snapshot, count: Countdown): Markup {
  const { settings, probes, cycle } = snapshot;
  const { upstream } = settings;
  const address = upstream && `${upstream.host}:${upstream.port}`;
  return html`<section class="card" aria-labelledby="upstream">${heading('upstream', html`Upstream ${settings.probeEnabled && html`<span class="mono">${address}</span>`}`, upstreamLevel(snapshot))}
${settings.probeEnabled ? probeVerdict(snapshot) : html`<p class="quiet">The probe is switched off (<code>ENABLE_TLS_PROBE=false</code>): nobody asks whether the upstream accepts the certificates.</p>`}
${settings.probeEnabled && probeHistory(probes)}
${settings.probeEnabled && cycle !== undefined && probeOutlook(cycle, count)}
</section>`;
}

/** Undefined if nobody asks. */
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

/** One stroke a probe, the latest at the right; failures are short as well as red. */
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

function brokerCard(snapshot: Snapshot, { findings }: Assessment): Markup {
  const { settings, broker, brokers, cycle, restarts, restartingSinceMs } = snapshot;
  const { seen, engineFailure } = broker ?? neverSeen(settings.container);
  const state = seen?.state;
  const isKnown = seen !== undefined && restartingSinceMs === undefined;
  const level = worstOf(findings, 'broker') ?? worstOf(findings, 'bridge') ?? (isKnown ? 'ok' : 'unknown');
  return html`<section class="card" aria-labelledby="broker">${heading('broker', html`Broker <span class="mono">${settings.container}</span>`, level)}
${brokerLead(snapshot)}
${engineFailure && html`<p class="tone-critical">${clip(engineFailure.failure.problem)}</p><p class="quiet">${sentenceCase(engineFailure.failure.hint)}.</p>`}
${brokers.length > 1 && brokerTable(brokers)}
${bridgeList(brokers)}
<dl>${brokers.length === 1 && state && html`<dt>Started</dt><dd>${state.startedAtMs === undefined ? 'never' : `${dayAndClock(state.startedAtMs)} UTC`}</dd><dt>State</dt><dd>${state.status}${state.health && `, ${state.health}`}, as seen at ${dayAndClock(seen?.atMs ?? 0)} UTC</dd>`}${
    brokers.length === 1 &&
    cycle?.applied &&
    html`<dt>Has loaded</dt><dd><span class="mono">${short(cycle.applied.fingerprint)}</span>${cycle.applied.fingerprint === cycle.fingerprint && ', the set on disk'}</dd>`
  }</dl>
${restarts.length === 0 ? html`<p class="legend apart">No restart since the watcher was started.</p>` : restartTable(restarts, brokers.length > 1)}
</section>`;
}

const CONDITION_WORDS: Readonly<Record<Exclude<BrokerCondition, 'well'>, string>> = {
  starting: 'Starting',
  stopped: 'Does not run',
  crashed: 'Has crashed',
  crash_loop: 'Crashes again and again',
  unhealthy: 'Fails its health check',
};

/** How each of several brokers is, in the order in which they are restarted. */
function brokerTable(brokers: readonly BrokerStatus[]): Markup {
  const rows = brokers.map((broker) => {
    const { tone, words } = stateOf(broker);
    const { container, isCurrent } = broker;
    const has = isCurrent === undefined ? '' : isCurrent ? 'current' : 'not the current ones';
    return html`<tr><td class="mono">${container}</td><td class="tone-${tone}">${words}</td><td>${has}</td></tr>`;
  });
  return html`<table><caption class="visually-hidden">Brokers, in the order in which they are restarted</caption><thead><tr><th scope="col">Broker</th><th scope="col">State</th><th scope="col">Certificates</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function stateOf({ seen, engineFailure }: BrokerStatus): { readonly tone: Level; readonly words: string } {
  if (engineFailure !== undefined) return { tone: 'warning', words: 'cannot be seen' };
  if (seen === undefined) return { tone: 'unknown', words: 'not asked about yet' };
  const condition = conditionOf(seen.state);
  if (condition === 'well') return { tone: 'ok', words: 'runs' };
  return { tone: brokerLevel(condition), words: CONDITION_WORDS[condition].toLowerCase() };
}

/** What is heard of bridges, where somebody listens. */
function bridgeList(brokers: readonly BrokerStatus[]): Markup | undefined {
  const lines = brokers.flatMap(({ container, bridges }) => {
    if (bridges === undefined) return [];
    const of = brokers.length > 1 && html` of <span class="mono">${container}</span>`;
    if (!bridges.ok) {
      return [
        html`<p>Bridges${of}: <span class="tone-warning">not known</span>, ${clip(bridges.problem)}</p><p class="quiet">${sentenceCase(bridges.hint)}.</p>`,
      ];
    }
    if (bridges.bridges.length === 0)
      return [html`<p>Bridges${of}: <span class="quiet">none is told of</span></p>`];
    return bridges.bridges.map(
      ({ connection, up }) =>
        html`<p>Bridge <span class="mono">${clip(connection)}</span>${of}: <span class="tone-${up ? 'ok' : 'warning'}">${up ? 'connected' : 'down'}</span></p>`,
    );
  });
  return lines.length === 0 ? undefined : html`${lines}`;
}

function brokerLead({ restartingSinceMs, cycle, broker, brokers, settings }: Snapshot): Markup {
  if (restartingSinceMs !== undefined) {
    return html`<p class="lead">Being restarted since ${clock(restartingSinceMs)} UTC</p>`;
  }
  const seen = broker?.seen;
  const condition = seen === undefined ? 'well' : conditionOf(seen.state);
  if (condition !== 'well') {
    return html`<p class="lead tone-${brokerLevel(condition)}">${CONDITION_WORDS[condition]}</p>`;
  }
  if (cycle?.pending === true) {
    return html`<p class="lead">${settings.restartEnabled ? 'A restart is pending' : 'Waits to be restarted by hand'}</p>`;
  }
  if (cycle?.applied === undefined)
    return html`<p class="lead quiet">${seen === undefined ? 'Not asked about yet' : 'Runs, with certificates that are not known'}</p>`;
  if (cycle.applied.fingerprint !== cycle.fingerprint) return html`<p class="lead">Left alone</p>`;
  const has = brokers.length > 1 ? `All ${brokers.length} have` : 'Has';
  return html`<p class="lead tone-ok">${has} the current certificates</p>`;
}

const RESULT_WORDS: Readonly<Record<RestartRecord['result'], string>> = {
  verified: 'came back well',
  unhealthy: 'did not come back well',
  uncertain: 'nobody knows',
  not_done: 'not done',
};
const RESULT_TONES = {
  verified: 'ok',
  unhealthy: 'critical',
  uncertain: 'warning',
  not_done: 'critical',
} as const;

function restartTable(restarts: readonly RestartRecord[], isNamed: boolean): Markup {
  const rows = restarts.toReversed().slice(0, 8);
  return html`<table class="apart"><caption class="visually-hidden">Restarts, the latest first</caption><thead><tr><th scope="col">Restart</th><th scope="col">Result</th><th scope="col">Took</th></tr></thead><tbody>${rows.map(
    ({ atMs, container, result, error, tookMs, tries }) =>
      html`<tr><td class="time">${dayAndClock(atMs)}</td><td>${isNamed && html`<span class="mono">${container}</span> `}<span class="tone-${RESULT_TONES[result]}">${RESULT_WORDS[result]}</span>${tries > 1 && ` (${tries} tries)`}${error && html`<br><span class="quiet">${error}</span>`}</td><td class="number">${formatDuration(tookMs)}</td></tr>`,
  )}</tbody></table>`;
}

const EVENT_TONES = { debug: 'unknown', info: 'unknown', warn: 'warning', error: 'critical' } as const;

function eventsCard({ events }: Snapshot, now: Moment): Markup {
  const rows = events
    .toReversed()
    .map(
      ({ atMs, level, event, message }) =>
        html`<li><time datetime="${iso(atMs)}">${when(atMs, now.wallMs)}</time><span><span class="mono tone-${EVENT_TONES[level]}">${event}</span>${(level === 'warn' || level === 'error') && html` <span class="visually-hidden">(${level})</span>`}</span><span class="message">${message}</span></li>`,
    );
  return html`<section class="card events-card" aria-labelledby="events">${heading('events', html`Last events`, undefined)}
${rows.length === 0 ? html`<p class="quiet">Nothing has happened yet.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="The last events, the latest first"><ol class="events">${rows}</ol></div>`}
</section>`;
}

/** Why the last cycle ended where it did, in two words that fit beside its box. */
const NOTES: Partial<Record<Reason, string>> = {
  certs_missing: 'waiting for files',
  certs_changing: 'being written',
  cert_unparsable: 'not readable',
  cert_not_yet_valid: 'valid in',
  key_unusable: 'wrong or broken key',
  not_stable: 'window ends in',
  in_cooldown: 'cooldown ends in',
  probe_pending: 'being probed',
  probe_holds: 'held, next probe',
  restart_disabled: 'switched off',
  restart_splayed: 'its turn comes in',
  engine_failed: 'engine: next try',
  broker_not_running: 'broker is stopped',
  watcher_just_started: 'just started',
  roll_stopped: 'waits for another',
  service_updating: 'being updated',
  service_updated: 'update has ended',
  service_update_failed: 'update has failed',
  set_outdated: 'node is behind',
  restart: 'restarting',
};

/** Verdicts that are trouble in themselves; any other is as it should be, whatever else is wrong. */
const TROUBLE: ReadonlySet<Reason> = new Set([
  'certs_missing',
  'cert_unparsable',
  'cert_expired',
  'cert_not_yet_valid',
  'key_unusable',
  'probe_holds',
  'restart_disabled',
  'roll_stopped',
  'service_update_failed',
  'set_outdated',
  'engine_failed',
  'broker_not_running',
]);

function verdictLevel(cycle: CycleStatus | undefined, level: Level): Level {
  if (cycle === undefined) return 'unknown';
  return TROUBLE.has(cycle.reason) ? level : 'ok';
}

function diagramCard(
  { cycle, restartingSinceMs }: Snapshot,
  { level }: Assessment,
  countTo: Countdown,
): Markup {
  const isRestarting = restartingSinceMs !== undefined;
  const path = cycle?.path ?? ['INITIALIZE'];
  // while the broker is being restarted the walk has not gone on from there
  const shown = isRestarting ? path.slice(0, path.indexOf('RESTART_MOSQUITTO') + 1) : path;
  const picture = diagram({
    path: shown,
    note: cycle && NOTES[cycle.reason],
    count: countTo(cycle?.waitsUntilMs),
    isBusy: isRestarting || cycle?.reason === 'probe_pending',
  });
  return html`<section class="card diagram-card level-${verdictLevel(cycle, level)}" aria-labelledby="diagram">${heading('diagram', html`${cycle === undefined ? 'Before the first cycle' : `Last cycle at ${clock(cycle.at.wallMs)} UTC`}`, undefined)}
${cycle && html`<p>${sentenceCase(cycle.sentence)}.</p>`}
${picture}
</section>`;
}

/** A sentence of the program's own, as people begin one; file names and settings are left as they are. */
function sentenceCase(text: string): string {
  const [first = ''] = text.split(' ', 1);
  return /^[a-z]+[,']?[a-z]*$/.test(first) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

function short(fingerprint: string | undefined): string {
  return fingerprint === undefined ? '' : fingerprint.slice(0, 16);
}

function iso(wallMs: number): string {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString();
}

function day(wallMs: number): string {
  return iso(wallMs).slice(0, 10);
}

function clock(wallMs: number): string {
  return iso(wallMs).slice(11, 19);
}

function dayAndClock(wallMs: number): string {
  return `${day(wallMs)} ${clock(wallMs)}`;
}

/** The time alone on the same day. */
function when(wallMs: number, nowMs: number): string {
  return day(wallMs) === day(nowMs) ? clock(wallMs) : `${day(wallMs).slice(5)} ${clock(wallMs).slice(0, 5)}`;
}
