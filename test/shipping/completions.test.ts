/** What the shells offer, asked of the shells themselves. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { completions, SHELLS, type Shell } from '../../scripts/shipping/completions.ts';
import { ALL_FLAGS, COMMANDS, type Command, flagsOf } from '../../src/cli/commands.ts';
import { program, skipped } from '../support/needs.ts';

const PROGRAM = 'mosquitto-cert-watcher';

const directory = mkdtempSync(join(tmpdir(), 'completions-'));
afterAll(() => rmSync(directory, { recursive: true }));
for (const shell of SHELLS) {
  // zsh finds it by its name
  writeFileSync(join(directory, shell === 'zsh' ? `_${PROGRAM}` : shell), completions(shell));
}
writeFileSync(join(directory, 'settings.json'), '{}');

/** The words that the shell offers where this line ends. */
const OFFERED: Readonly<Record<Shell, (line: string) => readonly string[]>> = {
  bash: (line) => {
    // as readline divides it: an equals sign is a word
    const words = line.split(/ |(=)/).filter((word) => word !== undefined);
    const list = words.map((word) => `'${word}'`).join(' ');
    const script = `compopt() { :; }; source ./bash; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}
      _mosquitto_cert_watcher; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('bash', ['--norc', '-c', script]);
  },
  fish: (line) =>
    run('fish', ['--no-config', '-c', `source ./fish; complete --do-complete '${line}'`]).map(
      (offer) => offer.split('\t')[0] ?? '',
    ),
  // a shell at a terminal of its own, because completions need its line editor; the terminal echoes what is typed, so
  // what is waited for is typed in two pieces
  zsh: (line) => {
    const script = `zmodload zsh/zpty; zpty it zsh -f -i
      tell() { zpty -w it "$1" }
      tell "PS1=; fpath=($PWD \\$fpath); autoload -U compinit; compinit -u -D; cd $PWD"
      tell "zstyle ':completion:*' list-separator '--'; zstyle ':completion:*' verbose no"
      tell 'offer() { compadd() { local -a its; builtin compadd -A its "$@"; print -l -- OF""FER:$^its; builtin compadd "$@" }; _main_complete; print DO""NE: }'
      tell 'zle -C offer complete-word offer; bindkey "^X" offer; print REA""DY'
      zpty -r it seen '*READY*'
      zpty -w -n it ${JSON.stringify(line)}$'\\C-x'
      zpty -r it seen '*DONE:*'; print -r -- "$seen"; zpty -d it`;
    return run('zsh', ['-f', '-c', script])
      .flatMap((text) => text.match(/OFFER:\S+/g) ?? [])
      .map((offer) => offer.replace('OFFER:', ''));
  },
};

function run(shell: Shell, args: readonly string[]): readonly string[] {
  const { stdout, stderr, status } = spawnSync(shell, args, {
    cwd: directory,
    env: { ...process.env, HOME: directory, TERM: 'dumb' },
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status !== 0) throw new Error(`${shell} ended with ${status}: ${stderr}`);
  return stdout.split(/\r?\n/).filter((line) => line !== '');
}

const longFlags = (command: Command | undefined) =>
  (command === undefined ? ALL_FLAGS : flagsOf(command)).map(([name]) => `--${name}`);

describe.each(SHELLS)('%s', (shell) => {
  const need = program(shell);
  const offered = (line: string) => [...new Set(OFFERED[shell](line).map((word) => word.replace(/=$/, '')))];
  const only = test.skipIf(!need.ok);

  only(`offers every command${skipped(need)}`, () => {
    expect(offered(`${PROGRAM} `).toSorted()).toEqual(COMMANDS.toSorted());
  });

  only(`offers the commands that begin so${skipped(need)}`, () => {
    expect(offered(`${PROGRAM} he`)).toEqual(['healthcheck']);
  });

  only.each(COMMANDS)(`offers the flags of %s, and no others${skipped(need)}`, (command) => {
    expect(offered(`${PROGRAM} ${command} --`).toSorted()).toEqual(longFlags(command).toSorted());
  });

  only(`offers one command only${skipped(need)}`, () => {
    expect(offered(`${PROGRAM} check p`)).toEqual([]);
  });

  only.each(['--config ', '--config=', 'check --config '])(
    `offers files behind %s${skipped(need)}`,
    (flag) => {
      const files = offered(`${PROGRAM} ${flag}set`).map((word) => word.replace(/^--config=/, ''));
      expect(files).toEqual(['settings.json']);
    },
  );
});
