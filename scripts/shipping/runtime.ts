/** The pinned Node.js of either machine: what npm installed, or the lockfile's package, downloaded and verified. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { command } from './command.ts';
import { type Pin, pinOf, readLockfile } from './lockfile.ts';
import { CACHE, MODULES, ROOT } from './paths.ts';
import { hostTarget, type Target } from './target.ts';

export interface Runtime {
  readonly version: string;
  /** directory of the npm package: `bin/node`, `LICENSE` */
  readonly directory: string;
  readonly node: string;
}

/** The runtime that executables of this target carry. */
export async function runtimeFor(target: Target): Promise<Runtime> {
  const pin = pinOf(await readLockfile(), `node_modules/${target.runtimePackage}`);
  const installed = join(MODULES, target.runtimePackage);
  const directory = existsSync(installed) ? installed : await download(target.runtimePackage, pin);
  return { version: pin.version, directory, node: join(directory, 'bin', 'node') };
}

/** The runtime that runs here. It makes the blobs of both targets, whatever Node.js runs this script. */
export async function hostRuntime(): Promise<Runtime> {
  return runtimeFor(hostTarget());
}

/** What the runtimes are made of, by their own account: Node.js, OpenSSL, V8 … The same for both machines. */
export async function runtimeVersions(): Promise<Readonly<Record<string, string>>> {
  const { node } = await hostRuntime();
  const text = await command(node, ['--print', 'JSON.stringify(process.versions)']);
  return v.parse(v.record(v.string(), v.string()), JSON.parse(text));
}

/** npm installs only the package that fits the machine, so the other one is asked for by name and version. */
async function download(name: string, { version, integrity }: Pin): Promise<string> {
  const archive = join(CACHE, `${name}-${version}.tgz`);
  if (!existsSync(archive)) await pack(`${name}@${version}`, archive);
  const digest = `sha512-${createHash('sha512')
    .update(await readFile(archive))
    .digest('base64')}`;
  if (digest !== integrity) {
    await rm(archive);
    throw new Error(`${name} ${version} is not what package-lock.json pins: ${digest}, not ${integrity}`);
  }
  const directory = join(CACHE, `${name}-${version}`);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  await command('tar', ['-xzf', archive, '-C', directory, '--strip-components=1', '--no-same-owner']);
  return directory;
}

async function pack(specifier: string, archive: string): Promise<void> {
  const directory = `${archive}.new`;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const args = ['pack', specifier, '--loglevel=error', '--ignore-scripts', '--pack-destination', directory];
  const name = (await command('npm', args, { cwd: ROOT })).trim();
  await rename(join(directory, name), archive);
  await rm(directory, { recursive: true });
}
