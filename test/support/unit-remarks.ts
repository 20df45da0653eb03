/** What the remarks in the unit and in its settings tell an administrator to do, as they are shipped. */

/** What is indented in remarks: commands of a shell, as one script. */
function commandsIn(remarks: string): string {
  return [...remarks.matchAll(/^# {3,}(\S.*)$/gm)].map(([, line]) => `${line}\n`).join('');
}

/** Lines that only wait for their `#` to be removed. */
function suggestedIn(text: string, name: RegExp): readonly string[] {
  return [...text.matchAll(/^#(([A-Za-z_]+)=\S.*)$/gm)].flatMap(([, line = '', found = '']) =>
    name.test(found) ? [line] : [],
  );
}

/** The commands at the top of the unit that install it by hand, where the sources are the working directory. */
export function handInstructions(unit: string): string {
  return commandsIn(unit.slice(0, unit.indexOf('[Unit]')));
}

export interface TwoPhases {
  /** for root */
  readonly commands: string;
  /** lines for the settings */
  readonly settings: readonly string[];
  /** lines for the section `[Service]` of a drop-in */
  readonly service: readonly string[];
}

/** The example with two directories, out of the settings and the unit. */
export function twoPhases(settings: string, unit: string): TwoPhases {
  const example = settings.split('\n\n').find((paragraph) => /^#INCOMING_DIR=/m.test(paragraph)) ?? '';
  return {
    commands: commandsIn(example),
    settings: suggestedIn(example, /^(INCOMING_DIR|CERT_DIR)$/),
    service: suggestedIn(unit, /^ReadWritePaths$/),
  };
}
