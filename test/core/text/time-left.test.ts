import { expect, it } from 'vitest';
import { timeLeft } from '../../../src/core/text/time-left.ts';

it.each([
  [90 * 86_400_000, '90 days'],
  [86_400_000, '1 day'],
  [86_399_999, '23 hours'],
  [3_600_000, '1 hour'],
  [3_599_999, '59 minutes'],
  [59_999, '59 seconds'],
  [1, '0 seconds'],
  [-5_000, '0 seconds'],
])('says %d ms in one number and its unit, rounded down: %s', (ms, words) => {
  const { count, unit } = timeLeft(ms);
  expect(`${count} ${unit}`).toBe(words);
});
