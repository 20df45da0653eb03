/** The manual page, made of the same tables as the help texts. man(7) */

import {
  ALL_FLAGS,
  COMMAND_HELP,
  COMMANDS,
  type Command,
  EXAMPLE,
  type Flag,
  type FlagName,
  flagsOf,
  SIGNALS,
} from '../../src/cli/commands.ts';
import { exitCodesOf } from '../../src/cli/help.ts';
import { shownDefault, TABLE } from '../../src/config/table.ts';
import { PROGRAM } from './paths.ts';

export const MAN_SECTION = 8;

export interface ManPageParts {
  readonly version: string;
  /** seconds since 1970 */
  readonly epochS: number;
  /** what the page says about files, if they are there where it is read */
  readonly files: readonly (readonly [path: string, meaning: string])[];
}

const WHAT_IT_DOES = [
  'A bridge of an Eclipse Mosquitto broker uses a client certificate that some agent renews on disk. Mosquitto does not notice: the bridge keeps using the old certificate until the broker is restarted or the connection breaks.',
  `${PROGRAM} notices the new ca.crt, client.crt and client.key, makes sure that they are complete, valid and belong together, asks the upstream whether it accepts them, restarts the broker once and watches it come back. It restarts nothing for any other reason, at most once per RESTART_COOLDOWN, and a rotation that is held back happens by itself as soon as the reason is gone.`,
];

/** The page as groff and mandoc read it. */
export function manPage({ version, epochS, files }: ManPageParts): string {
  const date = new Date(epochS * 1_000).toISOString().slice(0, 10);
  return [
    `.TH ${PROGRAM.toUpperCase()} ${MAN_SECTION} ${date} "${PROGRAM} ${version}" "System administration"`,
    // names of settings are never hyphenated
    '.nr HY 0\n.nh\n.ad l',
    section('NAME', `${PROGRAM} \\- restarts Mosquitto once when its bridge certificates have been renewed`),
    section(
      'SYNOPSIS',
      ...COMMANDS.map(synopsis),
      `.br\n${bolded(PROGRAM)} [${bolded('--version')}|${bolded('--help')}]`,
    ),
    section('DESCRIPTION', paragraphs(WHAT_IT_DOES)),
    section('COMMANDS', ...COMMANDS.map(commandPart)),
    section('OPTIONS', ...ALL_FLAGS.map(option)),
    section(
      'SETTINGS',
      paragraphs([
        'Settings are environment variables. A JSON file given by --config may contain the same keys in lower case, and a file given by --env-file NAME=value lines, as systemd reads them; the environment wins, and an empty variable counts as unset. Durations are written as in Go: 300ms, 5s, 1m30s, 1.5h. If a setting cannot be used, the program ends before it does anything, with exit code 2 and every problem in one message.',
      ]),
      ...Object.values(TABLE).map(({ meaning, ...row }) =>
        item(
          bold(row.name),
          `${plain(meaning.replaceAll('`', ''))} [${plain(shownDefault({ meaning, ...row }))}]`,
        ),
      ),
    ),
    section('SIGNALS', ...SIGNALS.map(([name, meaning]) => item(bold(name), plain(meaning)))),
    section('EXIT STATUS', ...COMMANDS.map(exitStatus)),
    ...(files.length > 0
      ? [section('FILES', ...files.map(([path, meaning]) => item(`.I ${plain(path)}`, plain(meaning))))]
      : []),
    section(
      'EXAMPLES',
      '.EX',
      plain(`${EXAMPLE[0]} \\`),
      plain(`    ${EXAMPLE[1]}`),
      '.EE',
      '.PP',
      'A look at what the service is given, as its user:',
      '.PP',
      '.EX',
      plain(`runuser -u ${PROGRAM} -- ${PROGRAM} check --env-file /etc/default/${PROGRAM}`),
      '.EE',
    ),
    section(
      'SEE ALSO',
      '.BR mosquitto (8),\n.BR mosquitto.conf (5),\n.BR systemctl (1),\n.BR journalctl (1)',
    ),
  ]
    .join('\n')
    .concat('\n');
}

function synopsis(command: Command): string {
  const words = flagsOf(command)
    .filter(([name]) => name !== 'help')
    .map((flag) => `[${flagText(flag)}]`);
  const name = command === 'run' ? '[\\fBrun\\fR]' : bolded(command);
  return ['.br', [bolded(PROGRAM), name, ...words].join(' ')].join('\n');
}

function commandPart(command: Command): string {
  const { summary, about, example } = COMMAND_HELP[command];
  return [
    `.SS ${plain(command)}`,
    `${plain(summary.charAt(0).toUpperCase() + summary.slice(1))}.`,
    '.PP',
    paragraphs(about),
    '.PP',
    '.EX',
    plain(`    ${PROGRAM} ${example}`),
    '.EE',
  ].join('\n');
}

function option(flag: readonly [FlagName, Flag]): string {
  const [, { short, meaning, commands }] = flag;
  const text = short === undefined ? flagText(flag) : `${bolded(`-${short}`)}, ${flagText(flag)}`;
  return item(text, plain(`${meaning}${ownersOf(commands)}`));
}

/** The commands that have a flag, unless all of them do. */
function ownersOf(commands: readonly Command[]): string {
  const others = COMMANDS.filter((command) => !commands.includes(command));
  if (commands.length === 0 || others.length === 0) return '';
  return others.length < commands.length ? ` (not ${others.join(', ')})` : ` (${commands.join(', ')})`;
}

function exitStatus(command: Command): string {
  const codes = exitCodesOf(command).map(([code, meaning]) => `${code} ${meaning}`);
  return item(bold(command), plain(codes.join('; ')));
}

function flagText([name, { value }]: readonly [FlagName, Flag]): string {
  return value === undefined ? bolded(`--${name}`) : `${bolded(`--${name}`)} \\fI${plain(value)}\\fR`;
}

function section(title: string, ...parts: readonly string[]): string {
  return [`.SH ${title}`, ...parts].join('\n');
}

function item(tag: string, text: string): string {
  return `.TP\n${tag}\n${text}`;
}

function paragraphs(texts: readonly string[]): string {
  return texts.map(plain).join('\n.PP\n');
}

function bold(text: string): string {
  return `.B ${plain(text)}`;
}

function bolded(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

/** Text that is no markup, whatever it contains: a hyphen is to be copied as one, and a dot may begin a line. */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replace(/^[.']/, '\\&$&');
}
