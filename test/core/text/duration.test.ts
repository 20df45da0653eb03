import { describe, expect, it } from 'vitest';
import { formatDuration, formatSeconds, parseDuration } from '../../../src/core/text/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['300ms', 300],
    ['5s', 5_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['2us', 0.002],
    ['2µs', 0.002],
    ['-1s', -1_000],
    ['+1s', 1_000],
  ])('reads %s as Go does', (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 9);
  });

  it.each(['', '5', '5 s', 's', '1d', '.s', '1m30', '-', '300000000h', '1e3s', '٣s'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('formatSeconds', () => {
  it.each([
    [8_000, '8 s'],
    [250, '0.25 s'],
    [1_665.3, '1.67 s'],
    [7_999.87, '8 s'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatSeconds(ms)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [-5, '0s'],
    [0.2, '1ms'],
    [300, '300ms'],
    [10_000, '10s'],
    [1_234, '1.2s'],
    [90_000, '1m30s'],
    [93_600_000, '26h0m0s'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
