/** The log: one JSON object a line on standard output, and nothing else. */

import { type Announcement, EVENTS } from '../core/events.ts';
import { LOG_LEVELS, type LogLevel } from '../core/settings.ts';
import { timestamp } from '../core/timestamp.ts';

export type Log = (announcement: Announcement, wallMs: number) => void;

/** Writes the events of `level` and above, each as one line, through `write`. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const threshold = LOG_LEVELS.indexOf(level);
  return (announcement, wallMs) => {
    const kind = EVENTS[announcement.event];
    if (LOG_LEVELS.indexOf(kind.level) >= threshold) write(formatLine(announcement, wallMs));
  };
}

/** One line of the log, with its line end; a line for every reader, also for one that knows Unicode's separators. */
export function formatLine({ event, details }: Announcement, wallMs: number): string {
  const { component, level } = EVENTS[event];
  const json = JSON.stringify({ timestamp: timestamp(wallMs), level, component, event, details });
  return `${json.replace(/[\u0085\u2028\u2029]/g, escapeSeparator)}\n`;
}

function escapeSeparator(separator: string): string {
  return `\\u${separator.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
