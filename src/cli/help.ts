/** The help texts, of the program and of each command, generated from the tables of commands and settings. */

import { shownDefault, TABLE } from '../config/table.ts';
import { wrap } from '../core/text/wrap.ts';
import {
  ALL_FLAGS,
  COMMAND_HELP,
  COMMANDS,
  COMMON_EXIT_CODES,
  type Command,
  DAEMON_COMMANDS,
  EXAMPLE,
  flagsOf,
  flagUsage,
  SIGNALS,
} from './commands.ts';

const PROGRAM = 'mosquitto-cert-watcher';
const WIDTH = 100;

/** A command with more than these shows them only in its own help. */
const FEW_FLAGS = 3;

type Rows = readonly (readonly [left: string, right: string])[];

/** Usage, commands, every setting, and an example that works as it is; or the same for one command. */
export function helpText(command?: Command): string {
  return command === undefined ? programHelp() : commandHelp(command);
}

function programHelp(): string {
  const rows = Object.values(TABLE);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const settings = rows.map((row) => {
    const meaning = row.meaning.replaceAll('`', '');
    return `  ${row.name.padEnd(width)}  ${meaning}\n  ${' '.repeat(width)}  [${shownDefault(row)}]`;
  });
  return `${PROGRAM} restarts a Mosquitto container once when its bridge certificates
have been renewed, and proves that it came back

usage:
${columns(usages())}
  ${PROGRAM} --version
  ${PROGRAM} --help
  ${PROGRAM} COMMAND --help

settings are environment variables; the same keys in lower case may stand in a JSON file
given by --config, or as NAME=value in a file given by --env-file; the environment wins [default]:
${settings.join('\n')}

signals to the daemon:
${columns(SIGNALS)}

exit codes:
${columns([...codes(COMMAND_HELP.run.exitCodes), ...codes(COMMON_EXIT_CODES)])}
${COMMANDS.filter((name) => name !== 'run' && COMMAND_HELP[name].exitCodes.length > 0)
  .map(
    (name) =>
      `  ${name}: ${codes(COMMAND_HELP[name].exitCodes)
        .map((code) => code.join(' '))
        .join(', ')}`,
  )
  .join('\n')}

example:
  ${EXAMPLE[0]} \\
    ${EXAMPLE[1]}
`;
}

function commandHelp(command: Command): string {
  const { summary, about, example } = COMMAND_HELP[command];
  const flags = flagsOf(command);
  const usage = flags.filter(([name]) => name !== 'help').map(flagInUsage);
  return `${PROGRAM} ${command}: ${summary}

usage:
${wrap([PROGRAM, command === 'run' ? '[run]' : command, ...usage].join(' '), WIDTH)
  .map((line, index) => `${index === 0 ? '  ' : '    '}${line}`)
  .join('\n')}

${about.map((paragraph) => wrap(paragraph, WIDTH).join('\n')).join('\n\n')}

flags:
${columns(flags.map((flag) => [withShort(flag), flag[1].meaning]))}

exit codes:
${columns(exitCodesOf(command))}

${command === 'fleet' ? 'it needs no settings' : `settings are those of the daemon; ${PROGRAM} --help lists them`}

example:
  ${PROGRAM} ${example}
`;
}

function flagInUsage(flag: (typeof ALL_FLAGS)[number]): string {
  return flag[1].isRequired === true ? flagUsage(flag) : `[${flagUsage(flag)}]`;
}

function withShort(flag: (typeof ALL_FLAGS)[number]): string {
  const { short } = flag[1];
  return short === undefined ? flagUsage(flag) : `-${short}, ${flagUsage(flag)}`;
}

/** How each command is called, and what it is for. */
function usages(): Rows {
  const [config] = ALL_FLAGS;
  return COMMANDS.map((command) => {
    const name = command === 'run' ? `[run] [${config === undefined ? '' : flagUsage(config)}]` : command;
    const flags = flagsOf(command).filter(([, { commands }]) => commands.length < DAEMON_COMMANDS.length);
    const required = flags.filter(([, { isRequired }]) => isRequired);
    const shown =
      flags.length > FEW_FLAGS ? [...required.map(flagInUsage), '[FLAG…]'] : flags.map(flagInUsage);
    const words = [PROGRAM, name, ...shown];
    return [words.join(' '), COMMAND_HELP[command].summary];
  });
}

/** All exit codes of a command, each once, in order. */
export function exitCodesOf(command: Command): Rows {
  const meanings = new Map<number, string>();
  for (const [code, meaning] of [...COMMAND_HELP[command].exitCodes, ...COMMON_EXIT_CODES]) {
    const before = meanings.get(code);
    meanings.set(code, before === undefined ? meaning : `${before}; or ${meaning}`);
  }
  return codes([...meanings].toSorted(([a], [b]) => a - b));
}

function codes(pairs: readonly (readonly [number, string])[]): Rows {
  return pairs.map(([code, meaning]) => [String(code), meaning]);
}

/** Two columns, the first as wide as its widest text. */
function columns(rows: Rows): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
