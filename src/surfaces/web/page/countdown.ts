/** The time left until a moment, which the script of the page keeps counting. */

import { formatDuration } from '../../../core/text/duration.ts';
import { html, type Markup } from './html.ts';

/** The time left until then, as markup that the script keeps counting; undefined if there is no such moment. */
export type Countdown = (untilMs: number | undefined) => Count | undefined;

export interface Count {
  readonly untilMs: number;
  /** for browsers that run no script */
  readonly left: string;
}

export function countdown(untilMs: number | undefined, nowMs: number): Count | undefined {
  if (untilMs === undefined) return undefined;
  const seconds = Math.max(0, Math.ceil((untilMs - nowMs) / 1_000));
  return { untilMs: Math.round(untilMs), left: formatDuration(seconds * 1_000) };
}

export function counter({ untilMs, left }: Count): Markup {
  return html`<span class="count" data-until="${untilMs}">${left}</span>`;
}
