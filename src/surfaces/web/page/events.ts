/** The card of the last events. */

import type { Moment } from '../../../core/model/files.ts';
import type { Snapshot } from '../../../core/status/snapshot.ts';
import { html, type Markup } from './html.ts';
import { heading } from './parts.ts';
import { iso, when } from './words.ts';

const EVENT_TONES = { debug: 'unknown', info: 'unknown', warn: 'warning', error: 'critical' } as const;

export function eventsCard({ events }: Snapshot, now: Moment): Markup {
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
