/** `RESTART_WINDOW` as people write it: `Mon-Fri 02:00-04:00, Sat,Sun 00:00-06:00`. */

import type { WindowRule } from '../model/calendar.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const DAY_MINUTES = 1_440;

/** Nobody writes more by hand, and every look evaluates all of them. */
const MOST_RULES = 50;

export type ParsedWindow =
  | { readonly ok: true; readonly rules: readonly WindowRule[] }
  /** what is wrong with it, in a clause */
  | { readonly ok: false; readonly problem: string };

/**
 * The windows of a text: three-letter days, or none for all days, and two times, the second of which may be next day.
 */
export function parseRestartWindow(text: string): ParsedWindow {
  const rules: WindowRule[] = [];
  let days: number[] = [];
  let isOpenList = false;
  for (const part of text.split(',').map((each) => each.trim())) {
    const [first = '', second, ...more] = part.split(/\s+/);
    if (more.length > 0) return problem(`"${part}" is not days followed by one time span`);
    const isSpan = first.includes(':');
    if (isSpan && (second !== undefined || isOpenList)) return problem(`"${part}" needs its days before it`);
    if (!isSpan) {
      const named = daysOf(first);
      if (named === undefined) return problem(`"${first}" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun`);
      days = [...days, ...named];
      isOpenList = second === undefined;
      if (isOpenList) continue;
    }
    const span = spanOf(isSpan ? first : (second ?? ''));
    if (!span.ok) return span;
    const on = isSpan ? [0, 1, 2, 3, 4, 5, 6] : [...new Set(days)];
    rules.push({ days: on, fromMinute: span.fromMinute, toMinute: span.toMinute });
    days = [];
  }
  if (isOpenList) return problem('it ends with a day that has no time');
  if (rules.length > MOST_RULES) return problem(`it has more than ${MOST_RULES} windows`);
  return { ok: true, rules };
}

function problem(text: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem: text };
}

/** `Sat`, or `Fri-Mon`. */
function daysOf(text: string): number[] | undefined {
  const [first = '', last = first, ...more] = text.split('-');
  const [from, to] = [dayOf(first), dayOf(last)];
  if (from < 0 || to < 0 || more.length > 0) return undefined;
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, index) => (from + index) % 7);
}

function dayOf(text: string): number {
  return DAYS.findIndex((day) => day.toLowerCase() === text.toLowerCase());
}

type Span =
  | { readonly ok: true; readonly fromMinute: number; readonly toMinute: number }
  | { readonly ok: false; readonly problem: string };

function spanOf(text: string): Span {
  const [, from = '', to = ''] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  const [fromMinute, toMinute] = [minuteOf(from), minuteOf(to)];
  if (fromMinute === undefined || toMinute === undefined || fromMinute === DAY_MINUTES)
    return problem(`"${text}" is not a time span such as 02:00-04:00`);
  if (fromMinute === toMinute) return problem(`"${text}" ends when it begins`);
  return { ok: true, fromMinute, toMinute: toMinute < fromMinute ? toMinute + DAY_MINUTES : toMinute };
}

/** Minutes since midnight, up to `24:00`, which is the end of the day. */
function minuteOf(text: string): number | undefined {
  const [hours, minutes] = text.split(':').map(Number);
  if (text === '' || hours === undefined || minutes === undefined || minutes > 59) return undefined;
  const minute = hours * 60 + minutes;
  return minute <= DAY_MINUTES ? minute : undefined;
}
