import { describe, expect, it } from 'vitest';
import { parseRestartWindow } from '../../../src/core/text/restart-window.ts';

const DAILY = [0, 1, 2, 3, 4, 5, 6];

describe('a window for restarts', () => {
  it.each([
    ['Mon 02:00-04:00', [[[1], 120, 240]]],
    ['02:00-04:00', [[DAILY, 120, 240]]],
    [
      'Mon-Fri 02:00-04:00, Sat,Sun 00:00-06:00',
      [
        [[1, 2, 3, 4, 5], 120, 240],
        [[6, 0], 0, 360],
      ],
    ],
    ['Sat, Sun 00:00-06:00', [[[6, 0], 0, 360]]],
    ['Fri-Mon 22:30-01:15', [[[5, 6, 0, 1], 1_350, 1_515]]],
    ['Mon,Wed-Thu 23:00-24:00', [[[1, 3, 4], 1_380, 1_440]]],
    ['Mon,Mon-Tue 01:00-02:00', [[[1, 2], 60, 120]]],
    ['sun 00:00-24:00', [[[0], 0, 1_440]]],
    ['  Tue   00:00-00:01 ', [[[2], 0, 1]]],
    [
      '00:00-01:00,12:00-13:00',
      [
        [DAILY, 0, 60],
        [DAILY, 720, 780],
      ],
    ],
  ])('%s', (text, rules) => {
    expect(parseRestartWindow(text)).toEqual({
      ok: true,
      rules: rules.map(([days, fromMinute, toMinute]) => ({ days, fromMinute, toMinute })),
    });
  });

  it.each([
    ['Mon 02:00-02:00', '"02:00-02:00" ends when it begins'],
    ['Mon 00:00-00:00', '"00:00-00:00" ends when it begins'],
    ['Mo 02:00-04:00', '"Mo" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun'],
    ['Monday 02:00-04:00', '"Monday" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun'],
    ['Mon-Fri-Sun 02:00-04:00', '"Mon-Fri-Sun" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun'],
    ['Mon', 'it ends with a day that has no time'],
    ['Mon 02:00-04:00, Sat', 'it ends with a day that has no time'],
    ['Sat,02:00-04:00', '"02:00-04:00" needs its days before it'],
    ['02:00-04:00 Sat', '"02:00-04:00 Sat" needs its days before it'],
    ['Mon 02:00', '"02:00" is not a time span such as 02:00-04:00'],
    ['Mon 2:00-4:00', '"2:00-4:00" is not a time span such as 02:00-04:00'],
    ['Mon 02:00-24:01', '"02:00-24:01" is not a time span such as 02:00-04:00'],
    ['Mon 24:00-02:00', '"24:00-02:00" is not a time span such as 02:00-04:00'],
    ['Mon 02:60-04:00', '"02:60-04:00" is not a time span such as 02:00-04:00'],
    ['Mon 02:00 - 04:00', '"Mon 02:00 - 04:00" is not days followed by one time span'],
    ['Mon 02:00-04:00,', '"" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun'],
    ['', '"" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun'],
    ['always', '"always" is not a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun'],
    [Array(51).fill('00:00-01:00').join(), 'it has more than 50 windows'],
  ])('is not %s', (text, problem) => {
    expect(parseRestartWindow(text)).toEqual({ ok: false, problem });
  });
});
