/** The settings as a Markdown table. */

import { shownDefault, TABLE } from '../src/config/table.ts';

export function settingsTable(): string {
  const rows = Object.values(TABLE).map(
    (row) => `| \`${row.name}\` | ${shownDefault(row)} | ${row.meaning} |`,
  );
  return ['| variable | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}
