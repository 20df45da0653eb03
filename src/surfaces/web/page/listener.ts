/** The card of the listener whose certificates are watched: what it presents. */

import { isComparedAt } from '../../../core/model/settings.ts';
import { WHY_ANOTHER } from '../../../core/news/listener.ts';
import type { Level } from '../../../core/status/assess.ts';
import type { BrokerStatus, Snapshot } from '../../../core/status/snapshot.ts';
import { hostPort } from '../../../core/text/address.ts';
import { clip } from '../../../core/text/clip.ts';
import { html, type Markup } from './html.ts';
import { heading } from './parts.ts';
import { clock, day, sentenceCase } from './words.ts';

export function listenerCard({ settings, brokers, cycle }: Snapshot): Markup {
  const compared = brokers.filter(({ container }) => isComparedAt(settings, container));
  const isPending = cycle?.pending === true;
  const addresses = settings.brokerUrls
    .filter(({ tls }) => tls)
    .map(hostPort)
    .join(', ');
  return html`<section class="card" aria-labelledby="listener">${heading('listener', html`Listener <span class="mono">${addresses}</span>`, levelOf(compared, isPending))}
${compared.length === 0 && html`<p class="quiet">Nothing shows what the listener presents: name it in <code>BROKER_URL=mqtts://host:port</code>.</p>`}
${compared.map((broker) => presentedBy(broker, brokers.length > 1, isPending))}
</section>`;
}

/** What is about to be applied may well be another certificate than the one that is presented. */
function levelOf(compared: readonly BrokerStatus[], isPending: boolean): Level | undefined {
  if (compared.length === 0) return undefined;
  if (compared.some(({ listener }) => listener === undefined)) return 'unknown';
  return isPending || compared.every(({ listener }) => listener?.isCurrent === true) ? 'ok' : 'warning';
}

function presentedBy({ container, listener }: BrokerStatus, isNamed: boolean, isPending: boolean): Markup {
  const of = isNamed && html` of <span class="mono">${container}</span>`;
  if (listener === undefined)
    return html`<p class="lead tone-unknown">The listener${of} was not looked at yet</p>`;
  const { seen, atMs, isCurrent } = listener;
  const when = html`<p class="quiet">Seen at ${clock(atMs)} UTC.</p>`;
  if (!seen.ok) return html`<p class="lead tone-warning">The listener${of} ${clip(seen.problem)}</p>${when}`;
  const until = !Number.isNaN(seen.notAfterMs) && html`<dt>Valid until</dt><dd>${day(seen.notAfterMs)}</dd>`;
  const facts = html`<dl><dt>Presents</dt><dd>${clip(seen.subject)}</dd>${until}</dl>`;
  if (isCurrent)
    return html`<p class="lead tone-ok">The listener${of} presents the certificate on disk</p>${when}${facts}`;
  if (isPending)
    return html`<p class="lead">The listener${of} presents the certificate before the new one</p>${when}${facts}`;
  return html`<p class="lead tone-warning">The listener${of} presents another certificate</p><p class="quiet">${sentenceCase(WHY_ANOTHER)}.</p>${when}${facts}`;
}
