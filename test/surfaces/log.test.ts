import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOG_LEVELS } from '../../src/core/model/settings.ts';
import { EVENTS, type EventName } from '../../src/core/news/events.ts';
import { createLog, formatLine } from '../../src/surfaces/log.ts';

const NAMES = Object.keys(EVENTS) as EventName[];
const NOON = Date.UTC(2024, 0, 15, 10, 30, 0);

/** Everything that some reader takes for the end of a line. */
const LINE_ENDS = /[\n\v\f\r\u0085\u2028\u2029]/;

describe('a line', () => {
  it('has the exact shape that is promised', () => {
    expect(formatLine({ event: 'cert_missing', details: { file: 'ca.crt', hint: 'wait' } }, NOON)).toBe(
      '{"timestamp":"2024-01-15T10:30:00Z","level":"warn","component":"cert","event":"cert_missing","details":{"file":"ca.crt","hint":"wait"}}\n',
    );
  });

  it.each(NAMES)('of %s has its keys in order', (event) => {
    expect(Object.keys(JSON.parse(formatLine({ event, details: {} }, NOON)))).toEqual([
      'timestamp',
      'level',
      'component',
      'event',
      'details',
    ]);
  });

  it.each(NAMES)('of %s has its component and level out of the catalogue', (event) => {
    const { component, level } = EVENTS[event];
    expect(JSON.parse(formatLine({ event, details: {} }, NOON))).toMatchObject({ component, level });
  });

  it('tells the time in whole seconds of UTC', () => {
    expect(JSON.parse(formatLine({ event: 'started', details: {} }, NOON + 999)).timestamp).toBe(
      '2024-01-15T10:30:00Z',
    );
  });

  it('leaves out details that are not known', () => {
    expect(formatLine({ event: 'started', details: { upstream: undefined } }, NOON)).toContain(
      '"details":{}',
    );
  });

  it('stays one line for every reader, whatever stands in it', () => {
    const hostile = fc.string({
      unit: fc.oneof(
        fc.constantFrom('\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029', '\0'),
        fc.string(),
      ),
    });
    fc.assert(
      fc.property(hostile, (subject) => {
        expect(formatLine({ event: 'cert_parsed', details: { subject } }, NOON).slice(0, -1)).not.toMatch(
          LINE_ENDS,
        );
      }),
    );
  });

  it('shows what it holds, and is the same to programs', () => {
    const subject = 'CN=\u202egnp.exe\u009b31m\u200b';
    const line = formatLine({ event: 'cert_parsed', details: { subject, [subject]: 1 } }, NOON);
    expect(line).toContain(
      '"subject":"CN=\\u202egnp.exe\\u009b31m\\u200b","CN=\\u202egnp.exe\\u009b31m\\u200b":1',
    );
    expect(JSON.parse(line).details.subject).toBe(subject);
  });

  it('cuts a text that is too long, and says so', () => {
    const line = formatLine(
      { event: 'cert_parsed', details: { subject: 'x'.repeat(60_000), file: 'a' } },
      NOON,
    );
    expect(JSON.parse(line).details).toEqual({ subject: `${'x'.repeat(1_000)}…`, file: 'a' });
  });

  it('cuts a list that is too long, and says so', () => {
    const not_done = Array.from({ length: 1_000 }, (_, index) => `broker-${index}`);
    const line = formatLine({ event: 'roll_stopped', details: { not_done } }, NOON);
    expect(JSON.parse(line).details.not_done).toEqual([...not_done.slice(0, 50), '…']);
  });

  it('cuts what is in a list too', () => {
    const files = [{ file: 'a', problem: 'x'.repeat(5_000) }];
    const line = formatLine({ event: 'cert_missing', details: { files } }, NOON);
    expect(JSON.parse(line).details.files).toEqual([{ file: 'a', problem: `${'x'.repeat(1_000)}…` }]);
  });

  it('has at most 16 KiB and is JSON, whatever it is told', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .tuple(fc.constantFrom('\u{e0041}', '\0', 'ü', 'x'), fc.integer({ min: 1, max: 5_000 }))
        .map(([unit, length]) => unit.repeat(length)),
    );
    const list = fc
      .tuple(text, fc.integer({ min: 1, max: 100 }))
      .map(([item, length]) => Array(length).fill(item));
    const details = fc.dictionary(fc.string(), fc.oneof(text, list, fc.jsonValue()), { maxKeys: 20 });
    fc.assert(
      fc.property(details, fc.boolean(), (some, isDeep) => {
        const line = formatLine({ event: 'cert_missing', details: isDeep ? { files: [some] } : some }, NOON);
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16_384);
        expect(JSON.parse(line)).toMatchObject({ event: 'cert_missing' });
      }),
      { numRuns: 40 },
    );
  });

  it('says what it was told, whatever that is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (subject) => {
        expect(JSON.parse(formatLine({ event: 'cert_parsed', details: { subject } }, NOON)).details).toEqual({
          subject,
        });
      }),
    );
  });
});

describe('the log', () => {
  /** What a log of the level writes when every event there is happens once. */
  function written(level: (typeof LOG_LEVELS)[number]): string[] {
    const lines: string[] = [];
    const log = createLog(level, (line) => lines.push(line));
    for (const event of NAMES) log({ event, details: {} }, NOON);
    return lines.map((line) => JSON.parse(line).event);
  }

  it.each(LOG_LEVELS.map((level, index) => [level, LOG_LEVELS.slice(index)] as const))(
    'of level %s writes the events of the levels %j, and no others',
    (level, levels) => {
      expect(written(level)).toEqual(NAMES.filter((name) => levels.includes(EVENTS[name].level)));
    },
  );

  it('writes each event by one call, so that lines of two never mix', () => {
    const lines: string[] = [];
    createLog('debug', (line) => lines.push(line))({ event: 'started', details: { text: 'a\nb' } }, NOON);
    expect(lines).toEqual([expect.stringMatching(/^\{.*\}\n$/)]);
  });

  it.each([
    ['cycle_failed', '<3>'],
    ['watch_degraded', '<4>'],
    ['started', '<6>'],
    ['state_path', '<7>'],
  ] as const)('for the journal begins %s with its priority %s', (event, priority) => {
    const lines: string[] = [];
    createLog('debug', (line) => lines.push(line), true)({ event, details: {} }, NOON);
    expect(lines).toEqual([`${priority}${formatLine({ event, details: {} }, NOON)}`]);
  });
});
