import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neededVerbs } from '../../../src/core/model/unit.ts';
import { polkitRule } from '../../../src/surfaces/terminal/unit-policy.ts';

interface Asked {
  readonly id?: string;
  readonly unit?: string;
  readonly verb?: string;
  readonly user?: string;
}

/** What polkit would decide with this rule alone: `yes`, or nothing. */
function decide(rule: string, { id = MANAGE, unit, verb, user }: Asked): string | undefined {
  const context = createContext({ rules: [] as unknown[], action: { id }, subject: { user }, unit, verb });
  const script = `var polkit = { Result: { YES: 'yes' }, addRule: function (f) { rules.push(f); } };
${rule}
action.lookup = function (key) { return { unit: unit, verb: verb }[key]; };
rules.length === 1 ? rules[0](action, subject) : 'not one rule';`;
  return runInContext(script, context) as string | undefined;
}

const MANAGE = 'org.freedesktop.systemd1.manage-units';
const UNIT = 'mosquitto.service';
const RULE = polkitRule(UNIT, neededVerbs('restart'), 'watcher');
const ALLOWED = { unit: UNIT, verb: 'restart', user: 'watcher' };

describe('the rule for polkit', () => {
  it.each(['restart', 'reset-failed'])('grants %s', (verb) => {
    expect(decide(RULE, { ...ALLOWED, verb })).toBe('yes');
  });

  it.each<[string, Asked]>([
    ['a stop', { ...ALLOWED, verb: 'stop' }],
    ['a start', { ...ALLOWED, verb: 'start' }],
    ['a signal', { ...ALLOWED, verb: 'kill' }],
    ['another unit', { ...ALLOWED, unit: 'ssh.service' }],
    ['another user', { ...ALLOWED, user: 'guest' }],
    ['the files of units', { ...ALLOWED, id: 'org.freedesktop.systemd1.manage-unit-files' }],
    ['a request of an older systemd, which names no unit', { user: 'watcher' }],
  ])('grants nothing else: %s', (_, asked) => {
    expect(decide(RULE, asked)).toBeUndefined();
  });

  it('grants a signal where one is sent', () => {
    const rule = polkitRule(UNIT, neededVerbs('sighup'), 'watcher');
    expect(decide(rule, { ...ALLOWED, verb: 'kill' })).toBe('yes');
  });

  it('holds whatever is in the names', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (unit, user) => {
        const rule = polkitRule(unit, neededVerbs('restart'), user);
        expect(decide(rule, { unit, user, verb: 'restart' })).toBe('yes');
        expect(decide(rule, { unit: `${unit}x`, user, verb: 'restart' })).toBeUndefined();
      }),
    );
  });
});
