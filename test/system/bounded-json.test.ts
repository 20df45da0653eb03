import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/system/bounded-json.ts';

const BOUNDS = { depth: 4, values: 20 };

function problem(text: string): string | undefined {
  const result = parseJson(text, BOUNDS);
  return result.ok ? undefined : result.problem;
}

describe('JSON from outside', () => {
  it('is what JSON.parse makes of it, where it is within the bounds', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(text, { depth: 1_000, values: 100_000 })).toEqual({
          ok: true,
          value: JSON.parse(text),
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('never has more values or levels than it was let have', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        const result = parseJson(text, BOUNDS);
        if (!result.ok) return;
        expect(depthOf(result.value)).toBeLessThanOrEqual(BOUNDS.depth);
        expect(valuesIn(result.value)).toBeLessThanOrEqual(BOUNDS.values);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['as deep as may be', '[[[[1]]]]', undefined],
    ['one level deeper', '[[[[[1]]]]]', 'is nested deeper than 4 levels'],
    ['one level deeper, of objects', '{"a":{"a":{"a":{"a":{}}}}}', 'is nested deeper than 4 levels'],
    ['beyond it, and never closed', '['.repeat(1_000_000), 'is nested deeper than 4 levels'],
    ['wide', `[${'1,'.repeat(30)}1]`, 'holds more than 20 values'],
    ['wide with empty lists', `[${'[],'.repeat(30)}1]`, 'holds more than 20 values'],
    ['full of brackets in a text', JSON.stringify('[{,'.repeat(100)), undefined],
    ['full of brackets behind an escaped quotation mark', JSON.stringify('"[[[[[[\\"[[[['), undefined],
    ['a text without end', '"[[[[[[', 'is not JSON'],
    ['a text that ends in an escape', '"\\', 'is not JSON'],
    ['nothing', '', 'is not JSON'],
  ])('is refused if it is beyond them: %s', (_, text, expected) => {
    expect(problem(text)).toBe(expected);
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** Empty lists and objects, and what stands in others. */
function valuesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Math.max(1, ...[Object.values(value).reduce((sum: number, each) => sum + valuesIn(each), 0)]);
}
