/** Debian packages of another architecture, without touching what is installed here. */

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import { CACHE } from './paths.ts';
import type { Target } from './target.ts';

/**
 * Downloads packages with a package list of our own, from the sources of this machine and checked with its keys,
 * and unpacks them; resolves with the directory. So they are as recent as those of this machine are: the
 * packages for cross-compilers would do as well, but get no security updates.
 */
export async function unpackDebian(target: Target, packages: readonly string[]): Promise<string> {
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
  await command('apt-get', [...options, '-qq', 'download', ...packages], { cwd: archives });
  for (const name of await readdir(archives)) {
    await command('dpkg-deb', ['-x', join(archives, name), files]);
  }
  return files;
}
