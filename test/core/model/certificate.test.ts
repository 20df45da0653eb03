import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificate, DAY_MS } from '../../../lab/core-fixtures.ts';
import { daysRemaining, endsOf, expiringFrom } from '../../../src/core/model/certificate.ts';

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

describe('expiringFrom', () => {
  it.each([
    ['a year', 365, 14, 351],
    ['90 days', 90, 14, 76],
    ['30 days', 30, 14, 20],
    ['a day', 1, 14, 2 / 3],
    ['90 days, without a warning', 90, 0, 90],
    ['90 days, with a warning of a year', 90, 365, 60],
  ])('of a certificate that lives for %s', (_, lifeDays, warnDays, day) => {
    const dates = { notBeforeMs: NOON_MS, notAfterMs: NOON_MS + lifeDays * DAY_MS };
    expect(expiringFrom(dates, warnDays)).toBe(NOON_MS + Math.ceil(day * DAY_MS));
  });

  it('is never before two thirds of the lifetime, nor before the days of the warning, nor after the end', () => {
    const lifeMs = fc.integer({ min: 1, max: 4e12 });
    const warnDays = fc.integer({ min: 0, max: 36_500 });
    fc.assert(
      fc.property(lifeMs, warnDays, (life, days) => {
        const from = expiringFrom({ notBeforeMs: 0, notAfterMs: life }, days);
        expect(from).toBeGreaterThanOrEqual((life * 2) / 3);
        expect(from).toBeGreaterThanOrEqual(life - days * DAY_MS);
        expect(from).toBeLessThanOrEqual(life);
      }),
    );
  });
});

describe('endsOf', () => {
  const old = certificate({ subject: 'CN=A', notAfterMs: NOON_MS - DAY_MS });
  const soon = certificate({ subject: 'CN=B', notAfterMs: NOON_MS + 3 * DAY_MS });
  const late = certificate({ subject: 'CN=C', notAfterMs: NOON_MS + 900 * DAY_MS });

  it('tells those that are still to end from those that have expired, the nearest first', () => {
    const older = certificate({ subject: 'CN=D', notAfterMs: NOON_MS - 9 * DAY_MS });
    expect(endsOf([older, late, old, soon], [], NOON_MS)).toEqual({
      ahead: [soon, late],
      past: [old, older],
    });
  });

  it('takes a certificate for expired at the very moment of its end', () => {
    expect(endsOf([soon], [], soon.notAfterMs).past).toEqual([soon]);
  });

  it.each(['the same file', 'the other file'])(
    'leaves out one that a valid one of the same name and key in %s makes up for',
    (where) => {
      const renewed = { ...old, notAfterMs: NOON_MS + 300 * DAY_MS };
      const isSame = where === 'the same file';
      const ends = isSame ? endsOf([old, renewed], [], NOON_MS) : endsOf([old], [renewed], NOON_MS);
      expect(ends.past).toEqual([]);
    },
  );

  it('counts one for which nothing but a certificate of the future makes up', () => {
    const next = { ...old, notBeforeMs: NOON_MS + DAY_MS, notAfterMs: NOON_MS + 300 * DAY_MS };
    expect(endsOf([old, next], [], NOON_MS)).toEqual({ ahead: [next], past: [old] });
  });
});
