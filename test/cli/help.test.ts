import { describe, expect, it } from 'vitest';
import { readArguments } from '../../src/cli/arguments.ts';
import { COMMAND_HELP, COMMANDS, flagsOf } from '../../src/cli/commands.ts';
import { helpText } from '../../src/cli/help.ts';
import { shownDefault, TABLE } from '../../src/config/table.ts';

describe('the help text', () => {
  it.each(Object.values(TABLE).map((row) => [row.name, row] as const))(
    'lists %s and its default',
    (name, row) => {
      expect(helpText()).toMatch(new RegExp(`^  ${name} [^]*?\\[${literally(shownDefault(row))}\\]`, 'm'));
    },
  );

  it.each(COMMANDS)('lists the command %s', (command) => {
    expect(helpText()).toMatch(new RegExp(`mosquitto-cert-watcher \\[?${command}\\b`));
  });

  it.each(['--config FILE', '--version', '--help'])('lists %s', (flag) => {
    expect(helpText()).toContain(flag);
  });

  it('has no line that is wider than 110 columns', () => {
    expect(
      helpText()
        .split('\n')
        .filter((line) => line.length > 110),
    ).toEqual([]);
  });

  it('is free of markup', () => {
    expect(helpText()).not.toContain('`');
  });

  it('has no blanks at the end of a line', () => {
    expect(helpText()).not.toMatch(/[ \t]$/m);
  });

  it('ends in an example that can be pasted into a shell', () => {
    const example = helpText().split('example:\n')[1] ?? '';
    expect(example).toMatch(/^ {2}([A-Z_]+=\S+ )+\\\n {4}mosquitto-cert-watcher\n$/);
  });

  it('ends in an example that names only settings that there are', () => {
    const example = helpText().split('example:\n')[1] ?? '';
    const names: readonly string[] = Object.values(TABLE).map(({ name }) => name);
    expect([...example.matchAll(/([A-Z_]+)=/g)].filter(([, name]) => !names.includes(name ?? ''))).toEqual(
      [],
    );
  });
});

describe.each(COMMANDS)('the help of the command %s', (command) => {
  it('begins with what the command is for', () => {
    expect(helpText(command).split('\n')[0]).toBe(
      `mosquitto-cert-watcher ${command}: ${COMMAND_HELP[command].summary}`,
    );
  });

  it.each(flagsOf(command).map(([name]) => name))('lists its flag --%s', (name) => {
    expect(helpText(command)).toMatch(new RegExp(`^  (-\\w, )?--${name}\\b.* {2}\\S`, 'm'));
  });

  it('lists every exit code once', () => {
    const listed = [...helpText(command).matchAll(/^ {2}(\d+) +\S/gm)].map(([, code]) => Number(code));
    const own = COMMAND_HELP[command].exitCodes.map(([code]) => code);
    expect(listed).toEqual([...new Set([...own, 2, 70])].toSorted((a, b) => a - b));
  });

  it('ends in an example that the command line accepts', () => {
    const example = helpText(command).split('example:\n  mosquitto-cert-watcher ')[1] ?? '';
    const words = example.replace(/ >.*/, '').trim().split(' ');
    expect(readArguments(words).kind).toMatch(/^(command|fleet)$/);
  });

  it('is free of markup and blanks at line ends, and no wider than 110 columns', () => {
    const ugly = helpText(command)
      .split('\n')
      .filter((line) => /`|\s$/.test(line) || line.length > 110);
    expect(ugly).toEqual([]);
  });
});

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
