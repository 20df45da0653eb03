import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/arguments.ts';
import { helpText } from '../../src/cli/help.ts';
import { shownDefault, TABLE } from '../../src/config/table.ts';

describe('the help text', () => {
  it.each(Object.values(TABLE).map((row) => [row.name, row] as const))(
    'tells of %s and its default',
    (name, row) => {
      expect(helpText()).toMatch(new RegExp(`^  ${name} [^]*?\\[${literally(shownDefault(row))}\\]`, 'm'));
    },
  );

  it.each(COMMANDS)('tells of the command %s', (command) => {
    expect(helpText()).toMatch(new RegExp(`mosquitto-cert-watcher \\[?${command}\\b`));
  });

  it.each(['--config FILE', '--version', '--help'])('tells of %s', (flag) => {
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

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
