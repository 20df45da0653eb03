import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENTS, type EventName } from '../../src/core/events.ts';
import { LOG_LEVELS } from '../../src/core/settings.ts';
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
    expect(JSON.parse(formatLine({ event, details: {} }, NOON))).toMatchObject(EVENTS[event]);
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

  it('says what it was told, whatever that is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (subject) => {
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
});
