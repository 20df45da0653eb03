/**
 * When the windows of `RESTART_WINDOW` are open. They follow local time in their time zone: an hour that is skipped in
 * spring does not occur, one that is repeated in autumn occurs twice. `Intl` does no I/O and reads no clock, so it is
 * as pure as `Math` (docs/decisions/0024-a-window-for-restarts.md).
 */

/** One window of each of these days. */
export interface WindowRule {
  /** on which it begins; 0 is Sunday */
  readonly days: readonly number[];
  /** minutes since midnight of that day, in local time */
  readonly fromMinute: number;
  /** the first minute after the window; beyond 1440 it ends on the next day */
  readonly toMinute: number;
}

export interface RestartWindow {
  /** as it was written */
  readonly text: string;
  /** an IANA name */
  readonly timeZone: string;
  readonly rules: readonly WindowRule[];
}

/** A period in which restarts are allowed; windows that touch are merged. Wall-clock milliseconds. */
export interface Opening {
  /** not after now if it is open; minus infinity: it has been open for more than a day */
  readonly opensAtMs: number;
  /** the first moment after the opening */
  readonly closesAtMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A week, and two more: for a weekly window that the clock has skipped, and for a zone that has skipped a day. */
const HORIZON_MS = 22 * DAY_MS;

/** The longest window, including an hour that is repeated in it. */
const LONGEST_MS = 26 * HOUR_MS;

/** The window that is open, or else the next one. */
export function nextOpening({ rules, timeZone }: RestartWindow, nowMs: number): Opening {
  const startMs = nowMs - LONGEST_MS;
  const endMs = nowMs + HORIZON_MS;
  let found: Opening | undefined;
  for (const stretch of stretches(timeZone, startMs, endMs)) {
    for (const { opensAtMs, closesAtMs } of openingsIn(rules, stretch)) {
      if (found !== undefined && opensAtMs <= found.closesAtMs) {
        found = { opensAtMs: found.opensAtMs, closesAtMs: Math.max(found.closesAtMs, closesAtMs) };
        continue;
      }
      if (found !== undefined && found.closesAtMs > nowMs) return found;
      found = { opensAtMs: opensAtMs === startMs ? Number.NEGATIVE_INFINITY : opensAtMs, closesAtMs };
    }
    if (found !== undefined && found.closesAtMs > nowMs && found.closesAtMs < stretch.toMs) return found;
  }
  return found !== undefined && found.closesAtMs > nowMs ? found : { opensAtMs: endMs, closesAtMs: endMs };
}

/** No broker is left with a certificate that expires within this time. */
export const LAST_HOUR_MS = HOUR_MS;

/**
 * When a broker may be restarted: in the window, or an hour before the certificate that it has loaded expires if that
 * is before the window ends. Wall-clock milliseconds; a time not after now means that it may be restarted.
 */
export function restartAllowedAt(opening: Opening, loadedNotAfterMs: number | undefined): number {
  if (loadedNotAfterMs === undefined || loadedNotAfterMs >= opening.closesAtMs) return opening.opensAtMs;
  return Math.min(opening.opensAtMs, loadedNotAfterMs - LAST_HOUR_MS);
}

/** A period in which local time has a constant offset from UTC. */
interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly offsetMs: number;
}

/** No zone changes its clock and changes it back within this time. */
const STEP_MS = DAY_MS;

function* stretches(timeZone: string, fromMs: number, endMs: number): Generator<Stretch> {
  let startMs = fromMs;
  let offsetMs = offsetAt(timeZone, startMs);
  while (startMs < endMs) {
    const stepMs = Math.min(startMs + STEP_MS, endMs);
    const nextOffsetMs = offsetAt(timeZone, stepMs);
    const toMs = nextOffsetMs === offsetMs ? stepMs : changeBetween(timeZone, startMs, stepMs);
    yield { fromMs: startMs, toMs, offsetMs };
    startMs = toMs;
    offsetMs = nextOffsetMs;
  }
}

/** The first millisecond with the offset of `toMs`. */
function changeBetween(timeZone: string, fromMs: number, toMs: number): number {
  const afterMs = offsetAt(timeZone, toMs);
  let [before, after] = [fromMs, toMs];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(timeZone, middle) === afterMs) after = middle;
    else before = middle;
  }
  return after;
}

/** The openings within a stretch, by the time at which they begin. */
function openingsIn(rules: readonly WindowRule[], { fromMs, toMs, offsetMs }: Stretch): readonly Opening[] {
  const firstDay = Math.floor((fromMs + offsetMs) / DAY_MS) - 1;
  const lastDay = Math.floor((toMs + offsetMs) / DAY_MS);
  const openings: Opening[] = [];
  for (let day = firstDay; day <= lastDay; day++) {
    const midnightMs = day * DAY_MS - offsetMs;
    for (const { days, fromMinute, toMinute } of rules) {
      if (!days.includes(weekdayOf(day))) continue;
      const opensAtMs = Math.max(fromMs, midnightMs + fromMinute * MINUTE_MS);
      const closesAtMs = Math.min(toMs, midnightMs + toMinute * MINUTE_MS);
      if (opensAtMs < closesAtMs) openings.push({ opensAtMs, closesAtMs });
    }
  }
  return openings.sort((a, b) => a.opensAtMs - b.opensAtMs);
}

/** The weekday of a day counted from 1970-01-01, which was a Thursday. */
function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** How far local time is ahead of UTC. */
function offsetAt(timeZone: string, wallMs: number): number {
  if (timeZone === 'UTC') return 0;
  const secondMs = Math.floor(wallMs / 1_000) * 1_000;
  const shown = Object.fromEntries(
    formatterOf(timeZone)
      .formatToParts(secondMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
  return Date.UTC(year, month - 1, day, hour, minute, second) - secondMs;
}

/** Creating a formatter takes longer than all the calls made to it. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formatters.set(timeZone, made);
  return made;
}

/** Whether this runtime knows a time zone of this name. UTC, the default, is known without loading the data of all zones. */
export function isTimeZone(name: string): boolean {
  if (name === 'UTC') return true;
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return false;
  try {
    formatterOf(name);
    return true;
  } catch {
    // a RangeError: unknown
    return false;
  }
}
