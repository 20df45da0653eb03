/** Elements that several cards share: the mark of a level, and the heading of a card. */

import type { Finding, Level } from '../../../core/status/assess.ts';
import { html, type Markup } from './html.ts';

export const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  ok: 'OK',
  warning: 'Warning',
  critical: 'Critical',
  unknown: 'Starting',
};

/** The same for one part, as text for screen readers. */
const MARK_WORDS: Readonly<Record<Level, string>> = { ...LEVEL_WORDS, unknown: 'Not known yet' };

const SIGNS: Readonly<Record<Level, string>> = {
  ok: 'M14.5 24.5l6.5 6.5 13-14',
  warning: 'M24 14v12M24 33v.5',
  critical: 'M17 17l14 14M31 17l-14 14',
  unknown: 'M16 24h.5M24 24h.5M32 24h.5',
};

export function sign(level: Level): Markup {
  return html`<svg viewBox="0 0 48 48" aria-hidden="true"><circle class="disc" cx="24" cy="24" r="22"/><path class="sign" d="${SIGNS[level]}"/></svg>`;
}

/** The title of a card, with the level of its subject. */
export function heading(id: string, title: Markup, level: Level | undefined): Markup {
  const mark =
    level &&
    html`<span class="mark level-${level}">${sign(level)}<span class="visually-hidden">: ${MARK_WORDS[level]}</span></span>`;
  return html`<h2 id="${id}"><span>${title}</span>${mark}</h2>`;
}

/** The worst level found for this part; undefined if there is none. */
export function worstOf(findings: readonly Finding[], part: Finding['about']): Level | undefined {
  return findings.find(({ about }) => about === part)?.level;
}
