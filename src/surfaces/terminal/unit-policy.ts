/** The polkit rule that lets one user restart one unit. polkit(8), org.freedesktop.systemd1(5) */

import type { UnitVerb } from '../../core/model/unit.ts';

/**
 * A file for `/etc/polkit-1/rules.d`. systemd names the unit and the verb of each request; what the rule does not name
 * is left to the other rules, which refuse it by default.
 */
export function polkitRule(unit: string, verbs: readonly UnitVerb[], user: string): string {
  const [quotedUnit, quotedUser] = [quoted(unit), quoted(user)];
  const isVerb = verbs.map((verb) => `verb == ${quoted(verb)}`).join(' || ');
  return `// Lets the user ${quotedUser} ask systemd for this, and of the unit ${quotedUnit} alone: ${verbs.join(', ')}.
// Written by \`mosquitto-cert-watcher unit-policy\`; have it written again when the settings change. It belongs in
// /etc/polkit-1/rules.d/50-mosquitto-cert-watcher.rules, and polkit reads it at once.
polkit.addRule(function (action, subject) {
  if (action.id != 'org.freedesktop.systemd1.manage-units' || subject.user != ${quotedUser}) return;
  if (action.lookup('unit') != ${quotedUnit}) return;
  var verb = action.lookup('verb');
  if (${isVerb}) return polkit.Result.YES;
});
`;
}

/** As a string of JavaScript, on one line. */
function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
