/** Reads the command line. */

import { parseArgs } from 'node:util';
import { suggest } from '../core/suggest.ts';
import { messageOf } from '../system/errors.ts';

export const COMMANDS = ['run', 'check', 'probe', 'socket-policy', 'healthcheck'] as const;
export type Command = (typeof COMMANDS)[number];

const JSON_COMMANDS: readonly Command[] = ['check', 'probe', 'socket-policy'];

export type Arguments =
  | {
      readonly kind: 'command';
      readonly command: Command;
      readonly configFile: string | undefined;
      /** for programs, where the command has a form for people */
      readonly json: boolean;
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'problem'; readonly problem: string };

const OPTIONS = {
  config: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** What the command line asks for; `run` if it names no command. */
export function readArguments(argv: readonly string[]): Arguments {
  const unknown = argv.find((word) => word.startsWith('-') && !isKnownFlag(word));
  if (unknown !== undefined)
    return problem(
      'flag',
      unknown,
      Object.keys(OPTIONS).map((name) => `--${name}`),
    );
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
    if (values.help) return { kind: 'help' };
    if (values.version) return { kind: 'version' };
    const [word = 'run', surplus] = positionals;
    if (surplus !== undefined)
      return { kind: 'problem', problem: `one command at a time: ${surplus} is too much` };
    const command = COMMANDS.find((name) => name === word);
    if (command === undefined) return problem('command', word, COMMANDS);
    const json = values.json ?? false;
    if (json && !JSON_COMMANDS.includes(command))
      return { kind: 'problem', problem: `${command} has no --json; ${JSON_COMMANDS.join(', ')} has` };
    return { kind: 'command', command, configFile: values.config, json };
  } catch (error) {
    return { kind: 'problem', problem: messageOf(error) };
  }
}

function isKnownFlag(word: string): boolean {
  const name = word.split('=')[0];
  return Object.entries(OPTIONS).some(
    ([long, option]) => name === `--${long}` || ('short' in option && name === `-${option.short}`),
  );
}

function problem(what: string, word: string, candidates: readonly string[]): Arguments {
  const near = suggest(word, candidates);
  const advice = near === undefined ? 'see --help' : `did you mean ${near}?`;
  return { kind: 'problem', problem: `unknown ${what} ${word}; ${advice}` };
}
