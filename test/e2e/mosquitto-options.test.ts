/**
 * Every option of Mosquitto, as its manual page and its example configuration show it and with values that may be wrong,
 * against the Mosquitto of this machine: whether it stops at that line. Each configuration ends with a line at which it
 * stops in any case, so that no broker stays and no port is opened.
 */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { MOSQUITTO } from '../../lab/broker-image.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { knownOptions, readConfAs } from '../../src/core/text/mosquitto-conf.ts';
import { DIALECT, MOSQUITTO_VERSION } from '../support/mosquitto-version.ts';
import { all, BROKER, NAME_SPACES, type Need, program, skipped } from '../support/needs.ts';

const MANUAL = '/usr/share/man/man5/mosquitto.conf.5.gz';
const EXAMPLES = [
  '/etc/mosquitto/mosquitto.conf.example',
  '/usr/share/doc/mosquitto/examples/mosquitto.conf',
  '/usr/share/doc/mosquitto/examples/mosquitto.conf.gz',
];
const EXAMPLE = EXAMPLES.find(existsSync);
const SHIPPED: Need =
  existsSync(MANUAL) && EXAMPLE !== undefined
    ? { ok: true }
    : { ok: false, reason: 'the manual page or the example of Mosquitto is not installed' };
const NEED = all(NAME_SPACES, BROKER, program('xargs'), SHIPPED);

const directory = await mkdtemp(join(tmpdir(), 'mosquitto-options-'));
afterAll(() => removeTree(directory));
/** Stands for any path. */
const somewhere = join(directory, 'somewhere');

async function textOf(path: string): Promise<string> {
  const bytes = await readFile(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

/** An option with a value, as the line that a configuration would have. */
type Line = readonly [option: string, line: string];

/** The options that the example has as remarks, as they would be without the `#`. */
async function linesOfExample(): Promise<Line[]> {
  const text = await textOf(EXAMPLE ?? '');
  return [...text.matchAll(/^#([a-z][\w.]*)((?: .*)?)$/gm)].map(([, option = '', value = '']) => [
    option,
    option + value,
  ]);
}

/** The options that the manual defines, each with a value of the kind that it names. */
async function linesOfManual(): Promise<Line[]> {
  const text = (await textOf(MANUAL)).replaceAll('\\&', '').replaceAll('\\-', '-');
  // other programs and files are named in the same way
  const definitions = [...text.matchAll(/^\.PP\n\\fB([a-z][\w.]*)\\fR ?(.*)$/gm)];
  return definitions.flatMap(([, option = '', kind = '']) => {
    if (option.startsWith('mosquitto')) return [];
    const choices = /^\[ ?([\w| -]+?) ?\]/.exec(kind)?.[1]?.split('|') ?? [valueFor(option, kind)];
    return choices.map((value): Line => [option, `${option} ${value.trim()}`]);
  });
}

function valueFor(option: string, kind: string): string {
  if (/path|file|director|dir/.test(kind)) return somewhere;
  if (option === 'bind_address') return '127.0.0.1';
  if (/address/.test(kind)) return '127.0.0.1:8883';
  if (/count|number|seconds|limit|value|port|level|size|base|bytes|ms|idle/.test(kind)) return '20';
  return 'example';
}

/** Values that are right for some options and wrong for others. */
const VALUES = ['', 'nonsense', '0', '-1', '1', '70000', 'true', '0x10', '1d', 'a b c'];

const LISTENER = ['listener 2883'];
const BRIDGE = ['connection one', 'address 127.0.0.1:2999', 'topic # out 0'];
/** Where a line stands. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  'at the top': [],
  'in a listener': LISTENER,
  'in a bridge': BRIDGE,
};

/** Resolved, or looked for, which is no property of the text. */
function isElsewhere([option, line]: Line): boolean {
  return ['bind_address', 'http_dir', 'include_dir'].includes(option) && line !== option;
}

interface Case {
  readonly option: string;
  /** for people */
  readonly name: string;
  readonly text: string;
}

async function casesOf(): Promise<Case[]> {
  const documented = [...(await linesOfExample()), ...(await linesOfManual())];
  const options = [...new Set([...documented.map(([option]) => option), ...knownOptions()])];
  const undocumented = options.filter((option) => !documented.some(([name]) => name === option));
  const shown = [...documented, ...undocumented.map((option): Line => [option, `${option} 1`])];
  const tried = options.flatMap((option) =>
    VALUES.map((value): Line => [option, value === '' ? option : `${option} ${value}`]),
  );
  const caseOf = ([option]: Line, name: string, lines: readonly string[]): Case => {
    return { option, name, text: `${[...lines, LAST].join('\n')}\n` };
  };
  return [
    ...shown.flatMap((line) => [
      ...Object.entries(PLACES).map(([place, before]) =>
        caseOf(line, `${line[1]}, ${place}`, [...before, line[1]]),
      ),
      caseOf(line, `${line[1]}, twice`, [...LISTENER, ...BRIDGE, line[1], line[1]]),
    ]),
    ...tried
      .filter((line) => !isElsewhere(line))
      .map((line) => caseOf(line, line[1], [...LISTENER, ...BRIDGE, line[1]])),
  ];
}

/** Nobody takes it. */
const LAST = 'listener';

/** The line at which the broker stops, by the number of the case. */
async function runAll(cases: readonly Case[]): Promise<ReadonlyMap<number, number | undefined>> {
  for (const [index, { text }] of cases.entries()) await writeFile(join(directory, `${index}.conf`), text);
  const each = `timeout -s KILL 5 ${MOSQUITTO} -c "$0" >"$0.log" 2>&1; true`;
  const script = `ip link set lo up; cd ${directory} && ls | grep 'conf$' | xargs -P 4 -n 1 sh -c '${each}'`;
  await promisify(execFile)('unshare', ['--net', '/bin/sh', '-c', script]);
  const stops = new Map<number, number | undefined>();
  for (const index of cases.keys()) {
    const log = await readFile(join(directory, `${index}.conf.log`), 'utf8');
    const place = /Error found at '?[^\s']+?:(\d+)/.exec(log);
    stops.set(index, place === null ? undefined : Number(place[1]));
  }
  return stops;
}

function oursOf({ text }: Case): number | undefined {
  const reading = readConfAs(DIALECT, { path: 'x', text }, () => []);
  return reading.ok ? undefined : reading.problem.at.line;
}

describe.skipIf(!NEED.ok)(`an option of Mosquitto ${MOSQUITTO_VERSION}${skipped(NEED)}`, async () => {
  await mkdir(somewhere);
  // 2.1 removes its `pid_file` when it ends, also a directory that is empty
  await writeFile(join(somewhere, 'file'), '');
  const cases = NEED.ok ? await casesOf() : [];
  const stops = NEED.ok ? await runAll(cases) : new Map<number, number>();
  const options = [...new Set(cases.map(({ option }) => option))].toSorted();

  test('is one that we know', async () => {
    const documented = [...(await linesOfExample()), ...(await linesOfManual())].map(([option]) => option);
    expect(documented.length).toBeGreaterThan(200);
    expect([...new Set(documented)].filter((option) => !knownOptions().includes(option))).toEqual([]);
  });

  test.each(options)('%s is taken where the broker takes it, and refused where it stops', (option) => {
    const own = [...cases.entries()].filter(([, each]) => each.option === option);
    const ours = own.map(([, each]) => `${each.name}: stops at line ${oursOf(each)}`);
    const theirs = own.map(([index, { name }]) => `${name}: stops at line ${stops.get(index)}`);
    expect(ours).toEqual(theirs);
  });
});
