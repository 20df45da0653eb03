/**
 * What the program is asked to do, by its command line and settings. Everything that reads them is imported here, and is
 * used once: the executable then drops it (scripts/shipping/bundle.ts).
 */

import { loadSettings } from '../config/load.ts';
import type { Settings } from '../core/model/settings.ts';
import { FULL_VERSION } from '../system/process/version.ts';
import { type Arguments, readArguments } from './arguments.ts';
import type { Command, DaemonCommand } from './commands.ts';
import type { FleetArguments } from './fleet-arguments.ts';
import { helpText } from './help.ts';

export type Invocation =
  | {
      readonly kind: 'command';
      readonly command: DaemonCommand;
      readonly settings: Settings;
      /** output for programs, if the command also has one for people */
      readonly json: boolean;
      /** of unit-policy: whom the rule is for */
      readonly user: string | undefined;
    }
  | { readonly kind: 'fleet'; readonly fleet: FleetArguments }
  /** nothing but a text: a help, the version */
  | { readonly kind: 'text'; readonly text: string }
  /** one line per problem; nothing can be done */
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the command line, and for a command that works with the daemon's settings also those. */
export async function readInvocation(
  program: string,
  argv: readonly string[],
  environment: Environment,
): Promise<Invocation> {
  const args = readArguments(argv);
  switch (args.kind) {
    case 'problem':
      return { kind: 'problems', problems: [args.problem] };
    case 'help':
      return { kind: 'text', text: helpText(args.command) };
    case 'version':
      return { kind: 'text', text: `${program} ${FULL_VERSION}\n` };
    case 'fleet':
      return args;
    case 'command':
      return withSettings(args, environment);
  }
}

async function withSettings(
  { command, json, user, configFile, environmentFile }: Extract<Arguments, { kind: 'command' }>,
  environment: Environment,
): Promise<Invocation> {
  const loaded = await loadSettings(environmentFor(command, environment), configFile, environmentFile);
  if (!loaded.ok) return { kind: 'problems', problems: loaded.problems };
  return { kind: 'command', command, json, user, settings: loaded.settings };
}

/** A rule for polkit can be printed before the upstream is known. */
function environmentFor(command: Command, environment: Environment): Environment {
  return command === 'unit-policy' ? { ...environment, ENABLE_TLS_PROBE: 'false' } : environment;
}
