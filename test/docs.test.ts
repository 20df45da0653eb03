/** The documentation says what the program does: every name in the code has its line, and every link its end. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { LINE } from '../lab/daemon.ts';
import { SITUATIONS, situation } from '../lab/situations.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { TABLE } from '../src/config/table.ts';
import { REASONS } from '../src/core/decision/diagram.ts';
import { ENGINE_CAUSES } from '../src/core/model/broker.ts';
import { DELIVERY_CAUSES } from '../src/core/model/delivery.ts';
import { PROMOTION_CAUSES } from '../src/core/model/live.ts';
import { PROBE_CAUSES } from '../src/core/model/probe.ts';
import { EVENTS, PARTS } from '../src/core/news/events.ts';
import { SUPPRESSION_REASONS } from '../src/core/status/snapshot.ts';
import { createMetrics } from '../src/surfaces/web/metrics.ts';
import type { FileProblemKind } from '../src/system/regular-file.ts';

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

/** Every cause that `cert_missing` and `cert_parse_failed` have for a file; the type check keeps it whole. */
const FILE_CAUSES = Object.keys({
  missing: true,
  unreadable: true,
  link_loop: true,
  io_error: true,
  not_a_regular_file: true,
  empty: true,
  too_large: true,
  unparsable: true,
} satisfies Record<FileProblemKind | 'unparsable', true>);

describe('docs/events.md', () => {
  it.each(Object.entries(EVENTS))('lists %s in its section, with its level', (name, { component, level }) => {
    const section = read('docs/events.md').split(`## ${component}\n`)[1]?.split('\n## ')[0] ?? '';
    expect(section).toMatch(new RegExp(`^\\| .*\`${name}\`.* \\| ${level} \\|`, 'm'));
  });

  it('lists no event that does not exist', () => {
    const told = [...read('docs/events.md').matchAll(/^\| `(\w+)`.* \| (?:debug|info|warn|error) \|/gm)];
    expect(told.map(([, name]) => name).toSorted()).toEqual(Object.keys(EVENTS).toSorted());
  });

  const examples = exampleLines();

  it.each(Object.entries(EVENTS))('shows a line of %s, of its component and level', (event, kind) => {
    const { component, level } = kind;
    expect(examples.filter((line) => line.event === event)).toEqual([
      expect.objectContaining({ component, level }),
    ]);
  });

  it.each(examples)('lists every detail of its line of $event', ({ event, details }) => {
    expect(detailsTold(event)).toEqual(expect.arrayContaining(Object.keys(details)));
  });

  it.each(Object.keys(SITUATIONS))('lists every detail that is said in the situation "%s"', async (name) => {
    const { publications } = await situation(name);
    const said = publications.flatMap(({ say }) => say);
    const secret = said.flatMap(({ event, details }) => {
      const told = detailsTold(event);
      return Object.keys(details).filter((key) => details[key] !== undefined && !told.includes(key));
    });
    expect(secret).toEqual([]);
  });

  it('says of every detail what it means, and of no other', () => {
    const told = Object.keys(EVENTS).flatMap(detailsTold);
    const table = read('docs/events.md').split('\n## Details\n')[1] ?? '';
    const explained = [...table.matchAll(/^\| `(\w+)` \| \S/gm)].map(([, key]) => key);
    expect(explained).toEqual([...new Set(told)].toSorted());
  });
});

/** The lines of the log that are shown, each of exactly the promised shape. */
function exampleLines(): readonly v.InferOutput<typeof LINE>[] {
  const blocks = read('docs/events.md').matchAll(/^```json\n([^`]*)^```/gm);
  return [...blocks]
    .flatMap(([, block = '']) => block.trim().split('\n'))
    .map((line) => v.parse(v.pipe(v.string(), v.parseJson(), LINE), line));
}

/** The details in the row of an event. */
function detailsTold(event: string): readonly string[] {
  const row = new RegExp(`^\\| \`${event}\` \\|.*\\| ([^|]+) \\|$`, 'm').exec(read('docs/events.md'));
  return [...(row?.[1] ?? '').matchAll(/`(\w+)`/g)].map(([, key = '']) => key);
}

describe('docs/metrics.md', () => {
  it('lists every metric, and no other', async () => {
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

  it.each(SUPPRESSION_REASONS)('lists the reason %s', (reason) => {
    expect(read('docs/metrics.md')).toContain(`\`${reason}\``);
  });
});

describe('docs/status-json.md', () => {
  it.each(REASONS)('lists the reason %s', (reason) => {
    const reasons = /^Reasons: ([^.]*)/m.exec(read('docs/status-json.md'))?.[1] ?? '';
    expect(reasons).toContain(`\`${reason}\``);
  });

  it.each(PARTS)('names %s among what a finding may be about', (part) => {
    const row = /^\| .*`findings\[\]\.about` \| (.*) \|$/m.exec(read('docs/status-json.md'))?.[1] ?? '';
    expect(row).toContain(`\`${part}\``);
  });
});

describe('docs/operating.md', () => {
  it.each([...FILE_CAUSES, ...ENGINE_CAUSES, ...PROBE_CAUSES, ...PROMOTION_CAUSES])(
    'has a row for the cause %s',
    (cause) => {
      expect(read('docs/operating.md')).toMatch(new RegExp(`^\\| \`${cause}\` \\| \\S`, 'm'));
    },
  );

  it.each(REASONS)('explains the reason %s', (reason) => {
    expect(read('docs/operating.md')).toMatch(new RegExp(`^\\| .*\`${reason}\`.* \\| \\S`, 'm'));
  });
});

describe('docs/notifications.md', () => {
  it.each(DELIVERY_CAUSES)('has a row for the cause %s', (cause) => {
    expect(read('docs/notifications.md')).toMatch(new RegExp(`^\\| \`${cause}\` \\| \\S`, 'm'));
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
