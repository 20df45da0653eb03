/** Runs the scripts that ship the program, as `make` does. */

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isHost, type Target, targetNamed } from '../../scripts/shipping/target.ts';
import type { Need } from './needs.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** The targets whose executables run here; none where executables are not made. */
const here = (['linux-amd64', 'linux-arm64'] as const).map(targetNamed).filter(isHost);

/** A machine of a kind that executables are made for, and made on. */
export const SHIPPING: Need =
  here.length > 0
    ? { ok: true }
    : { ok: false, reason: `executables are not made on ${process.platform}-${process.arch}` };

/** The machine at hand, with {@link SHIPPING}. */
export function thisTarget(): Target {
  const [target] = here;
  if (target === undefined) throw new Error('executables are not made here');
  return target;
}

/** A mirror of Debian's packages that can be reached, with apt's own settings: where the other machine's libraries come from. */
export const DEBIAN_MIRROR: Need = answeringMirror();

function answeringMirror(): Need {
  const format = '$' + '(REPO_URI)dists/$' + '(RELEASE)/InRelease';
  const targets = spawnSync('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    encoding: 'utf8',
  });
  const [index] = (targets.stdout ?? '').split('\n');
  if (targets.status !== 0 || index === undefined || index === '')
    return { ok: false, reason: 'no Debian, or none with sources of packages' };
  const patience = ['-o', 'Acquire::http::Timeout=5', '-o', 'Acquire::Retries=0'];
  const directory = mkdtempSync(join(tmpdir(), 'mirror-'));
  const args = [...patience, 'download-file', index, join(directory, 'InRelease')];
  const { status } = spawnSync('/usr/lib/apt/apt-helper', args);
  rmSync(directory, { recursive: true });
  return status === 0 ? { ok: true } : { ok: false, reason: `no answer from ${new URL(index).host}` };
}

/**
 * Runs `scripts/<name>.ts` and resolves with what it said; rejects if it fails. One at a time for all test files that run
 * side by side: what they make lies in one dist/.
 */
export async function ship(
  name: string,
  args: readonly string[] = [],
  { env = {}, root = REPOSITORY }: { env?: Readonly<Record<string, string>>; root?: string } = {},
): Promise<string> {
  const command = [process.execPath, `scripts/${name}.ts`, ...args];
  const { stdout } = await promisify(execFile)('flock', ['package.json', ...command], {
    cwd: root,
    env: { ...process.env, ...env },
    maxBuffer: 64e6,
  });
  return stdout;
}

/**
 * What the scripts need of the repository, in a new directory. It is below dist/, which git ignores: so it is told
 * the same commit. npm's packages are hard links.
 */
export async function copyOfRepository(): Promise<string> {
  const dist = join(REPOSITORY, 'dist');
  await mkdir(dist, { recursive: true });
  const copy = await mkdtemp(join(dist, '.elsewhere-'));
  const names = ['package.json', 'package-lock.json', 'tsconfig.json', 'LICENSE', 'CHANGELOG.md'];
  for (const name of [...names, 'src', 'scripts', 'deploy']) {
    await cp(join(REPOSITORY, name), join(copy, name), { recursive: true });
  }
  await promisify(execFile)('cp', ['-al', join(REPOSITORY, 'node_modules'), join(copy, 'node_modules')]);
  return copy;
}
