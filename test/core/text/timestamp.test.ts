import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timestamp } from '../../../src/core/text/timestamp.ts';

/** X.509's years: 1950 to 9999. */
const certificateDate = fc.integer({ min: Date.UTC(1950, 0), max: Date.UTC(9999, 11, 31, 23, 59, 59) });

describe('timestamp', () => {
  it('writes RFC 3339 in UTC', () => {
    expect(timestamp(Date.UTC(2024, 0, 15, 10, 30, 0))).toBe('2024-01-15T10:30:00Z');
  });

  it('drops fractions of a second', () => {
    expect(timestamp(Date.UTC(2024, 0, 15, 10, 30, 0, 999))).toBe('2024-01-15T10:30:00Z');
  });

  it('writes the latest date that a certificate can bear', () => {
    expect(timestamp(Date.UTC(9999, 11, 31, 23, 59, 59))).toBe('9999-12-31T23:59:59Z');
  });

  it('names the second in which the moment lies', () => {
    fc.assert(
      fc.property(certificateDate, (ms) => {
        expect(Date.parse(timestamp(ms))).toBe(Math.floor(ms / 1_000) * 1_000);
      }),
    );
  });

  it('always has the same shape', () => {
    fc.assert(
      fc.property(certificateDate, (ms) => {
        expect(timestamp(ms)).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
      }),
    );
  });
});
