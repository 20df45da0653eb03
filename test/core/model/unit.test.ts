import { describe, expect, it } from 'vitest';
import { unit, unitAtRest } from '../../../lab/core-fixtures.ts';
import { conditionOf, isLeftAlone } from '../../../src/core/model/broker.ts';
import {
  type conditionOfUnit,
  endOfUnit,
  judgeUnitRecovery,
  neededVerbs,
  serviceName,
  type UnitState,
} from '../../../src/core/model/unit.ts';

const failed = (change: Partial<UnitState> = {}) =>
  unitAtRest(0, { active: 'failed', sub: 'failed', result: 'exit-code', exitCode: 3, ...change });

describe('the name of a service', () => {
  it.each([
    ['mosquitto', 'mosquitto.service'],
    ['mosquitto.service', 'mosquitto.service'],
    ['mosquitto@edge-1', 'mosquitto@edge-1.service'],
    ['mosquitto.edge', 'mosquitto.edge.service'],
    ['dev-disk\\x2dby.service', 'dev-disk\\x2dby.service'],
  ])('%s is %s', (text, name) => {
    expect(serviceName(text)).toBe(name);
  });

  it.each([
    ['', 'nothing'],
    ['mosquitto@', 'a template without an instance'],
    ['mosquitto@.service', 'a template without an instance'],
    ['mosquitto.socket', 'a socket'],
    ['mosquitto.container', 'the file of a Quadlet'],
    ['--user', 'an option'],
    ['mosq*', 'a pattern'],
    ['/etc/systemd/system/mosquitto.service', 'a path'],
    ['a b', 'two words'],
    ['mosquitto.service\nx', 'two lines'],
    [`${'a'.repeat(248)}.service`, 'too long'],
  ])('%j is none: %s', (text) => {
    expect(serviceName(text)).toBeUndefined();
  });
});

describe('the condition of a unit', () => {
  it.each<[string, UnitState, ReturnType<typeof conditionOfUnit>]>([
    ['runs', unit(0), 'well'],
    ['rereads its configuration', unit(0, { active: 'reloading', sub: 'reload' }), 'well'],
    ['needs no process', unit(0, { sub: 'exited' }), 'well'],
    ['is being started', unit(0, { up: false, active: 'activating', sub: 'start-pre' }), 'starting'],
    [
      'waits for its next attempt',
      unit(0, { up: false, active: 'activating', sub: 'auto-restart' }),
      'crash_loop',
    ],
    ['is being stopped', unit(0, { up: false, active: 'deactivating', sub: 'stop-sigterm' }), 'stopping'],
    ['was stopped', unitAtRest(0), 'stopped'],
    ['is masked', unitAtRest(0, { masked: true, status: 'masked' }), 'stopped'],
    ['has failed', failed(), 'crashed'],
    ['has failed and was masked since', failed({ masked: true }), 'stopped'],
    ['is frozen', unit(0, { frozen: true }), 'paused'],
    ['is in a state of a later systemd', unit(0, { up: false, active: 'maintenance', sub: 'x' }), 'stopped'],
  ])('%s', (_, state, condition) => {
    expect(conditionOf(state)).toBe(condition);
  });

  it.each<[string, UnitState, boolean]>([
    ['stopped', unitAtRest(0), true],
    ['being stopped', unit(0, { active: 'deactivating' }), true],
    ['being started', unit(0, { active: 'activating', sub: 'start-pre' }), true],
    ['failed', failed(), false],
    ['between two attempts', unit(0, { active: 'activating', sub: 'auto-restart' }), false],
  ])('leaves one that is %s alone, or not', (_, state, expected) => {
    expect(isLeftAlone(state)).toBe(expected);
  });
});

describe('the end of a run', () => {
  it.each<[UnitState, string]>([
    [failed(), 'it exited with code 3'],
    [failed({ result: 'exit-code', exitCode: undefined }), 'a command of the unit has failed'],
    [failed({ result: 'signal', exitCode: undefined }), 'it has failed (signal)'],
    [failed({ result: 'start-limit-hit' }), 'too many starts in a short time'],
    [unitAtRest(0, { conditionUnmet: true }), 'a condition of the unit'],
    [unitAtRest(0), 'it ended with code 0'],
  ])('is told in a clause (%#)', (state, words) => {
    expect(endOfUnit(state)).toContain(words);
  });
});

describe('a unit whose restart was asked for', () => {
  const before = unit(-1_000);
  it.each<[string, UnitState, string]>([
    ['still runs as before', before, 'waiting'],
    ['runs again', unit(1_000), 'up'],
    ['is being started', unit(1_000, { active: 'activating', sub: 'start', startedAt: '' }), 'waiting'],
    [
      'has died and is started again by systemd',
      unit(1_000, { active: 'activating', sub: 'auto-restart' }),
      'waiting',
    ],
    ['has failed in its new run', failed({ startedAt: unit(1_000).startedAt }), 'down'],
    ['has failed before its program was started', failed({ startedAt: before.startedAt }), 'not_started'],
    ['is stopped and not started again', unitAtRest(500, { startedAt: before.startedAt }), 'not_started'],
  ])('%s: %s', (_, now, kind) => {
    expect(judgeUnitRecovery(before, now).kind).toBe(kind);
  });
});

describe('what polkit has to grant', () => {
  it('is a restart and the reset of the start limit before it, never a stop', () => {
    expect(neededVerbs('restart')).toEqual(['restart', 'reset-failed']);
  });

  it('is a signal only where one is sent', () => {
    expect(neededVerbs('sighup')).toEqual(['restart', 'reset-failed', 'kill']);
  });
});
