/** The scripts as the executable runs them, and what divides them from each other. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { bundle, MAIN, WATCH_SCRIPT } from '../../scripts/shipping/bundle.ts';
import { createRequire, type Shared } from '../../scripts/shipping/chunk-loader.ts';
import { ROOT } from '../../scripts/shipping/paths.ts';

/** Scripts by name, each with what it does. */
function loaderOf(chunks: Readonly<Record<string, string>>, once: readonly string[] = []) {
  const shared: Shared = (place, name) => `${place} ${name}`;
  const builtin = (name: string) =>
    name === 'node:sea'
      ? { getRawAsset: (key: string) => new Uint8Array(Buffer.from(chunks[key] ?? '')).buffer }
      : process.getBuiltinModule(name);
  return createRequire(builtin, shared, once);
}

describe('the loader', () => {
  test('runs a chunk once, whoever asks for it', () => {
    const load = loaderOf({
      './a.js': 'exports.one = {};',
      './b.js': 'exports.same = require("./a.js").one;',
    });
    const { one } = load('./a.js') as { one: object };
    expect(load('./b.js')).toEqual({ same: one });
    expect((load('./b.js') as { same: object }).same).toBe(one);
  });

  test('remembers nothing of a chunk that is used once, so that it can be collected', () => {
    const load = loaderOf({ './a.js': 'exports.one = {};' }, ['./a.js']);
    const [first, second] = [load('./a.js'), load('./a.js')] as { one: object }[];
    expect(first?.one).not.toBe(second?.one);
  });

  test('gives a chunk the values of other scripts, and the modules of the runtime', () => {
    const load = loaderOf({ './a.js': 'exports.all = [shared(12, "x"), require("node:os").EOL];' });
    expect(load('./a.js')).toEqual({ all: ['12 x', '\n'] });
  });

  test('names the chunk and its line in the trace of an error', () => {
    const load = loaderOf({ './a.js': '\nexports.fail = () => { throw new Error("x"); };' });
    const { fail } = load('./a.js') as { fail: () => void };
    expect(() => fail()).toThrow(expect.objectContaining({ stack: expect.stringContaining('./a.js:2:') }));
  });
});

/**
 * Runs the main script as the executable does, and then every other; `--version` ends the program, but only after this
 * script. Says what they ask each other for and do not get.
 */
const RUN_ALL = `
  import { readFileSync, readdirSync } from 'node:fs';
  import { createRequire as createBuiltin } from 'node:module';
  import { compileFunction } from 'node:vm';
  import { createRequire } from '${ROOT}/scripts/shipping/chunk-loader.ts';
  const [, directory, watchScript, firstOfWatch] = process.argv;
  process.argv = [process.execPath, 'main', '--version'];
  const builtin = createBuiltin(import.meta.url);
  const getRawAsset = (name) => new Uint8Array(readFileSync(directory + '/' + name)).buffer;
  const require = (name) => name === 'node:sea' ? { getRawAsset } : builtin(name);
  const module = { exports: {} };
  compileFunction(readFileSync(directory + '/main', 'latin1'), ['exports', 'require', 'module'])(module.exports, require, module);
  const missing = [];
  const scriptOf = (place) => place < firstOfWatch ? module.exports : load(watchScript);
  const shared = (place, name) => scriptOf(place).shared(place, name) ?? missing.push(place + ' ' + name);
  const names = readdirSync(directory).filter((name) => name !== 'main');
  const load = createRequire(require, shared, []);
  for (const name of names) load('./' + name);
  process.stderr.write(JSON.stringify({ ran: names.length, missing }));
`;

describe('the scripts', () => {
  test('all run, and find in each other whatever they ask for', async () => {
    const made = await bundle({ version: '0.0.0', commit: undefined, epochS: 0, source: undefined });
    const directory = await mkdtemp(join(tmpdir(), 'chunks-'));
    await writeFile(join(directory, 'main'), made.code);
    for (const [name, code] of made.chunks) await writeFile(join(directory, name), code);
    const firstOfWatch = String(made.modules.get(MAIN)?.length);
    const args = ['--input-type=module', '--eval', RUN_ALL, '--', directory, WATCH_SCRIPT, firstOfWatch];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    await rm(directory, { recursive: true });
    expect(JSON.parse(stderr)).toEqual({ ran: made.chunks.size, missing: [] });
    expect(stdout).toBe('mosquitto-cert-watcher 0.0.0\n');
  });
});
