/** Debian packages of another architecture, without touching what is installed here. */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import { CACHE } from './paths.ts';
import type { Target } from './target.ts';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
}

export interface Unpacked {
  /** the root of what was in the packages */
  readonly directory: string;
  readonly packages: readonly DebianPackage[];
}

const FIELDS = `$\{Package} $\{Version}\n`;

/** What is installed here under these names; rejects where one is not, or where dpkg is not at home. */
export async function installedPackages(target: Target, names: readonly string[]): Promise<DebianPackage[]> {
  const wanted = names.map((name) => `${name}:${target.arch}`);
  return packagesIn(await command('dpkg-query', ['--show', '--showformat', FIELDS, ...wanted]));
}

/** `debian-12` for a machine with Debian 12: the name by which vulnerability scanners know it. */
export async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8');
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? 'unknown';
  return `${field('ID')}-${field('VERSION_ID')}`;
}

/**
 * Downloads packages with a package list of our own, from the sources of this machine and checked with its keys,
 * and unpacks them. So they are as recent as those of this machine are: the
 * packages for cross-compilers would do as well, but get no security updates.
 */
export async function unpackDebian(target: Target, names: readonly string[]): Promise<Unpacked> {
  const state = join(CACHE, `debian-${target.arch}`);
  const archives = join(state, 'archives');
  const files = join(state, 'files');
  for (const directory of [archives, files]) await rm(directory, { recursive: true, force: true });
  for (const directory of [archives, files, join(state, 'lists', 'partial'), join(state, 'cache')])
    await mkdir(directory, { recursive: true });
  const options = [
    `Dir::State=${state}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${join(state, 'cache')}`,
    `APT::Architecture=${target.arch}`,
    `APT::Architectures=${target.arch}`,
    // the directory is ours alone, also where we are root
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Debug::NoLocking=true',
  ].flatMap((option) => ['-o', option]);
  await command('apt-get', [...options, '-qq', 'update']);
  await command('apt-get', [...options, '-qq', 'download', ...names], { cwd: archives });
  const packages: DebianPackage[] = [];
  for (const name of (await readdir(archives)).toSorted()) {
    const archive = join(archives, name);
    await command('dpkg-deb', ['-x', archive, files]);
    packages.push(...packagesIn(await command('dpkg-deb', ['--show', `--showformat=${FIELDS}`, archive])));
  }
  return { directory: files, packages };
}

function packagesIn(lines: string): DebianPackage[] {
  const words = lines.trim().split('\n');
  return words.map((line) => {
    const [name = '', version = ''] = line.split(' ');
    return { name, version };
  });
}
