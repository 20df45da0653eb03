/**
 * Shows that the model-based tests can fail: applies each mutation to a copy of the source and runs them on it.
 *
 *     make mutations
 *     node bench/mutations/run.ts promot    # those whose name contains this
 *
 * Exit code 1 if one of them survives.
 */

import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../../lab/remove-tree.ts';
import { machine } from '../machine.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COPIED = ['src', 'test', 'lab', 'bench', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const MODEL = 'test/model';
/** Fewer than the tests play by themselves: a mistake worth the name shows early. */
const HISTORIES = process.env['HISTORIES'] ?? '4500';
/** Enough to see that the tests pass without any mistake. */
const FEW_HISTORIES = '100';

function run(directory: string, tests: readonly string[], histories: string) {
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  // one promise that is broken is enough
  const options = ['--project', 'unit', '--bail', '1'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run', ...options, ...tests], {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, HISTORIES: histories, NO_COLOR: '1' },
  });
  return { status, output: `${stdout}${stderr}` };
}

const [part = ''] = process.argv.slice(2);
const CHOSEN = MUTATIONS.filter(({ name }) => name.includes(part));

/** Without a mistake, every test has to pass: otherwise a failure says nothing about a mistake. */
function runWithoutMistake(directory: string): void {
  const tests = new Set(CHOSEN.map((mutation) => mutation.tests ?? MODEL));
  const { status, output } = run(directory, [...tests], FEW_HISTORIES);
  if (status !== 0) throw new Error(`the tests fail without any mistake:\n${output}`);
}

/** Runs the model-based tests on a copy of the source with this mistake; what they said if they caught it. */
async function caughtBy(
  directory: string,
  { file, from, to, tests = MODEL }: Mutation,
): Promise<string | undefined> {
  const path = join(directory, file);
  const text = await readFile(path, 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file} does not hold exactly once: ${from}`);
  await writeFile(
    path,
    text.replace(from, () => to),
  );
  try {
    const { status, output } = run(directory, [tests], HISTORIES);
    if (status === 0) return undefined;
    // the innermost message: the outer ones tell how to play the history again
    const messages = [...output.matchAll(/^(?:AssertionError|Error): (?!SEED)(.{1,80})/gm)];
    const said = messages.at(-1)?.[1];
    // tests that did not end in time have caught nothing
    return said?.startsWith('Test timed out') ? undefined : said;
  } finally {
    await writeFile(path, text);
  }
}

const directory = await mkdtemp(join(tmpdir(), 'mutations-'));
try {
  for (const name of COPIED) await cp(join(ROOT, name), join(directory, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  runWithoutMistake(directory);
  print(`${CHOSEN.length} deliberate mistakes, ${HISTORIES} histories each; ${machine()}\n`);
  print('| the core … | caught by |');
  print('|---|---|');
  let survivors = 0;
  for (const mutation of CHOSEN) {
    const caught = await caughtBy(directory, mutation);
    if (caught === undefined) survivors += 1;
    print(`| ${mutation.name} | ${caught ?? '**nothing**'} |`);
  }
  print(`\n${survivors === 0 ? 'all of them were caught' : `${survivors} of them survived`}`);
  process.exitCode = survivors === 0 ? 0 : 1;
} finally {
  await removeTree(directory);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
