/** The log: one JSON object per line on standard output, and nothing else. */

import { LOG_LEVELS, type LogLevel } from '../core/model/settings.ts';
import { type Announcement, EVENTS } from '../core/news/events.ts';
import { cut, visibleJson } from '../core/text/printable.ts';
import { timestamp } from '../core/text/timestamp.ts';

export type Log = (announcement: Announcement, wallMs: number) => void;

/** How systemd's journal reads the beginning of a line. sd-daemon(3) */
export const PRIORITIES = { error: '<3>', warn: '<4>', info: '<6>', debug: '<7>' } as const satisfies Record<
  LogLevel,
  string
>;

/** Writes the events of `level` and above, each as one line, through `write`; for the journal with their priorities. */
export function createLog(level: LogLevel, write: (line: string) => void, isForJournal = false): Log {
  const threshold = LOG_LEVELS.indexOf(level);
  return (announcement, wallMs) => {
    const kind = EVENTS[announcement.event];
    if (LOG_LEVELS.indexOf(kind.level) < threshold) return;
    write(`${isForJournal ? PRIORITIES[kind.level] : ''}${formatLine(announcement, wallMs)}`);
  };
}

/** Bounds of a line. A line that is longer than {@link LONGEST_LINE} all the same is cut further, step by step. */
const BOUNDS: readonly Bounds[] = [
  { letters: 1_000, items: 50 },
  { letters: 200, items: 20 },
  { letters: 40, items: 6 },
];

/** Bytes including the line end; log collectors (journald, Docker) split longer lines. */
const LONGEST_LINE = 16_384;

/**
 * One line of the log, with its line end; a single line for any reader, even one that knows Unicode's separators. It
 * shows what it contains, see {@link visibleJson}, and is JSON of at most 16 KiB for any input: texts and lists that
 * are too long end in `…`.
 */
export function formatLine({ event, details }: Announcement, wallMs: number): string {
  const { component, level } = EVENTS[event];
  const head = { timestamp: timestamp(wallMs), level, component, event };
  for (const bounds of BOUNDS) {
    const json = JSON.stringify({ ...head, details: bounded(details, bounds) });
    if (json.length > LONGEST_LINE) continue;
    const line = `${visibleJson(json)}\n`;
    if (Buffer.byteLength(line) <= LONGEST_LINE) return line;
  }
  return `${JSON.stringify({ ...head, details: { message: 'the details of this event are too long for a line' } })}\n`;
}

interface Bounds {
  /** of one text */
  readonly letters: number;
  /** of one list */
  readonly items: number;
}

/** The value with every text and every list in it cut to its bounds. */
function bounded(value: unknown, bounds: Bounds): unknown {
  if (typeof value === 'string') return cut(value, bounds.letters);
  if (Array.isArray(value)) {
    const kept = value.slice(0, bounds.items).map((item) => bounded(item, bounds));
    return value.length > bounds.items ? [...kept, '…'] : kept;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, bounded(item, bounds)]));
}
