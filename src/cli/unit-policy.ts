/** `unit-policy`: the polkit rule with which a user who is not root may restart the unit. It changes nothing. */

import { userInfo } from 'node:os';
import type { Settings } from '../core/model/settings.ts';
import { neededVerbs } from '../core/model/unit.ts';
import { polkitRule } from '../surfaces/terminal/unit-policy.ts';

export interface UnitPolicyOptions {
  /** undefined: the user who runs this */
  readonly user: string | undefined;
}

/** A systemd that does not answer by then does not keep the rule from being written. */
const ANSWER_MS = 2_000;

const ROOT_NEEDS_NONE = 'root needs no rule; name the user of the watcher: unit-policy --user NAME';

/**
 * Writes the rule for these settings, and returns the exit code. polkit is told the unit's own name, also where
 * `unit` is an alias of it.
 */
export async function unitPolicy(
  settings: Settings,
  unit: string,
  { user = currentUser() }: UnitPolicyOptions,
  write: (text: string) => void,
  sayProblem: (problem: string) => void,
): Promise<number> {
  const name = await ownName(unit);
  if (user === 'root') sayProblem(ROOT_NEEDS_NONE);
  write(polkitRule(name, neededVerbs(settings.reloadStrategy), user));
  return 0;
}

/** The name that systemd itself gives it, where systemd can be asked. */
async function ownName(unit: string): Promise<string> {
  const { createSystemctl } = await import('../adapters/systemd/systemctl.ts');
  const { createUnit } = await import('../adapters/systemd/unit.ts');
  const answer = await createUnit(unit, createSystemctl()).inspect({ timeoutMs: ANSWER_MS });
  return answer.ok ? answer.value.id : unit;
}

/** A user without an account is known to polkit by its number. */
function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? '');
  }
}
