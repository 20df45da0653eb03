/** The demo's voice: everything that it writes to the terminal, in colour where there is one. */

import { styleText } from 'node:util';
import type { LogLine } from './daemon.ts';

/** Who is speaking in a line of a chapter. */
export type Speaker = 'files' | 'watcher' | 'broker' | 'upstream' | 'demo';

export interface Plan {
  readonly title: string;
  /** what is done, in plain words */
  readonly doing: string;
  /** what the watcher should do, and why */
  readonly expected: string;
}

/** One line of the summary. */
export interface SummaryRow {
  readonly title: string;
  readonly ok: boolean;
  readonly expected: number;
  readonly seen: number;
  /** what the broker runs with at the end of the chapter */
  readonly broker: string;
  readonly tookMs: number;
}

export interface Narrator {
  /** Title and a paragraph. */
  introduce(title: string, lines: readonly string[]): void;
  /** Begins a chapter; the clock of its lines starts with {@link Narrator.startClock}. */
  announce(number: number, count: number, plan: Plan): void;
  startClock(): void;
  tell(speaker: Speaker, text: string): void;
  /** A line of the watcher's log, in its compact form; paths in `directory` are cut short. */
  quote(line: LogLine, directory: string): void;
  /** The chapter's verdict. */
  conclude(ok: boolean, text: string): void;
  summarize(rows: readonly SummaryRow[], totalMs: number): void;
  complain(text: string): void;
}

export interface NarratorOptions {
  readonly write: (text: string) => void;
  readonly isColourful: boolean;
  readonly width: number;
}

type Style = Parameters<typeof styleText>[0];

const SPEAKER_STYLE: Readonly<Record<Speaker, Style>> = {
  files: 'blue',
  watcher: 'cyan',
  broker: 'magenta',
  upstream: 'yellow',
  demo: 'dim',
};
const LEVEL_STYLE: Readonly<Record<LogLine['level'], Style>> = {
  debug: 'dim',
  info: 'bold',
  warn: ['bold', 'yellow'],
  error: ['bold', 'red'],
};

/** Where the text of a chapter's lines begins: after time and speaker. */
const MARGIN = ' '.repeat(20);
const [NARROWEST, WIDEST] = [60, 104];

/** A narrator that writes through `write`. */
export function createNarrator({ write, isColourful, width }: NarratorOptions): Narrator {
  const columns = Math.min(Math.max(width, NARROWEST), WIDEST);
  let clockMs = performance.now();

  // the caller has decided about colours: what the library finds in the environment does not count
  const paint = (style: Style, text: string) =>
    isColourful ? styleText(style, text, { validateStream: false }) : text;
  const print = (text: string) => write(`${text}\n`);
  const rule = (title: string) =>
    print(
      `\n${paint('bold', `━━ ${title} `)}${paint('dim', '━'.repeat(Math.max(0, columns - title.length - 4)))}`,
    );

  /** `head` and the text after it; further lines are indented as far as `head` reaches. */
  function paragraph(head: string, headWidth: number, text: string, style?: Style) {
    for (const [index, line] of wrap(text, columns - headWidth).entries()) {
      print(
        `${index === 0 ? head : ' '.repeat(headWidth)}${style === undefined ? line : paint(style, line)}`,
      );
    }
  }

  function headOf(speaker: Speaker): string {
    const time = `${((performance.now() - clockMs) / 1_000).toFixed(2)} s`.padStart(8);
    return `${paint('dim', time)}  ${paint(SPEAKER_STYLE[speaker], speaker.padEnd(8))}  `;
  }

  function say(speaker: Speaker, text: string) {
    paragraph(headOf(speaker), MARGIN.length, text, speaker === 'demo' ? 'dim' : undefined);
  }

  return {
    introduce: (title, lines) => {
      print(paint('bold', title));
      for (const line of lines) paragraph('  ', 2, line);
    },
    announce: (number, count, { title, doing, expected }) => {
      rule(`${number} of ${count} · ${title}`);
      paragraph(`  ${paint('bold', 'Now')}       `, 12, doing);
      paragraph(`  ${paint('bold', 'Expected')}  `, 12, expected);
      print('');
    },
    startClock: () => {
      clockMs = performance.now();
    },
    tell: say,
    quote: ({ level, event, details }, directory) => {
      const text = digest(event, details).replaceAll(`${directory}/`, '');
      const [first = '', ...rest] = wrap(text === '' ? event : `${event}: ${text}`, columns - MARGIN.length);
      print(`${headOf('watcher')}${paint(LEVEL_STYLE[level], event)}${first.slice(event.length)}`);
      for (const line of rest) print(`${MARGIN}${line}`);
      const { hint } = details;
      if ((level !== 'warn' && level !== 'error') || typeof hint !== 'string') return;
      paragraph(
        `${MARGIN}${paint('dim', '→ ')}`,
        MARGIN.length + 2,
        hint.replaceAll(`${directory}/`, ''),
        'dim',
      );
    },
    conclude: (ok, text) => {
      paragraph(paint(['bold', ok ? 'green' : 'red'], `\n  ${mark(ok)} `), 4, text, ok ? 'green' : 'red');
    },
    summarize: (rows, totalMs) => {
      rule('Summary');
      const titleWidth = Math.max(...rows.map(({ title }) => title.length)) + 2;
      const brokerWidth = Math.max(20, ...rows.map(({ broker }) => broker.length + 2));
      const row = (no: string, title: string, seen: string, expected: string, broker: string, time: string) =>
        `${no.padStart(2)}  ${title.padEnd(titleWidth)}${seen.padStart(8)}${expected.padStart(10)}   ${broker.padEnd(brokerWidth)}${time.padStart(7)}`;
      print(paint('dim', `    ${row('', '', 'restarts', 'expected', 'the broker runs with', 'time')}`));
      for (const [index, { title, ok, expected, seen, broker, tookMs }] of rows.entries()) {
        const text = row(`${index + 1}`, title, `${seen}`, `${expected}`, broker, seconds(tookMs));
        print(`  ${paint(['bold', ok ? 'green' : 'red'], mark(ok))} ${text}`);
      }
      const expected = sum(rows.map((one) => one.expected));
      const seen = sum(rows.map((one) => one.seen));
      print(paint('bold', `    ${row('', 'in all', `${seen}`, `${expected}`, '', seconds(totalMs))}`));
    },
    complain: (text) => paragraph(paint(['bold', 'red'], '\n✗ '), 2, text),
  };
}

/** `1.2 s` */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** The words of a log line that matter to somebody who looks on. */
function digest(event: string, details: Readonly<Record<string, unknown>>): string {
  const { message, cert_dir, subject, days_remaining, reason, upstream, protocol, cause, error } = details;
  if (typeof message === 'string') return message;
  switch (event) {
    case 'started':
      return `watching ${cert_dir}`;
    case 'stopped':
      return `${reason}`;
    case 'cert_parsed':
      return `${subject}, ${Number(days_remaining) < 0 ? 'expired' : `${days_remaining} days left`}`;
    case 'tls_probe_success':
      return `${upstream} takes the client certificate (${protocol})`;
    case 'tls_probe_failure':
      return `${cause}: ${error}`;
    default:
      return '';
  }
}

function mark(ok: boolean): string {
  return ok ? '✓' : '✗';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Lines of at most `width` characters; a longer word has a line of its own. Line ends in the text are kept. */
function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    return [...lines, line];
  });
}
