import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** file, and what it imports: an arrow that the lint rule has to forbid */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['src/core/decide.ts', 'node:fs'],
  ['src/core/decide.ts', 'valibot'],
  ['src/core/decide.ts', '../adapters/clock.ts'],
  ['src/core/decide.ts', '../surfaces/log.ts'],
  ['src/core/decide.ts', '../system/errors.ts'],
  ['src/core/decide.ts', '../config/load.ts'],
  ['src/core/decide.ts', '../watcher.ts'],
  ['src/core/decide.ts', '../cli/run.ts'],
  ['src/core/decide.ts', '../../package.json'],
  ['src/adapters/engine.ts', './clock.ts'],
  ['src/adapters/engine.ts', './tls-probe.ts'],
  ['src/adapters/engine.ts', './tls-probe/connect.ts'],
  ['src/adapters/engine.ts', '../adapters/clock.ts'],
  ['src/adapters/engine.ts', '../surfaces/log.ts'],
  ['src/adapters/engine.ts', '../config/load.ts'],
  ['src/adapters/engine.ts', '../watcher.ts'],
  ['src/adapters/engine.ts', '../cli/run.ts'],
  ['src/adapters/engine-access.ts', './engine.ts'],
  ['src/adapters/engine-access.ts', './clock.ts'],
  ['src/adapters/engine-http.ts', './engine.ts'],
  ['src/adapters/tls-probe.ts', './engine.ts'],
  ['src/adapters/tls-probe.ts', './engine-http.ts'],
  ['src/adapters/tls-probe.ts', '../surfaces/log.ts'],
  ['src/adapters/tls-probe/connect.ts', '../engine.ts'],
  ['src/adapters/tls-probe/connect.ts', '../tls-probe.ts'],
  ['src/adapters/tls-probe/connect.ts', '../../surfaces/log.ts'],
  ['src/adapters/tls-probe/connect.ts', '../../watcher.ts'],
  ['src/surfaces/log.ts', '../adapters/clock.ts'],
  ['src/surfaces/log.ts', '../adapters/tls-probe/connect.ts'],
  ['src/surfaces/log.ts', '../config/load.ts'],
  ['src/surfaces/log.ts', '../watcher.ts'],
  ['src/surfaces/log.ts', '../cli/run.ts'],
  ['src/config/load.ts', '../adapters/clock.ts'],
  ['src/config/load.ts', '../surfaces/log.ts'],
  ['src/config/load.ts', '../watcher.ts'],
  ['src/system/errors.ts', '../adapters/clock.ts'],
  ['src/system/errors.ts', '../surfaces/log.ts'],
];

const ALLOWED: readonly (readonly [string, string])[] = [
  ['src/core/decide.ts', './memory.ts'],
  ['src/adapters/engine.ts', './engine-http.ts'],
  ['src/adapters/engine-access.ts', './engine-http.ts'],
  ['src/adapters/engine.ts', '../core/broker.ts'],
  ['src/adapters/engine.ts', '../system/errors.ts'],
  ['src/adapters/engine.ts', 'node:http'],
  ['src/adapters/engine.ts', 'valibot'],
  ['src/adapters/tls-probe.ts', './tls-probe/connect.ts'],
  ['src/adapters/tls-probe.ts', '../core/probe.ts'],
  ['src/adapters/tls-probe/connect.ts', './step.ts'],
  ['src/adapters/tls-probe/connect.ts', '../../core/probe.ts'],
  ['src/adapters/tls-probe/connect.ts', '../../system/errors.ts'],
  ['src/surfaces/log.ts', '../core/events.ts'],
  ['src/surfaces/log.ts', './timeline.ts'],
  ['src/surfaces/log.ts', 'node:http'],
  ['src/config/load.ts', './table.ts'],
  ['src/config/load.ts', '../core/settings.ts'],
  ['src/config/load.ts', '../system/errors.ts'],
  ['src/system/x509.ts', '../core/pem.ts'],
  ['src/watcher.ts', './adapters/clock.ts'],
  ['src/watcher.ts', './core/decide.ts'],
  ['src/cli/run.ts', '../adapters/clock.ts'],
  ['src/cli/run.ts', '../surfaces/log.ts'],
  ['src/cli/run.ts', '../watcher.ts'],
  ['src/main.ts', './cli/run.ts'],
];

const ENVIRONMENT_READERS = [
  'src/core/decide.ts',
  'src/adapters/engine.ts',
  'src/adapters/tls-probe/connect.ts',
  'src/surfaces/log.ts',
  'src/config/load.ts',
  'src/system/errors.ts',
  'src/cli/run.ts',
  'src/watcher.ts',
];

const READING = 'export const environment = process.env;';

/** The same arrow drawn in other ways. */
const OTHER_FORMS = [
  "import type { Clock } from '../adapters/clock.ts';\nexport type A = Clock;",
  "export { systemClock } from '../adapters/clock.ts';",
  "export type { Clock } from '../adapters/clock.ts';",
  "export * from '../adapters/clock.ts';",
  "export const later = import('../adapters/clock.ts');",
].map((text) => text.split('\n'));

/** Rules broken, by `file: line of its text`. */
let broken: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'architecture-'));
  broken = await lint(directory, sources());
  await rm(directory, { recursive: true });
}, 60_000);

/** One small source for each file that is spoken of, with a line for each thing that it is tried with. */
function sources(): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, string[]>();
  const add = (file: string, line: string) => lines.set(file, [...(lines.get(file) ?? []), line]);
  for (const [file, target] of [...FORBIDDEN, ...ALLOWED]) add(file, importing(target));
  for (const line of OTHER_FORMS.flat()) add('src/core/forms.ts', line);
  for (const file of [...ENVIRONMENT_READERS, 'src/main.ts']) add(file, READING);
  return lines;
}

function importing(target: string): string {
  return `import '${target}';`;
}

/** Lints the sources with the configuration of this repository, in a tree of their own. */
async function lint(directory: string, files: ReadonlyMap<string, readonly string[]>) {
  await copyFile(join(ROOT, 'biome.json'), join(directory, 'biome.json'));
  for (const [file, lines] of files) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    await writeFile(join(directory, file), `${lines.join('\n')}\n`);
  }
  const arguments_ = ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', '.'];
  const found = new Map<string, string[]>();
  for (const { category, location } of await run(
    join(ROOT, 'node_modules/.bin/biome'),
    arguments_,
    directory,
  )) {
    const key = `${location.path}: ${files.get(location.path)?.[location.start.line - 1]}`;
    found.set(key, [...(found.get(key) ?? []), category]);
  }
  return found;
}

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}

function run(command: string, args: readonly string[], cwd: string): Promise<readonly Diagnostic[]> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, maxBuffer: 16 * 1024 ** 2 }, (error, stdout) => {
      // it ends with 1 because there is something to report
      if (error !== null && error.code !== 1) reject(error);
      else resolve((JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics);
    });
  });
}

describe('the lint rule', () => {
  it.each(FORBIDDEN)('forbids %s to import %s', (file, target) => {
    expect(broken.get(`${file}: ${importing(target)}`)).toEqual(['lint/style/noRestrictedImports']);
  });

  it.each(OTHER_FORMS)('forbids the core to write %s', (line) => {
    expect(broken.get(`src/core/forms.ts: ${line}`)).toEqual(['lint/style/noRestrictedImports']);
  });

  it.each(ALLOWED)('lets %s import %s', (file, target) => {
    expect(broken.get(`${file}: ${importing(target)}`)).toBeUndefined();
  });

  it.each(ENVIRONMENT_READERS)('forbids %s to read the environment', (file) => {
    expect(broken.get(`${file}: ${READING}`)).toEqual(['lint/style/noProcessEnv']);
  });

  it('lets the process boundary read the environment', () => {
    expect(broken.get(`src/main.ts: ${READING}`)).toBeUndefined();
  });
});
