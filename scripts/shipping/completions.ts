/** Completions of commands, flags and their values for bash, zsh and fish, made of the table of commands and flags. */

import {
  ALL_FLAGS,
  COMMAND_HELP,
  COMMANDS,
  type Command,
  type Flag,
  type FlagName,
  flagsOf,
} from '../../src/cli/commands.ts';
import { PROGRAM } from './paths.ts';

type NamedFlag = readonly [name: FlagName, flag: Flag];

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The file that the shell loads when the program's name is typed. */
export function completions(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}

/** `--config`, and `-h` where there is a short one. */
function wordsOf([name, { short }]: NamedFlag): readonly string[] {
  return [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
}

/** Before a command is named, every flag may still fit. */
function flagWords(command: Command | undefined): string {
  const flags = command === undefined ? ALL_FLAGS : flagsOf(command);
  return flags.flatMap(wordsOf).join(' ');
}

const BASH_VALUES = { files: '-f', users: '-u' } as const;

function bash(): string {
  const values = ALL_FLAGS.flatMap(([name, { value, completes }]) => {
    if (value === undefined) return [];
    if (completes === undefined) return [`    --${name}) return ;;`];
    const options = completes === 'files' ? ' compopt -o filenames;' : '';
    return [
      `    --${name})${options} mapfile -t COMPREPLY < <(compgen ${BASH_VALUES[completes]} -- "$cur"); return ;;`,
    ];
  });
  return `# bash completion for ${PROGRAM}

_${identifier()}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} word command= flags
  COMPREPLY=()
  # --flag=value is three words
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $prev in
${values.join('\n')}
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      ${COMMANDS.join(' | ')}) command=$word ;;
    esac
  done
  case $command in
${COMMANDS.map((command) => `    ${command}) flags='${flagWords(command)}' ;;`).join('\n')}
    *) flags='${flagWords(undefined)}' ;;
  esac
  if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
  elif [[ -z $command ]]; then mapfile -t COMPREPLY < <(compgen -W '${COMMANDS.join(' ')}' -- "$cur")
  fi
}

complete -F _${identifier()} ${PROGRAM}
`;
}

const ZSH_VALUES = { files: '_files', users: '_users' } as const;

function zsh(): string {
  const spec = (named: NamedFlag) => {
    const [name, { value, completes, meaning }] = named;
    const words = wordsOf(named);
    const argument =
      value === undefined
        ? ''
        : `:${value.toLowerCase()}:${completes === undefined ? ' ' : ZSH_VALUES[completes]}`;
    const text = `[${zshText(meaning)}]${argument}`;
    const excludes = `(${words.join(' ')})`;
    if (words.length > 1) return `'${excludes}'{${words.join(',')}}'${text}'`;
    return `'${excludes}--${name}${value === undefined ? '' : '='}${text}'`;
  };
  return `#compdef ${PROGRAM}

local -a commands flags
commands=(
${COMMANDS.map((command) => `  '${command}:${zshText(COMMAND_HELP[command].summary)}'`).join('\n')}
)
case \${words[(r)(${COMMANDS.join('|')})]} in
${COMMANDS.map((command) => `  ${command}) flags=(${flagsOf(command).map(spec).join(' ')}) ;;`).join('\n')}
  *) flags=(${ALL_FLAGS.map(spec).join(' ')}) ;;
esac
_arguments -s -S $flags '1:command:{_describe command commands}'
`;
}

/** As it may stand in brackets and between single quotes. */
function zshText(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");
}

function fish(): string {
  const commands = COMMANDS.map(
    (command) =>
      `complete -c ${PROGRAM} -n __fish_use_subcommand -a ${command} -d ${fishText(COMMAND_HELP[command].summary)}`,
  );
  const flags = ALL_FLAGS.map(([name, { short, value, completes, commands: owners, meaning }]) => {
    const argument =
      value === undefined
        ? ''
        : completes === 'files'
          ? ' -r -F'
          : completes === 'users'
            ? " -x -a '(__fish_complete_users)'"
            : ' -x';
    const word = short === undefined ? `-l ${name}` : `-s ${short} -l ${name}`;
    return `complete -c ${PROGRAM}${fishCondition(owners)} ${word}${argument} -d ${fishText(meaning)}`;
  });
  return `# fish completion for ${PROGRAM}

complete -c ${PROGRAM} -f
${[...commands, ...flags].join('\n')}
`;
}

function fishCondition(owners: readonly Command[]): string {
  if (owners.length === COMMANDS.length) return '';
  if (owners.length === 0) return ' -n __fish_use_subcommand';
  const others = COMMANDS.filter((command) => !owners.includes(command));
  // most flags may also come before the command
  if (others.length < owners.length) return ` -n 'not __fish_seen_subcommand_from ${others.join(' ')}'`;
  return ` -n '__fish_seen_subcommand_from ${owners.join(' ')}'`;
}

function fishText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function identifier(): string {
  return PROGRAM.replaceAll('-', '_');
}
