/** The overall state: the sentence at the top of the page. */

import type { Assessment } from '../../../core/status/assess.ts';
import { REASON_WORDS } from '../../../core/status/reasons.ts';
import type { CycleStatus, Snapshot } from '../../../core/status/snapshot.ts';
import { type Count, type Countdown, counter } from './countdown.ts';
import { html, type Markup } from './html.ts';
import { LEVEL_WORDS, sign } from './parts.ts';
import { clock, day, sentenceCase } from './words.ts';

export function verdictSection(
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

/** Empty on the same day. */
function dayOf(wallMs: number, nowMs: number): string {
  return day(wallMs) === day(nowMs) ? '' : `${day(wallMs)} `;
}

function waitLine(cycle: CycleStatus | undefined, count: Count | undefined): Markup | undefined {
  const words = cycle && REASON_WORDS[cycle.reason].atThatMoment;
  if (cycle === undefined || words === undefined || count === undefined) return undefined;
  const at = dayOf(count.untilMs, cycle.at.wallMs);
  return html`<p class="wait">${words} at ${at}${clock(count.untilMs)} UTC, in ${counter(count)}</p>`;
}
