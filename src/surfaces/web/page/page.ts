/**
 * The status page at `/`: one self-contained document, rendered from the snapshot. It loads nothing, and its
 * Content-Security-Policy allows only its own script and style.
 */

import { createHash } from 'node:crypto';
import type { Moment } from '../../../core/model/files.ts';
import type { Level } from '../../../core/status/assess.ts';
import { assessmentAt, isAlive } from '../../../core/status/liveness.ts';
import type { Snapshot } from '../../../core/status/snapshot.ts';
import { brokerCard } from './broker.ts';
import { certificatesCards } from './certificates.ts';
import { type Countdown, countdown } from './countdown.ts';
import { eventsCard } from './events.ts';
import { html, type Markup, trusted } from './html.ts';
import { listenerCard } from './listener.ts';
import { LEVEL_WORDS } from './parts.ts';
import { SCRIPT } from './script.ts';
import { setsCard } from './sets.ts';
import { STYLE } from './style.ts';
import { upstreamCard } from './upstream.ts';
import { verdictSection } from './verdict.ts';
import { diagramCard } from './walk.ts';
import { clock, dayAndClock } from './words.ts';

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

/** The whole page. */
export function statusPage(snapshot: Snapshot, version: string, now: Moment): string {
  const assessment = assessmentAt(snapshot, now);
  // a loop that is stuck will not do what it waits for
  const isStuck = !isAlive(snapshot, now.monoMs);
  const count: Countdown = (untilMs) => (isStuck ? undefined : countdown(untilMs, now.wallMs));
  const { targetLabel } = snapshot.settings;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="version" content="${version}">
<meta name="color-scheme" content="light dark">
<title>${LEVEL_WORDS[assessment.level]}: certificates of ${targetLabel}</title>
<link rel="icon" href="${favicon(assessment.level)}">
<style>${trusted(STYLE)}</style>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body data-now="${Math.round(now.wallMs)}" class="body${isStuck && ' stuck'}">
<div class="page">
<header class="bar"><h1>Certificates of ${targetLabel}</h1><p id="connection"><span class="dot"></span><span class="text">${clock(now.wallMs)} UTC</span></p></header>
<p id="gone" role="status"></p>
<main>
${verdictSection(snapshot, assessment, count)}
<div class="columns">
<div class="column first">
${snapshot.settings.mosquittoConf === undefined ? certificatesCards(snapshot, assessment) : setsCard(snapshot, assessment)}
${upstreamOf(snapshot, count)}
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

/** What the certificates are for; several sets tell that themselves. */
function upstreamOf(snapshot: Snapshot, count: Countdown): Markup | undefined {
  const { mosquittoConf, certRole } = snapshot.settings;
  if (mosquittoConf !== undefined) return undefined;
  return certRole === 'listener' ? listenerCard(snapshot) : upstreamCard(snapshot, count);
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
