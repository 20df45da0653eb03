/** The documentation says what the program does: every name in the code has its line, and every link its end. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/arguments.ts';
import { TABLE } from '../src/config/table.ts';
import { REASONS } from '../src/core/branches.ts';
import { ENGINE_CAUSES } from '../src/core/broker.ts';
import { EVENTS } from '../src/core/events.ts';
import { PROBE_CAUSES } from '../src/core/probe.ts';
import { SUPPRESSION_REASONS } from '../src/core/snapshot.ts';
import { createMetrics } from '../src/surfaces/metrics.ts';
import { situation } from './support/situations.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function markdownIn(directory: string): string[] {
  return readdirSync(join(ROOT, directory))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
}

const DOCUMENTS = [...markdownIn('.'), ...markdownIn('docs'), ...markdownIn('docs/decisions')];

describe('docs/events.md', () => {
  it.each(Object.entries(EVENTS))(
    'tells of %s in its section, with its level',
    (name, { component, level }) => {
      const section = read('docs/events.md').split(`## ${component}\n`)[1]?.split('\n## ')[0] ?? '';
      expect(section).toMatch(new RegExp(`^\\| .*\`${name}\`.* \\| ${level} \\|`, 'm'));
    },
  );

  it('tells of no event that there is not', () => {
    const told = [...read('docs/events.md').matchAll(/^\| `(\w+)`.* \| (?:debug|info|warn|error) \|/gm)];
    expect(told.map(([, name]) => name).toSorted()).toEqual(Object.keys(EVENTS).toSorted());
  });
});

describe('docs/metrics.md', () => {
  it('tells of every metric, and of no other', async () => {
    const { snapshot } = await situation('well');
    const exposed = await createMetrics(() => snapshot, '1.2.3').expose();
    const names = [...exposed.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name);
    const told = [...read('docs/metrics.md').matchAll(/^\| `(\w+)/gm)].map(([, name = '']) => name);
    const prefixed = names.map((name) => name.replace('mosquitto_cert_watcher_', ''));
    const rows = prefixed.filter((name) => !name.startsWith('process_'));
    expect(told.toSorted()).toEqual(rows.toSorted());
    for (const name of prefixed.filter((one) => one.startsWith('process_'))) {
      expect(read('docs/metrics.md')).toContain(`\`${name}\``);
    }
  });

  it.each(SUPPRESSION_REASONS)('tells of the reason %s', (reason) => {
    expect(read('docs/metrics.md')).toContain(`\`${reason}\``);
  });
});

describe('docs/operating.md', () => {
  it.each([...ENGINE_CAUSES, ...PROBE_CAUSES])('has a row for the cause %s', (cause) => {
    expect(read('docs/operating.md')).toMatch(new RegExp(`^\\| \`${cause}\` \\| \\S`, 'm'));
  });

  it.each(REASONS)('explains the reason %s', (reason) => {
    expect(read('docs/operating.md')).toMatch(new RegExp(`^\\| .*\`${reason}\`.* \\| \\S`, 'm'));
  });
});

describe('README.md', () => {
  it.each(COMMANDS)('shows the command %s', (command) => {
    expect(read('README.md')).toMatch(new RegExp(`^mosquitto-cert-watcher \\[?${command}\\]? `, 'm'));
  });

  it('names no setting that there is not', () => {
    const names: readonly string[] = Object.values(TABLE).map(({ name }) => name);
    const told = [...read('README.md').matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)].map(
      ([, name = '']) => name,
    );
    expect(told.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe.each(DOCUMENTS)('%s', (file) => {
  it('has no link that leads nowhere', () => {
    const targets = [...read(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const broken = targets
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !leads(file, target));
    expect(broken).toEqual([]);
  });
});

/** Whether the file is there, and the heading in it. */
function leads(file: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const end = path === '' ? file : join(dirname(file), path);
  if (!existsSync(join(ROOT, end))) return false;
  return anchor === undefined || anchorsIn(end).includes(anchor);
}

/** Anchors of the headings, as they are made for Markdown in most places. */
function anchorsIn(file: string): readonly string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
