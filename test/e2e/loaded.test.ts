/** What a watcher loads of its own code, and that a setting which is off costs nothing. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect } from 'vitest';
import { PROGRAM } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { type Bundle, bundle, MAIN, WATCH_SCRIPT } from '../../scripts/shipping/bundle.ts';
import { ROOT } from '../../scripts/shipping/paths.ts';
import { makeSet, SHORT, type Stage, test } from '../support/stage.ts';

/** Told to the runtime before the program: writes down every file that is loaded. */
const RECORDER = `
  import { appendFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  registerHooks({ load(url, context, next) { appendFileSync(process.env.LOADED, url + '\\n'); return next(url, context); } });
`;

let made: Bundle;

beforeAll(async () => {
  made = await bundle({ version: '0.0.0', commit: undefined, epochS: 0, source: undefined });
});

/** The modules of src/ that a watcher with these settings has loaded when `isThere` says so. */
async function loadedBy(
  stage: Stage,
  settings: Readonly<Record<string, string>>,
  isThere: (path: string) => Promise<boolean>,
): Promise<string[]> {
  await stage.certs.install(await makeSet());
  const [recorder, list] = [join(stage.directory, 'recorder.mjs'), join(stage.directory, 'loaded')];
  await writeFile(recorder, RECORDER);
  const daemon = stage.daemon(
    { ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: '/nowhere.sock', LOADED: list, ...settings },
    { program: { node: PROGRAM.node, main: `--import=${recorder}` }, args: [PROGRAM.main] },
  );
  await daemon.says('restart_failed');
  await until('what it serves', () => isThere(list));
  const urls = (await readFile(list, 'utf8')).trim().split('\n');
  const sources = new URL(`file://${ROOT}/src/`).href;
  return urls.filter((url) => url.startsWith(sources)).map((url) => `src/${url.slice(sources.length)}`);
}

/** The modules of main script and watch, of the chunk that reads command line and settings, and of those that it shares. */
function ofEvery(): readonly string[] {
  const invocation = './cli-invocation.js';
  const code = Buffer.from(made.chunks.get(invocation) ?? '').toString('utf8');
  const shared = [...code.matchAll(/\brequire\("(\.[^"]*)"\)/g)].map(([, name = '']) => name);
  return [MAIN, WATCH_SCRIPT, invocation, ...shared].flatMap((name) => made.modules.get(name) ?? []);
}

const nothingMore = async () => true;

describe('a watcher', () => {
  test('with no more settings than it must have loads what watches and what reads them', async ({
    stage,
  }) => {
    const every = new Set(ofEvery());
    const more = (await loadedBy(stage, {}, nothingMore)).filter((module) => !every.has(module));
    expect(more).toEqual([]);
  });

  test('with metrics loads no page before somebody looks at it', async ({ stage }) => {
    const port = await closedPort();
    const settings = { ENABLE_METRICS: 'true', METRICS_HOST: '127.0.0.1', METRICS_PORT: String(port) };
    const scraped = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).ok;
    const modules = await loadedBy(stage, settings, scraped);
    expect(modules).toContain('src/surfaces/web/metrics.ts');
    expect(modules.filter((module) => /\/web\/(?:page|guard)\/|status-json/.test(module))).toEqual([]);
  });
});
