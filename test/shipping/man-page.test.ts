import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { manPage } from '../../scripts/shipping/man-page.ts';
import { ALL_FLAGS, COMMAND_HELP, COMMANDS, SIGNALS } from '../../src/cli/commands.ts';
import { shownDefault, TABLE } from '../../src/config/table.ts';
import { program, skipped } from '../support/needs.ts';

const PAGE = manPage({
  version: '1.2.3',
  epochS: Date.UTC(2026, 10, 28) / 1_000,
  files: [['/etc/default/x', 'the settings']],
});

const man = program('man');

/** As a reader sees it, without where its lines break, and what groff has to complain of. */
function rendered(): { readonly text: string; readonly complaints: string } {
  const directory = mkdtempSync(join(tmpdir(), 'man-'));
  const file = join(directory, 'page.8');
  writeFileSync(file, PAGE);
  const { stdout, stderr } = spawnSync('man', ['--warnings=w', '--local-file', file], {
    env: { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '100', MAN_KEEP_FORMATTING: '' },
    encoding: 'utf8',
  });
  rmSync(directory, { recursive: true });
  return { text: stdout.replace(/\s+/g, ' '), complaints: stderr };
}

describe.skipIf(!man.ok)(`the manual page${skipped(man)}`, () => {
  const page = man.ok ? rendered() : { text: '', complaints: '' };

  test('is free of mistakes', () => {
    expect(page.complaints).toBe('');
  });

  test.each(COMMANDS)('explains the command %s in the words of its help', (command) => {
    for (const paragraph of COMMAND_HELP[command].about) expect(page.text).toContain(paragraph);
  });

  test.each(ALL_FLAGS)('lists the flag --%s', (name, { meaning }) => {
    const options = page.text.split(' OPTIONS ')[1]?.split(' SETTINGS ')[0] ?? '';
    expect(options).toContain(`--${name}`);
    expect(options).toContain(meaning);
  });

  test.each(Object.values(TABLE).map((row) => [row.name, row] as const))(
    'says of the setting %s what it means, and its default',
    (name, row) => {
      const meaning = row.meaning.replaceAll('`', '');
      expect(page.text).toContain(` ${name} ${meaning} [${shownDefault(row)}]`);
    },
  );

  test.each(SIGNALS)('says what %s does', (name, meaning) => {
    expect(page.text).toContain(`${name} ${meaning}`);
  });

  test.each(COMMANDS.filter((command) => COMMAND_HELP[command].exitCodes.length > 0))(
    'lists the exit codes of %s',
    (command) => {
      const status = page.text.split(' EXIT STATUS ')[1] ?? '';
      for (const [code, meaning] of COMMAND_HELP[command].exitCodes)
        expect(status).toContain(`${code} ${meaning}`);
    },
  );

  test('says where the files are, of which version it is, and of when', () => {
    expect(page.text).toContain('/etc/default/x the settings');
    expect(page.text).toMatch(/mosquitto-cert-watcher 1\.2\.3 2026-11-28 MOSQUITTO-CERT-WATCHER\(8\)/);
  });
});
