/** A fleet for people: worst first, grouped by trouble, with what to do. */

import type { Level } from '../../core/status/assess.ts';
import type { Fleet, GatewayGroup, GatewayStatus } from '../../core/status/fleet.ts';
import { cut, printable } from '../../core/text/printable.ts';
import { timestamp } from '../../core/text/timestamp.ts';

export interface FleetView {
  /** the broker, without anything secret */
  readonly broker: string;
  /** STATUS_TOPIC of all gateways, with wildcards */
  readonly topic: string;
  readonly nowMs: number;
  readonly fleet: Fleet;
  /** how many are known */
  readonly count: number;
  /** why some may be missing, in a sentence */
  readonly incomplete: string | undefined;
  /** why there is no connection */
  readonly trouble: { readonly problem: string; readonly hint: string } | undefined;
  /** what has changed last, in a line */
  readonly lastChange: string | undefined;
}

export interface Layout {
  readonly color: boolean;
  /** of the terminal; undefined: lines may be of any length */
  readonly columns: number | undefined;
  /** lines on which everything should fit, as far as it can; undefined: any number */
  readonly rows?: number | undefined;
}

const COLOURS: Readonly<Record<Level, number>> = { ok: 32, warning: 33, critical: 31, unknown: 35 };
const DIM = 2;

/** Of each group this many are listed: more are for programs. On a screen they are fewer, so that all groups fit. */
const MOST_ROWS = 20;
const FEWEST_ROWS = 1;
/** Lines of the heading, and of each group beside its members. */
const LINES_OF_HEADING = 4;
const LINES_OF_GROUP = 5;
/** A narrower terminal gets what is wrong with a gateway on a line of its own. */
const NARROW = 60;
const NARROWEST = 20;
const WIDEST_NAME = 48;

/** What the whole comes to: all is only well if all is known. */
export function levelOf({ fleet, incomplete, trouble }: FleetView): Level {
  return fleet.level === 'ok' && (incomplete !== undefined || trouble !== undefined)
    ? 'unknown'
    : fleet.level;
}

/** The whole in one sentence. */
export function summaryOf({ fleet: { counts }, count, topic, trouble }: FleetView): string {
  if (count === 0) return trouble?.problem ?? `no gateway has published at ${topic}`;
  const { critical, warning, unknown } = counts;
  const parts = [
    critical > 0 && `${number(critical)} critical`,
    warning > 0 && `${number(warning)} ${warning === 1 ? 'warning' : 'warnings'}`,
    unknown > 0 && `${number(unknown)} unknown`,
  ].filter((part) => part !== false);
  const all = `${number(count)} ${count === 1 ? 'gateway' : 'gateways'}`;
  if (parts.length === 0) return count === 1 ? '1 gateway, well' : `${all}, all well`;
  return `${all}: ${parts.join(', ')}, ${number(counts.ok)} ok`;
}

/** What to do if there is nothing to show. */
export function adviceOf({ count, trouble, topic }: FleetView): string | undefined {
  if (trouble !== undefined) return trouble.hint;
  if (count > 0) return undefined;
  return `is it the right --topic, does a gateway publish (STATUS_TOPIC) and its bridge carry it here, and may this user read ${topic}/state and ${topic}/availability?`;
}

/** The lines of the report. */
export function fleetLines(view: FleetView, layout: Layout): readonly string[] {
  const sheet = sheetOf(layout);
  const level = levelOf(view);
  const about = [
    `${view.topic} at ${view.broker}, ${timestamp(view.nowMs)}`,
    view.incomplete,
    view.count > 0 ? view.trouble?.problem : undefined,
    adviceOf(view),
    view.lastChange,
  ];
  const prefix = prefixOf(view.topic);
  const { groups } = view.fleet;
  const most = rowsOfGroup(layout.rows, groups.length);
  return [
    ...sheet.headed(level, level.toUpperCase(), `: ${summaryOf(view)}`),
    ...about.flatMap((text) => (text === undefined ? [] : sheet.dim(printable(text)))),
    ...groups.flatMap((group) => ['', ...groupLines(group, prefix, sheet, most)]),
  ];
}

/** How lines are laid out: nothing is wider than the terminal, and colours do not count. */
interface Sheet {
  readonly columns: number;
  /** A word in the colour of its level, and what follows it. */
  headed(level: Level, word: string, rest: string): readonly string[];
  dim(text: string, indent?: string): readonly string[];
}

function sheetOf({ color, columns: of = Number.POSITIVE_INFINITY }: Layout): Sheet {
  const columns = Math.max(NARROWEST, of);
  const paint = (style: number, text: string) => (color ? `\u001b[${style}m${text}\u001b[0m` : text);
  return {
    columns,
    headed(level, word, rest) {
      const [first = '', ...others] = wrapped(`${word}${rest}`, columns, '');
      return [`${paint(COLOURS[level], word)}${first.slice(word.length)}`, ...others];
    },
    dim: (text, indent = '') => wrapped(text, columns, indent).map((line) => paint(DIM, line)),
  };
}

function rowsOfGroup(rows: number | undefined, groups: number): number {
  if (rows === undefined || groups === 0) return MOST_ROWS;
  const each = Math.floor((rows - LINES_OF_HEADING) / groups) - LINES_OF_GROUP;
  return Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, each));
}

function groupLines(group: GatewayGroup, prefix: string, sheet: Sheet, most: number): readonly string[] {
  const { level, cause, members, advice } = group;
  const shared = cause === undefined ? undefined : sharedSentence(members);
  const count = `${number(members.length)} ${members.length === 1 ? 'gateway' : 'gateways'}`;
  const why = [cause, shared].filter((each) => each !== undefined).join(': ');
  const shown = members.slice(0, most).map((member) => ({
    name: printable(member.topic.slice(prefix.length), WIDEST_NAME),
    left: daysOf(member),
    sentence: shared === undefined ? member.sentence : '',
    advice: level === 'ok' || member.advice === advice ? undefined : member.advice,
  }));
  const width = Math.min(Math.floor(sheet.columns / 2), widest(shown.map(({ name }) => name)));
  const leftWidth = widest(shown.map(({ left }) => left));
  const more = members.length - shown.length;
  return [
    ...sheet.headed(level, level, ` ${count}${why === '' ? '' : `, ${why}`}`),
    ...(advice === undefined || level === 'ok' ? [] : sheet.dim(`try: ${advice}`, '  ')),
    ...shown.flatMap((row) => [
      ...rowLines(row, width, leftWidth, sheet),
      ...(row.advice === undefined ? [] : sheet.dim(`try: ${row.advice}`, '    ')),
    ]),
    ...(more > 0 ? sheet.dim(`and ${number(more)} more: --json lists them all`, '  ') : []),
  ];
}

interface Row {
  readonly name: string;
  readonly left: string;
  readonly sentence: string;
}

/** On one line, or on two of a narrow terminal. */
function rowLines({ name, left, sentence }: Row, width: number, leftWidth: number, { columns }: Sheet) {
  const head = `  ${shorten(name, width).padEnd(width)}  ${left.padStart(leftWidth)}`;
  if (sentence === '') return [shorten(head.trimEnd(), columns)];
  if (columns >= NARROW) return [shorten(`${head}  ${sentence}`, columns)];
  return [shorten(head.trimEnd(), columns), shorten(`    ${sentence}`, columns)];
}

function daysOf({ daysLeft }: GatewayStatus): string {
  if (daysLeft === undefined) return '';
  return daysLeft < 0 ? 'expired' : `${daysLeft} d left`;
}

/** What all of them say, if it is the same. */
function sharedSentence(members: readonly GatewayStatus[]): string | undefined {
  const sentence = members[0]?.sentence;
  return members.every((member) => member.sentence === sentence) ? sentence : undefined;
}

function widest(texts: readonly string[]): number {
  return texts.reduce((most, { length }) => Math.max(most, length), 0);
}

/** At most so many characters, `…` included. */
function shorten(text: string, columns: number): string {
  return text.length <= columns ? text : cut(text, columns - 1);
}

/** Lines of at most so many characters, broken at blanks; a longer word is cut. */
function wrapped(text: string, columns: number, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    const joined = line === indent ? `${line}${word}` : `${line} ${word}`;
    if (joined.length <= columns || line === indent) line = joined;
    else {
      lines.push(line);
      line = `${indent}${word}`;
    }
  }
  return [...lines, line].map((each) => shorten(each, columns));
}

/** The levels of the topic that all gateways share. */
function prefixOf(topic: string): string {
  const at = topic.indexOf('+');
  return at < 0 ? '' : topic.slice(0, at);
}

function number(count: number): string {
  return count.toLocaleString('en-US');
}
