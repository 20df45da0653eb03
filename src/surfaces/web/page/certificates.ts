/** The card of the certificates on disk. */

import type { Assessment, Level } from '../../../core/status/assess.ts';
import {
  type CertificateStatus,
  type CycleStatus,
  leafOf,
  type PairStatus,
  type SetStatus,
  type Snapshot,
} from '../../../core/status/snapshot.ts';
import { clip } from '../../../core/text/clip.ts';
import { type TimeLeft, timeLeft } from '../../../core/text/time-left.ts';
import { html, type Markup } from './html.ts';
import { heading, worstOf } from './parts.ts';
import { day, dayAndClock, sentenceCase, short } from './words.ts';

/** What the broker reads; in a two-phase rotation next to what the agent has written. */
export function certificatesCards(snapshot: Snapshot, assessment: Assessment): Markup {
  const { cycle, settings } = snapshot;
  const found =
    worstOf(assessment.findings, 'certificates') ?? (cycle?.files === 'complete' ? 'ok' : 'unknown');
  const { incomingDir } = settings;
  if (incomingDir === undefined) {
    const title = html`Certificates in <span class="mono">${settings.certDir}</span>`;
    return card(snapshot, cycle, 'certificates', title, found);
  }
  const { incoming } = cycle ?? {};
  const isSame = incoming?.isLive === true;
  const liveLevel = cycle?.files !== 'complete' ? 'unknown' : isSame ? found : validityLevel(cycle);
  const live = html`Live in <span class="mono">${settings.certDir}</span>`;
  const arrived = html`Incoming in <span class="mono">${incomingDir}</span>`;
  const waits = incoming?.waitsFor;
  return html`<div class="pair">${card(snapshot, incoming, 'incoming', arrived, isSame ? 'ok' : found, isSame ? 'It is the live set.' : waits && `${sentenceCase(waits)}.`)}
${card(snapshot, cycle, 'certificates', live, liveLevel)}</div>`;
}

function validityLevel({ certificates }: SetStatus): 'ok' | 'warning' | 'critical' {
  const tones: readonly string[] = certificates.map(({ state }) => CERTIFICATE_TONES[state]);
  return tones.includes('critical') ? 'critical' : tones.includes('warning') ? 'warning' : 'ok';
}

function card(
  { cycle }: Snapshot,
  set: SetStatus | undefined,
  id: string,
  title: Markup,
  level: Level,
  lead?: string,
): Markup {
  const certificates = set?.certificates ?? [];
  const complaints = set?.complaints ?? [];
  return html`<section class="card" aria-labelledby="${id}">${heading(id, title, level)}
${lead !== undefined && html`<p class="quiet">${lead}</p>`}
${complaints.map(({ file, problem, hint }, index) => html`<p class="lead tone-${set?.files === 'unparsable' ? 'critical' : 'warning'}">${clip(`${file} ${problem}`)}</p>${hint !== complaints[index + 1]?.hint && html`<p class="quiet">${sentenceCase(hint)}.</p>`}`)}
${certificates.map((certificate) => certificateBlock(certificate, cycle))}
${certificates.length === 0 && complaints.length === 0 && html`<p class="quiet">${set === undefined ? 'Not looked at yet.' : 'The files are being written at this moment.'}</p>`}
${set?.files === 'complete' && keyFacts(set)}
</section>`;
}

const CERTIFICATE_TONES = {
  valid: 'ok',
  expiring: 'warning',
  expired: 'critical',
  not_yet_valid: 'warning',
} as const;

const ROLE_NAMES: Readonly<Record<CertificateStatus['role'], string>> = {
  client: 'Client certificate',
  server: 'Certificate of the listener',
  intermediate: 'Intermediate certificate',
  ca: 'CA certificate',
};

function certificateBlock(certificate: CertificateStatus, cycle: CycleStatus | undefined): Markup {
  const date = dateFor(certificate);
  const tone = CERTIFICATE_TONES[certificate.state];
  return html`<div class="certificate"><h3><span>${ROLE_NAMES[certificate.role]} <small class="mono">${certificate.file}</small></span><span class="tone-${tone}">${leftInWords(certificate)}</span></h3>
<div class="subject">${certificate.subject === '' ? '(no subject)' : certificate.subject}</div>
${validityBar(certificate, cycle?.at.wallMs ?? certificate.notBeforeMs, tone)}
<div class="scale"><span>${date(certificate.notBeforeMs)}</span><span class="threshold">warning from ${date(certificate.expiringFromMs)}</span><span>${date(certificate.notAfterMs)}</span></div>
</div>`;
}

const DAY_MS = 86_400_000;

/** For a certificate that lives for a few days, a number of days is too coarse. */
const SHORT_LIVED_MS = 7 * DAY_MS;

function dateFor({ notBeforeMs, notAfterMs }: CertificateStatus): (wallMs: number) => string {
  if (notAfterMs - notBeforeMs > SHORT_LIVED_MS) return day;
  return (wallMs) => `${dayAndClock(wallMs).slice(5, 16)} UTC`;
}

function leftInWords({ state, expiresInMs }: CertificateStatus): string {
  const plural = ({ count, unit }: TimeLeft) => `${count} ${unit}`;
  if (state === 'expired')
    return -expiresInMs < DAY_MS ? 'expired today' : `expired ${plural(timeLeft(-expiresInMs))} ago`;
  if (state === 'not_yet_valid') return 'not valid yet';
  return `${plural(timeLeft(expiresInMs))} left`;
}

/** From the beginning to the end of validity: what is left of it, where the warning begins, and now. */
function validityBar(
  { notBeforeMs, notAfterMs, expiringFromMs, role }: CertificateStatus,
  nowMs: number,
  tone: string,
): Markup {
  const percent = (ms: number) => clamp(((ms - notBeforeMs) / Math.max(1, notAfterMs - notBeforeMs)) * 100);
  const nowAt = percent(nowMs);
  const warnAt = percent(expiringFromMs);
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

function keyFacts({ pair, fingerprint, certificates }: SetStatus): Markup {
  const leaf = leafOf(certificates);
  return html`<dl><dt>Private key</dt><dd class="${pair === 'does_not_match' && 'tone-critical'}">${PAIR_WORDS[pair].replace('client certificate', leaf?.role === 'server' ? 'certificate' : 'client certificate')}</dd><dt>Issued by</dt><dd>${leaf?.issuer}</dd><dt>Fingerprint</dt><dd class="mono">${short(fingerprint)}</dd></dl>`;
}
