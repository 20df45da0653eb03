/** Reads the command line. */

import { parseArgs } from 'node:util';
import { suggest } from '../core/text/suggest.ts';
import { messageOf } from '../system/errors.ts';
import { ALL_FLAGS, COMMANDS, type Command, type DaemonCommand, FLAGS } from './commands.ts';
import { type FleetArguments, readFleetArguments } from './fleet-arguments.ts';

export type Arguments =
  | {
      readonly kind: 'command';
      /** one that works with the daemon's settings */
      readonly command: DaemonCommand;
      readonly configFile: string | undefined;
      readonly environmentFile: string | undefined;
      /** output for programs, if the command also has one for people */
      readonly json: boolean;
      /** of unit-policy: whom the rule is for */
      readonly user: string | undefined;
    }
  | { readonly kind: 'fleet'; readonly fleet: FleetArguments }
  /** of one command, or of the program */
  | { readonly kind: 'help'; readonly command: Command | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'problem'; readonly problem: string };

/** What useradd accepts, or the number of a user without an account. */
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,255}\$?$/;

/** What the command line asks for; `run` if it names no command. */
export function readArguments(argv: readonly string[]): Arguments {
  const unknown = argv.find((word) => word.startsWith('-') && !isKnownFlag(word));
  if (unknown !== undefined)
    return problem(
      'flag',
      // the text after the equals sign may be a secret
      nameOf(unknown),
      Object.keys(FLAGS).map((name) => `--${name}`),
    );
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true });
    const [word = 'run', surplus] = positionals;
    const command = COMMANDS.find((name) => name === word);
    if (values.help) return { kind: 'help', command: positionals.length === 1 ? command : undefined };
    if (values.version) return { kind: 'version' };
    if (surplus !== undefined)
      return { kind: 'problem', problem: `one command at a time: ${surplus} is too much` };
    if (command === undefined) return problem('command', word, COMMANDS);
    const strange = ALL_FLAGS.find(([name, flag]) => name in values && !flag.commands.includes(command));
    if (strange !== undefined) {
      const [name, { commands }] = strange;
      return { kind: 'problem', problem: `${command} has no --${name}; ${commands.join(', ')} has` };
    }
    if (command === 'fleet') {
      const read = readFleetArguments(values);
      return read.ok ? { kind: 'fleet', fleet: read.fleet } : { kind: 'problem', problem: read.problem };
    }
    const { config, 'env-file': environmentFile, json = false, user } = values;
    if (user !== undefined && !USER.test(user))
      return { kind: 'problem', problem: `--user ${JSON.stringify(user)} is not the name of a user` };
    return { kind: 'command', command, configFile: config, environmentFile, json, user };
  } catch (error) {
    return { kind: 'problem', problem: messageOf(error) };
  }
}

function isKnownFlag(word: string): boolean {
  const name = nameOf(word);
  return ALL_FLAGS.some(
    ([long, { short }]) => name === `--${long}` || (short !== undefined && name === `-${short}`),
  );
}

function nameOf(flag: string): string {
  return flag.split('=', 1)[0] ?? flag;
}

function problem(what: string, word: string, candidates: readonly string[]): Arguments {
  const near = suggest(word, candidates);
  const advice = near === undefined ? 'see --help' : `did you mean ${near}?`;
  return { kind: 'problem', problem: `unknown ${what} ${word}; ${advice}` };
}
