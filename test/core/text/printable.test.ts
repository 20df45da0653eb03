import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { cut, printable, visible, visibleJson } from '../../../src/core/text/printable.ts';

/** What hides, deceives or drives a terminal, each of its kind. */
const UNSEEN = [
  ['an escape', '\u001b'],
  ['a bell', '\u0007'],
  ['a null', '\0'],
  ['a delete', '\u007f'],
  ['a C1 control sequence introducer', '\u009b'],
  ['a right-to-left override', '\u202e'],
  ['a first strong isolate', '\u2068'],
  ['an Arabic letter mark', '\u061c'],
  ['a zero width space', '\u200b'],
  ['a zero width joiner', '\u200d'],
  ['a word joiner', '\u2060'],
  ['a soft hyphen', '\u00ad'],
  ['an interlinear annotation', '\ufff9'],
  ['a Hangul filler', '\u3164'],
  ['a combining grapheme joiner', '\u034f'],
  ['a variation selector', '\ufe0f'],
  ['a tag letter', '\u{e0041}'],
  ['half a character', '\ud83e'],
] as const;

describe('text for terminals and pages', () => {
  it.each(UNSEEN)('shows %s as what it is not', (_, text) => {
    expect(visible(`a${text}b`)).toBe('a\uFFFDb');
  });

  it.each([
    ['a byte order mark', '\ufeff'],
    ['a line feed', '\n'],
    ['a line separator', '\u2028'],
    ['a next line', '\u0085'],
    ['a tabulator', '\t'],
  ])('has a blank for %s', (_, text) => {
    expect(visible(`a${text}b`)).toBe('a b');
  });

  it.each(['Grüße an Zoë', '例え.jp', 'שלום', '🦟', 'a\u0301', 'O=Example, Inc.'])(
    'leaves %s as it is',
    (text) => {
      expect(visible(text)).toBe(text);
    },
  );

  it('is one line of bounded length, whatever it is made of', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 1_000 }),
        fc.integer({ min: 1, max: 400 }),
        (text, longest) => {
          const line = printable(text, longest);
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
          expect(line.length).toBeLessThanOrEqual(longest + 1);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is made of the beginning, however long the text is', () => {
    const replace = vi.spyOn(String.prototype, 'replace');
    const line = printable('\u202e'.repeat(1_000_000), 300);
    const longest = Math.max(...replace.mock.contexts.map((text) => String(text).length));
    replace.mockRestore();
    expect(line).toHaveLength(301);
    expect(longest).toBeGreaterThanOrEqual(300);
    expect(longest).toBeLessThanOrEqual(601);
  });
});

describe('cut', () => {
  it('leaves what is not too long', () => {
    expect(cut('abc', 3)).toBe('abc');
  });

  it('says that something is missing', () => {
    expect(cut('abcd', 3)).toBe('abc…');
  });

  it('leaves no half of a character', () => {
    expect(cut('ab🦟', 3)).toBe('ab…');
  });
});

describe('JSON', () => {
  it.each(UNSEEN)('shows %s by its number', (_, text) => {
    const escapes = [...Array(text.length).keys()].map(
      (index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`,
    );
    const short: Readonly<Record<string, string>> = { '\b': '\\b' };
    expect(visibleJson(JSON.stringify(text))).toBe(`"${short[text] ?? escapes.join('')}"`);
  });

  it('is the same to programs, with and without a layout', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom(0, 2), (value, indent) => {
        const json = JSON.stringify(value, undefined, indent);
        expect(JSON.parse(visibleJson(json))).toEqual(JSON.parse(json));
      }),
    );
  });

  it('keeps its layout', () => {
    expect(visibleJson(JSON.stringify({ a: 1 }, undefined, 2))).toBe('{\n  "a": 1\n}');
  });
});
