import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { restartWindow } from '../../../lab/core-fixtures.ts';
import {
  isTimeZone,
  nextOpening,
  type RestartWindow,
  restartAllowedAt,
} from '../../../src/core/model/calendar.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;

/** The next opening as two times in UTC, to the minute. */
function opening(text: string, timeZone: string, now: string): string {
  const { opensAtMs, closesAtMs } = nextOpening(restartWindow(text, timeZone), Date.parse(now));
  return [opensAtMs, closesAtMs].map((ms) => new Date(ms).toISOString().slice(0, 16)).join(' ');
}

describe('the next opening', () => {
  it.each([
    // a Saturday
    ['tonight', 'Sun 02:00-04:00', 'UTC', '2026-11-28T12:00Z', '2026-11-29T02:00 2026-11-29T04:00'],
    ['a week away', 'Sat 02:00-04:00', 'UTC', '2026-11-28T04:00Z', '2026-12-05T02:00 2026-12-05T04:00'],
    ['open', 'Sat 02:00-04:00', 'UTC', '2026-11-28T03:59Z', '2026-11-28T02:00 2026-11-28T04:00'],
    ['open since now', 'Sat 02:00-04:00', 'UTC', '2026-11-28T02:00Z', '2026-11-28T02:00 2026-11-28T04:00'],
    [
      'over midnight, from the evening',
      'Fri 22:00-02:00',
      'UTC',
      '2026-11-27T23:00Z',
      '2026-11-27T22:00 2026-11-28T02:00',
    ],
    [
      'over midnight, after midnight: the day is that of its begin',
      'Fri 22:00-02:00',
      'UTC',
      '2026-11-28T01:00Z',
      '2026-11-27T22:00 2026-11-28T02:00',
    ],
    [
      'not that of the night before',
      'Sat 22:00-02:00',
      'UTC',
      '2026-11-28T01:00Z',
      '2026-11-28T22:00 2026-11-29T02:00',
    ],
    [
      'one with the one that it touches',
      'Fri 22:00-24:00, Sat 00:00-03:00',
      'UTC',
      '2026-11-27T12:00Z',
      '2026-11-27T22:00 2026-11-28T03:00',
    ],
    [
      'in a zone ahead of UTC, where it is another day',
      'Sun 02:00-04:00',
      'Asia/Tokyo',
      '2026-11-28T12:00Z',
      '2026-11-28T17:00 2026-11-28T19:00',
    ],
    [
      'in a zone of half hours',
      'Sun 02:00-04:00',
      'Asia/Kolkata',
      '2026-11-28T12:00Z',
      '2026-11-28T20:30 2026-11-28T22:30',
    ],
    // Berlin goes from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25
    [
      'shorter in spring',
      'Sun 01:00-04:00',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-03-29T00:00 2026-03-29T02:00',
    ],
    [
      'longer in autumn',
      'Sun 01:00-04:00',
      'Europe/Berlin',
      '2026-10-24T12:00Z',
      '2026-10-24T23:00 2026-10-25T03:00',
    ],
    [
      'begun where the clock jumps to',
      'Sun 02:30-03:30',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-03-29T01:00 2026-03-29T01:30',
    ],
    [
      'a week later where the clock skips it',
      'Sun 02:00-03:00',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-04-05T00:00 2026-04-05T01:00',
    ],
    [
      'twice as long where the clock repeats it',
      'Sun 02:00-03:00',
      'Europe/Berlin',
      '2026-10-24T12:00Z',
      '2026-10-25T00:00 2026-10-25T02:00',
    ],
    [
      'there again where the clock repeats a part of it',
      'Sun 01:30-02:30',
      'Europe/Berlin',
      '2026-10-25T00:40Z',
      '2026-10-25T01:00 2026-10-25T01:30',
    ],
    [
      'over midnight and the change of the clock',
      'Sat 23:00-03:30',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-03-28T22:00 2026-03-29T01:30',
    ],
    // the clock of Lord Howe goes by half an hour, on 2026-04-05 from 02:00 back to 01:30
    [
      'right by a clock that changes by half an hour',
      'Sun 01:45-03:00',
      'Australia/Lord_Howe',
      '2026-04-04T12:00Z',
      '2026-04-04T14:45 2026-04-04T15:00',
    ],
    // Samoa had no 2011-12-30, which would have been a Friday
    [
      'right across a day that a zone has left out',
      'Fri 02:00-03:00',
      'Pacific/Apia',
      '2011-12-29T12:00Z',
      '2012-01-05T12:00 2012-01-05T13:00',
    ],
  ])('is %s', (_, text, timeZone, now, expected) => {
    expect(opening(text, timeZone, now)).toBe(expected);
  });

  it('of windows without an end is open, and stays so for weeks', () => {
    const nowMs = Date.parse('2026-11-28T12:00Z');
    const { opensAtMs, closesAtMs } = nextOpening(restartWindow('00:00-24:00'), nowMs);
    expect(opensAtMs).toBe(Number.NEGATIVE_INFINITY);
    expect(closesAtMs).toBeGreaterThan(nowMs + 14 * DAY_MS);
  });
});

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Africa/Casablanca',
  'America/Sao_Paulo',
  'Pacific/Apia',
  'Pacific/Chatham',
  'Antarctica/Troll',
];

const time = fc.integer({ min: 0, max: 1_439 });
const rule = fc
  .record({
    days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
    fromMinute: time,
    length: fc.integer({ min: 1, max: 1_439 }),
  })
  .map(({ days, fromMinute, length }) => ({ days, fromMinute, toMinute: fromMinute + length }));
const anyWindow: fc.Arbitrary<RestartWindow> = fc
  .record({ rules: fc.array(rule, { minLength: 1, maxLength: 4 }), timeZone: fc.constantFrom(...ZONES) })
  .map(({ rules, timeZone }) => ({ text: '', rules, timeZone }));

/** From 1990 to 2040; half of them within two days of a change of some clock. */
const CHANGES = ['2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-03-08T07:00Z', '2011-12-30T10:00Z'].map(
  Date.parse,
);
const anyMoment = fc.oneof(
  fc.integer({ min: Date.UTC(1990), max: Date.UTC(2040) }),
  fc
    .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }))
    .map(([ms, by]) => ms + by),
);

const CLOCKS = new Map(
  ZONES.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    }),
  ]),
);

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Whether a clock on the wall is within a window, by what it shows: nothing but its weekday and its time. */
function showsOpen({ rules, timeZone }: RestartWindow, ms: number): boolean {
  const shown = CLOCKS.get(timeZone)?.format(ms) ?? '';
  const [, name = '', hours = '', minutes = ''] = /^(\w+),? (\d+):(\d+)$/.exec(shown) ?? [];
  const weekday = WEEKDAYS.indexOf(name);
  if (weekday < 0) throw new Error(`what day is ${shown}?`);
  const minute = Number(hours) * 60 + Number(minutes);
  return rules.some(({ days, fromMinute, toMinute }) => {
    const isToday = days.includes(weekday) && fromMinute <= minute && minute < toMinute;
    return isToday || (days.includes((weekday + 6) % 7) && minute + 1_440 < toMinute);
  });
}

/** A zone that leaves out a day has a night whose day before is not that of yesterday. */
const hasLeftOutADay = ({ timeZone }: RestartWindow, ms: number) =>
  timeZone === 'Pacific/Apia' && Math.abs(ms - Date.UTC(2011, 11, 30, 12)) < 3 * DAY_MS;

describe('in any zone, at any time', () => {
  it('a window is open when the clock on the wall says so', () => {
    fc.assert(
      fc.property(anyWindow, anyMoment, (any, nowMs) => {
        fc.pre(!hasLeftOutADay(any, nowMs));
        const { opensAtMs, closesAtMs } = nextOpening(any, nowMs);
        expect(opensAtMs <= nowMs).toBe(showsOpen(any, nowMs));
        expect(closesAtMs).toBeGreaterThan(nowMs);
      }),
      { numRuns: 2_000 },
    );
  });

  it('none is open before the next opening, and none closes within it', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(anyWindow, anyMoment, share, (any, nowMs, part) => {
        const { opensAtMs, closesAtMs } = nextOpening(any, nowMs);
        fc.pre(!hasLeftOutADay(any, nowMs) && !hasLeftOutADay(any, closesAtMs));
        const within = Math.max(opensAtMs, nowMs) + (closesAtMs - Math.max(opensAtMs, nowMs) - 1) * part;
        expect(showsOpen(any, within)).toBe(true);
        if (closesAtMs < nowMs + 22 * DAY_MS) expect(showsOpen(any, closesAtMs)).toBe(false);
        if (opensAtMs <= nowMs) return;
        expect(showsOpen(any, nowMs + (opensAtMs - 1 - nowMs) * part)).toBe(false);
        expect(showsOpen(any, opensAtMs - 1)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('the next opening is within two weeks', () => {
    fc.assert(
      fc.property(anyWindow, anyMoment, (any, nowMs) => {
        expect(nextOpening(any, nowMs).opensAtMs - nowMs).toBeLessThanOrEqual(15 * DAY_MS);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a restart is allowed', () => {
  const HOUR_MS = 60 * MINUTE_MS;
  const opening = { opensAtMs: 100 * HOUR_MS, closesAtMs: 102 * HOUR_MS };

  it.each([
    ['in the window, where the end of the loaded certificate is not known', undefined, 100],
    ['in the window, where that is after the window', 102.01, 100],
    ['in the window, where that is when the window ends', 102, 100],
    ['in the window, where that is an hour after it begins', 101.5, 100],
    ['an hour before the loaded certificate expires, where that is within the window', 100.5, 99.5],
    ['an hour before the loaded certificate expires, where that is before the window', 50, 49],
  ])('%s', (_, notAfterHours, hours) => {
    const notAfterMs = notAfterHours === undefined ? undefined : notAfterHours * HOUR_MS;
    expect(restartAllowedAt(opening, notAfterMs)).toBe(hours * HOUR_MS);
  });
});

describe('a time zone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])('%s is known', (name) => {
    expect(isTimeZone(name)).toBe(true);
  });

  it.each(['', 'Europe/Berlln', '+02:00', 'local', '../etc/passwd', 'Europe/Berlin '])(
    '"%s" is not',
    (name) => {
      expect(isTimeZone(name)).toBe(false);
    },
  );
});
