import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** file, and what it imports: an arrow that the lint rule has to forbid */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['src/core/decision/decide.ts', 'node:fs'],
  ['src/core/decision/decide.ts', 'valibot'],
  ['src/core/decision/decide.ts', '../status/snapshot.ts'],
  ['src/core/decision/decide.ts', '../../adapters/clock.ts'],
  ['src/core/decision/decide.ts', '../../surfaces/log.ts'],
  ['src/core/decision/decide.ts', '../../system/errors.ts'],
  ['src/core/decision/decide.ts', '../../config/load.ts'],
  ['src/core/decision/decide.ts', '../../watcher/watcher.ts'],
  ['src/core/decision/decide.ts', '../../cli/run.ts'],
  ['src/core/decision/decide.ts', '../../../package.json'],
  ['src/core/judgements/certificates.ts', '../decision/decide.ts'],
  ['src/core/judgements/certificates.ts', '../status/assess.ts'],
  ['src/core/news/events.ts', '../judgements/certificates.ts'],
  ['src/core/news/events.ts', 'node:util'],
  ['src/core/situation.ts', './news/events.ts'],
  ['src/core/situation.ts', './decision/decide.ts'],
  ['src/core/situation.ts', 'node:path'],
  ['src/core/memory/memory.ts', '../situation.ts'],
  ['src/core/memory/memory.ts', '../decision/decide.ts'],
  ['src/core/engine/calls.ts', '../memory/memory.ts'],
  ['src/core/text/pem.ts', '../engine/calls.ts'],
  ['src/core/model/broker.ts', '../text/timestamp.ts'],
  ['src/core/model/broker.ts', '../../system/errors.ts'],
  ['src/adapters/engine/http.ts', '../tls-probe/connect.ts'],
  ['src/adapters/engine/http.ts', '../clock.ts'],
  ['src/adapters/engine/http.ts', '../../surfaces/log.ts'],
  ['src/adapters/engine/http.ts', '../../config/load.ts'],
  ['src/adapters/engine/http.ts', '../../rollout/restart.ts'],
  ['src/adapters/engine/http.ts', '../../watcher/watcher.ts'],
  ['src/adapters/cert-files.ts', './clock.ts'],
  ['src/adapters/cert-files.ts', './engine/http.ts'],
  ['src/adapters/cert-files.ts', '../surfaces/log.ts'],
  ['src/adapters/cert-files.ts', '../wiring/adapters.ts'],
  ['src/surfaces/log.ts', '../adapters/clock.ts'],
  ['src/surfaces/log.ts', '../config/load.ts'],
  ['src/surfaces/log.ts', '../watcher/watcher.ts'],
  ['src/surfaces/web/metrics.ts', '../../adapters/tls-probe/connect.ts'],
  ['src/surfaces/web/metrics.ts', '../../cli/run.ts'],
  ['src/surfaces/web/page/page.ts', '../../../adapters/clock.ts'],
  ['src/surfaces/web/page/page.ts', '../../../watcher/watcher.ts'],
  ['src/config/load.ts', '../adapters/clock.ts'],
  ['src/config/load.ts', '../surfaces/log.ts'],
  ['src/config/load.ts', '../watcher/watcher.ts'],
  ['src/system/errors.ts', '../adapters/clock.ts'],
  ['src/system/errors.ts', '../surfaces/log.ts'],
  ['src/system/process/leave.ts', '../../cli/run.ts'],
  ['src/rollout/restart.ts', '../surfaces/log.ts'],
  ['src/rollout/restart.ts', '../config/load.ts'],
  ['src/rollout/restart.ts', '../watcher/watcher.ts'],
  ['src/rollout/restart.ts', '../wiring/brokers.ts'],
  ['src/watcher/watcher.ts', '../surfaces/log.ts'],
  ['src/watcher/watcher.ts', '../config/load.ts'],
  ['src/watcher/watcher.ts', '../wiring/brokers.ts'],
  ['src/watcher/watcher.ts', '../cli/run.ts'],
  ['src/wiring/brokers.ts', '../cli/run.ts'],
  ['src/wiring/brokers.ts', '../main.ts'],
  ['src/cli/run.ts', '../main.ts'],
];

const ALLOWED: readonly (readonly [string, string])[] = [
  ['src/core/status/assess.ts', '../decision/decide.ts'],
  ['src/core/decision/decide.ts', '../judgements/certificates.ts'],
  ['src/core/decision/decide.ts', '../situation.ts'],
  ['src/core/judgements/certificates.ts', '../news/events.ts'],
  ['src/core/news/events.ts', '../situation.ts'],
  ['src/core/situation.ts', './memory/memory.ts'],
  ['src/core/situation.ts', './model/files.ts'],
  ['src/core/memory/memory.ts', '../model/broker.ts'],
  ['src/core/memory/memory.ts', '../text/backoff.ts'],
  ['src/core/model/broker.ts', './service.ts'],
  ['src/adapters/engine/container.ts', './http.ts'],
  ['src/adapters/engine/container.ts', '../../core/model/broker.ts'],
  ['src/adapters/engine/container.ts', '../../system/errors.ts'],
  ['src/adapters/engine/container.ts', 'node:http'],
  ['src/adapters/engine/container.ts', 'valibot'],
  ['src/adapters/cert-files.ts', '../core/model/files.ts'],
  ['src/surfaces/log.ts', '../core/news/events.ts'],
  ['src/surfaces/web/web.ts', './server.ts'],
  ['src/surfaces/web/web.ts', './page/page.ts'],
  ['src/surfaces/web/page/page.ts', '../../../core/status/snapshot.ts'],
  ['src/surfaces/log.ts', 'node:http'],
  ['src/config/load.ts', './table.ts'],
  ['src/config/load.ts', '../core/model/settings.ts'],
  ['src/config/load.ts', '../system/errors.ts'],
  ['src/system/x509.ts', '../core/text/pem.ts'],
  ['src/rollout/restart.ts', '../adapters/clock.ts'],
  ['src/rollout/restart.ts', '../core/model/broker.ts'],
  ['src/watcher/watcher.ts', '../adapters/clock.ts'],
  ['src/watcher/watcher.ts', '../core/decision/decide.ts'],
  ['src/watcher/watcher.ts', '../rollout/rollout.ts'],
  ['src/wiring/brokers.ts', '../rollout/restart.ts'],
  ['src/wiring/brokers.ts', '../adapters/engine/container.ts'],
  ['src/cli/watch.ts', '../adapters/clock.ts'],
  ['src/cli/run.ts', '../surfaces/log.ts'],
  ['src/cli/watch.ts', '../wiring/brokers.ts'],
  ['src/cli/watch.ts', '../watcher/watcher.ts'],
  ['src/main.ts', './cli/run.ts'],
];

const ENVIRONMENT_READERS = [
  'src/core/decision/decide.ts',
  'src/adapters/engine/container.ts',
  'src/adapters/tls-probe/connect.ts',
  'src/surfaces/log.ts',
  'src/config/load.ts',
  'src/system/errors.ts',
  'src/cli/run.ts',
  'src/watcher/watcher.ts',
];

const READING = 'export const environment = process.env;';
const TIMING = 'export const timer = setTimeout(() => undefined, ms);';

/** The same arrow drawn in other ways. */
const OTHER_FORMS = [
  "import type { Clock } from '../../adapters/clock.ts';\nexport type A = Clock;",
  "export { systemClock } from '../../adapters/clock.ts';",
  "export type { Clock } from '../../adapters/clock.ts';",
  "export * from '../../adapters/clock.ts';",
  "export const later = import('../../adapters/clock.ts');",
].map((text) => text.split('\n'));

/** Two files that know each other, if only by their types. */
const CYCLE = {
  'src/core/text/one.ts': "import type { Two } from './two.ts';\nexport interface One { readonly two: Two }",
  'src/core/text/two.ts': "import type { One } from './one.ts';\nexport interface Two { readonly one: One }",
};

const CYCLES_RULE = 'lint/suspicious/noImportCycles';

/** Rules broken, by `file: line of its text`; cycles by themselves, because the small sources here are full of them. */
let broken: ReadonlyMap<string, readonly string[]>;
let inCycles: readonly string[];

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'architecture-'));
  const found = await lint(directory, sources());
  broken = new Map(
    [...found].flatMap(([place, rules]) => {
      const others = rules.filter((rule) => rule !== CYCLES_RULE);
      return others.length === 0 ? [] : [[place, others] as const];
    }),
  );
  inCycles = [...found].flatMap(([place, rules]) => (rules.includes(CYCLES_RULE) ? [place] : []));
  await rm(directory, { recursive: true });
});

/** One small source for each file that is spoken of, with a line for each thing that it is tried with. */
function sources(): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, string[]>();
  const add = (file: string, line: string) => lines.set(file, [...(lines.get(file) ?? []), line]);
  for (const [file, target] of [...FORBIDDEN, ...ALLOWED]) add(file, importing(target));
  for (const line of OTHER_FORMS.flat()) add('src/core/model/forms.ts', line);
  for (const [file, text] of Object.entries(CYCLE)) for (const line of text.split('\n')) add(file, line);
  for (const file of [...ENVIRONMENT_READERS, 'src/main.ts']) add(file, READING);
  for (const file of [...ENVIRONMENT_READERS, 'src/system/timer.ts']) add(file, TIMING);
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
    expect(broken.get(`src/core/model/forms.ts: ${line}`)).toEqual(['lint/style/noRestrictedImports']);
  });

  it.each(ALLOWED)('lets %s import %s', (file, target) => {
    expect(broken.get(`${file}: ${importing(target)}`)).toBeUndefined();
  });

  it('forbids two files to import each other, types included', () => {
    const places = Object.entries(CYCLE).map(([file, text]) => `${file}: ${text.split('\n')[0]}`);
    expect(inCycles).toEqual(expect.arrayContaining(places));
  });

  it.each(ENVIRONMENT_READERS)('forbids %s to read the environment', (file) => {
    expect(broken.get(`${file}: ${READING}`)).toEqual(['lint/style/noProcessEnv']);
  });

  it.each(ENVIRONMENT_READERS)('forbids %s to start a timer that might be too long', (file) => {
    expect(broken.get(`${file}: ${TIMING}`)).toEqual(['lint/style/noRestrictedGlobals']);
  });

  it('lets one function start timers', () => {
    expect(broken.get(`src/system/timer.ts: ${TIMING}`)).toBeUndefined();
  });

  it('lets the process boundary read the environment', () => {
    expect(broken.get(`src/main.ts: ${READING}`)).toBeUndefined();
  });
});

describe('the sources', () => {
  it('are main.ts and folders', async () => {
    const entries = await readdir(join(ROOT, 'src'), { withFileTypes: true });
    expect(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)).toEqual(['main.ts']);
  });

  it('have no file of more than 300 lines', async () => {
    const names = await readdir(join(ROOT, 'src'), { recursive: true });
    const lengths = await Promise.all(
      names.filter((name) => name.endsWith('.ts')).map(async (name) => [name, await lengthOf(name)] as const),
    );
    expect(lengths.length).toBeGreaterThan(100);
    expect(lengths.filter(([, length]) => length > 300)).toEqual([]);
  });
});

async function lengthOf(name: string): Promise<number> {
  const text = await readFile(join(ROOT, 'src', name), 'utf8');
  return text.split('\n').length - 1;
}
