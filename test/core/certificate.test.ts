import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { daysRemaining, leafOf } from '../../src/core/certificate.ts';
import { certificate, DAY_MS } from '../support/core-fixtures.ts';

const NOON_MS = Date.UTC(2026, 2, 1, 12);

describe('daysRemaining', () => {
  it.each([
    ['exactly 14 days before', 14 * DAY_MS, 14],
    ['a millisecond less than 14 days before', 14 * DAY_MS - 1, 13],
    ['on the last day', DAY_MS - 1, 0],
    ['at the very end', 0, 0],
    ['a millisecond after the end', -1, -1],
    ['a day after the end', -DAY_MS, -1],
    ['a day and a millisecond after the end', -DAY_MS - 1, -2],
  ])('counts whole days, rounded down: %s', (_, leftMs, days) => {
    expect(daysRemaining(certificate({ notAfterMs: NOON_MS + leftMs }), NOON_MS)).toBe(days);
  });

  it('never promises more time than there is, and never a whole day less', () => {
    const farMs = fc.integer({ min: -8e12, max: 8e12 });
    fc.assert(
      fc.property(farMs, farMs, (notAfterMs, nowMs) => {
        const unaccountedMs = notAfterMs - nowMs - daysRemaining(certificate({ notAfterMs }), nowMs) * DAY_MS;
        expect(unaccountedMs >= 0 && unaccountedMs < DAY_MS).toBe(true);
      }),
    );
  });
});

describe('leafOf', () => {
  const bundle = fc.array(
    fc.boolean().map((isCa) => certificate({ isCa })),
    { minLength: 1 },
  );

  const leaf = fc.constant(certificate({ subject: 'CN=leaf', isCa: false }));

  it('is the first certificate that is no authority, wherever it stands', () => {
    fc.assert(
      fc.property(bundle, leaf, bundle, (before, own, after) => {
        const authorities = before.map((each) => ({ ...each, isCa: true }));
        expect(leafOf([...authorities, own, ...after])).toBe(own);
      }),
    );
  });

  it('is the first certificate if all of them are authorities', () => {
    const first = certificate({ isCa: true, subject: 'CN=first' });
    expect(leafOf([first, certificate({ isCa: true, subject: 'CN=second' })])).toBe(first);
  });

  it('is nothing in an empty file', () => {
    expect(leafOf([])).toBeUndefined();
  });
});
