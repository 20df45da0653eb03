/** Renews the settings table in README.md from the one table of settings; with `--check` it only compares. */

import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from './settings-table.ts';

const FILE = new URL('../README.md', import.meta.url);
const BLOCK = /(<!-- settings -->\n)[\s\S]*?(<!-- \/settings -->)/;

const before = readFileSync(FILE, 'utf8');
const after = before.replace(BLOCK, (_all, begin, end) => `${begin}${settingsTable()}${end}`);
if (process.argv.includes('--check')) {
  if (before !== after) {
    process.stderr.write('README.md: the settings table is out of date; run make readme\n');
    process.exitCode = 1;
  }
} else {
  writeFileSync(FILE, after);
}
