/**
 * Shows that the model-based tests can fail: applies each mutation to a copy of the source and runs them on it.
 *
 *     make mutations
 *     node bench/mutations/run.ts promot    # those whose name contains this
 *
 * Exit code 1 if one of them survives.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { removeTree } from '../../lab/remove-tree.ts';
import { machine } from '../machine.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COPIED = ['src', 'test', 'lab', 'bench', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const MODEL = 'test/model';
/** Fewer than the tests play by themselves: a mistake worth the name shows early. */
const HISTORIES = process.env['HISTORIES'] ?? '1500';
/** Enough to see that the tests pass without any mistake. */
const FEW_HISTORIES = '100';

async function run(directory: string, tests: readonly string[], histories: string) {
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  // one promise that is broken is enough, and nothing runs beside it that would have to end first
  const options = ['--project', 'unit', '--bail', '1', '--no-file-parallelism'];
  const child = spawn(process.execPath, [vitest, 'run', ...options, ...tests], {
    cwd: directory,
    env: { ...process.env, HISTORIES: histories, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { status: status as number | null, output: `${output}${errors}` };
}

const [part = ''] = process.argv.slice(2);
const CHOSEN = MUTATIONS.filter(({ name }) => name.includes(part));

/** Without a mistake, every test has to pass: otherwise a failure says nothing about a mistake. */
async function runWithoutMistake(directory: string): Promise<void> {
  const tests = new Set(CHOSEN.map((mutation) => mutation.tests ?? MODEL));
  const { status, output } = await run(directory, [...tests], FEW_HISTORIES);
  if (status !== 0) throw new Error(`the tests fail without any mistake:\n${output}`);
}

/** Runs the model-based tests on a copy of the source with this mistake; what they said if they caught it. */
async function caughtBy(
  directory: string,
  { file, from, to, tests = MODEL }: Mutation,
): Promise<string | undefined> {
  const path = join(directory, file);
  const source = await readFile(path, 'utf8');
  if (source.split(from).length !== 2) throw new Error(`${file} does not hold exactly once: ${from}`);
  await writeFile(
    path,
    source.replace(from, () => to),
  );
  try {
    const { status, output } = await run(directory, [tests], HISTORIES);
    if (status === 0) return undefined;
    // the innermost message: the outer ones tell how to play the history again
    const messages = [...output.matchAll(/^(?:AssertionError|Error): (?!SEED)(.{1,80})/gm)];
    const said = messages.at(-1)?.[1];
    // tests that did not end in time have caught nothing
    return said?.startsWith('Test timed out') ? undefined : said;
  } finally {
    await writeFile(path, source);
  }
}

/** A copy of everything that the tests need, whose source may be changed. */
async function copyTo(directory: string): Promise<void> {
  for (const name of COPIED) await cp(join(ROOT, name), join(directory, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
}

const first = await mkdtemp(join(tmpdir(), 'mutations-'));
const copies = [first];
while (copies.length < availableParallelism()) copies.push(await mkdtemp(join(tmpdir(), 'mutations-')));
try {
  await Promise.all(copies.map(copyTo));
  await runWithoutMistake(first);
  print(`${CHOSEN.length} deliberate mistakes, ${HISTORIES} histories each; ${machine()}\n`);
  print('| the core … | caught by |');
  print('|---|---|');
  const waiting = [...CHOSEN];
  let survivors = 0;
  await Promise.all(
    copies.map(async (directory) => {
      for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
        const caught = await caughtBy(directory, mutation);
        if (caught === undefined) survivors += 1;
        print(`| ${mutation.name} | ${caught ?? '**nothing**'} |`);
      }
    }),
  );
  print(`\n${survivors === 0 ? 'all of them were caught' : `${survivors} of them survived`}`);
  process.exitCode = survivors === 0 ? 0 : 1;
} finally {
  for (const directory of copies) await removeTree(directory);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
