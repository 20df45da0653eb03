/** The card of the sets that the broker's configuration names: one line each, and what is wrong with any below it. */

import { type AddressVerdict, probeSentence } from '../../../core/model/probe.ts';
import { type Assessment, type Level, probeLevel } from '../../../core/status/assess.ts';
import { leafOf, type NamedSetStatus, type Snapshot } from '../../../core/status/snapshot.ts';
import { hostPort } from '../../../core/text/address.ts';
import { clip } from '../../../core/text/clip.ts';
import { timeLeft } from '../../../core/text/time-left.ts';
import { html, type Markup } from './html.ts';
import { heading, worstOf } from './parts.ts';
import { day, sentenceCase } from './words.ts';

export function setsCard({ cycle, settings }: Snapshot, { findings }: Assessment): Markup {
  const sets = cycle?.sets ?? [];
  const level =
    worstOf(findings, 'certificates') ??
    worstOf(findings, 'upstream') ??
    (cycle?.files === 'complete' ? 'ok' : 'unknown');
  const complaints = sets.length === 0 ? (cycle?.complaints ?? []) : [];
  return html`<section class="card" aria-labelledby="certificates">${heading('certificates', html`Certificates of <span class="mono">${settings.mosquittoConf}</span>`, level)}
${complaints.map(({ file, problem, hint }) => html`<p class="lead tone-warning">${clip(`${file} ${problem}`)}</p><p class="quiet">${sentenceCase(hint)}.</p>`)}
${sets.length > 0 && html`<table><caption class="visually-hidden">Each set of certificates that the broker uses</caption><thead><tr><th scope="col">Set</th><th scope="col">Ends</th></tr></thead><tbody>${sets.map(row)}</tbody></table>`}
${(cycle?.conf?.findings ?? []).map(({ about, problem }) => html`<p class="legend">${sentenceCase(clip(`${about} ${problem}`))}.</p>`)}
</section>`;
}

const TONES = { valid: 'ok', expiring: 'warning', expired: 'critical', not_yet_valid: 'warning' } as const;

function row(set: NamedSetStatus): Markup {
  const leaf = leafOf(set.certificates);
  const tone = leaf === undefined ? 'warning' : TONES[leaf.state];
  const { count, unit } = timeLeft(leaf?.expiresInMs ?? 0);
  const ends =
    leaf === undefined
      ? html`<span class="tone-warning">no set</span>`
      : html`<span class="tone-${tone}">${leaf.state === 'expired' ? 'expired' : `${count} ${unit} left`}</span><br><span class="quiet">${day(leaf.notAfterMs)}</span>`;
  return html`<tr><td><span class="mono">${clip(set.name)}</span>${set.isPending && html` <span class="quiet">to be applied</span>`}<br>${leaf && clip(leaf.subject)}${faults(set)}${upstream(set)}</td><td class="number">${ends}</td></tr>`;
}

function faults({ complaints, unreadable, pair, listener, isPending }: NamedSetStatus): Markup {
  const isOutdated = !isPending && listener?.seen.ok === true && !listener.isCurrent;
  const words = [
    ...complaints.map(({ file, problem }) => clip(`${file} ${problem}`)),
    ...(isOutdated ? ['the listener presents another certificate'] : []),
    ...(pair === 'does_not_match' ? ['the key belongs to another certificate'] : []),
    ...(unreadable ?? []).map(({ path }) => `the broker may not read ${clip(path)}`),
  ];
  return html`${words.map((text) => html`<br><span class="tone-warning">${text}</span>`)}`;
}

/** A bridge: whether its upstream accepts the set, at each of its addresses. */
function upstream({ upstreams, verdict }: NamedSetStatus): Markup | undefined {
  const [first] = upstreams;
  if (first === undefined || verdict === undefined) return undefined;
  const { addresses = [{ upstream: verdict.address ?? hostPort(first), verdict }] } = verdict;
  return html`${addresses.map((each) => address(each, verdict.ok))}`;
}

/** One address that works is enough. */
function address({ upstream: where, verdict }: AddressVerdict, isEnough: boolean): Markup {
  if (verdict.ok)
    return html`<br><span class="quiet">${clip(where)} <span class="tone-ok">accepts it</span></span>`;
  const level: Level = isEnough ? 'warning' : probeLevel(verdict);
  return html`<br><span class="tone-${level}">${sentenceCase(probeSentence(verdict))}</span> <span class="quiet">${clip(where)}</span>`;
}
