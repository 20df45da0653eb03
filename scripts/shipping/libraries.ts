/** The shared libraries that the runtime is linked with: all that an image needs beside the executable. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type DebianPackage, installedPackages, type Unpacked, unpackDebian } from './debian.ts';
import { isHost, type Target } from './target.ts';

/** glibc has its resolvers for /etc/hosts and DNS built in since 2.34. */
const NAMES = [
  'libc.so.6',
  'libm.so.6',
  'libdl.so.2',
  'libpthread.so.0',
  'libstdc++.so.6',
  'libgcc_s.so.1',
] as const;

const PACKAGES = ['libc6', 'libstdc++6', 'libgcc-s1'] as const;

export interface Library {
  readonly source: string;
  /** where the dynamic linker looks for it */
  readonly path: string;
}

let unpacked: Promise<Unpacked> | undefined;

/** Those of the machine that this one is not. They are downloaded once. */
function unpackedFor(target: Target): Promise<Unpacked> {
  unpacked ??= unpackDebian(target, PACKAGES);
  return unpacked;
}

/** The Debian packages that the libraries of an image come out of: this machine's own, or those of the other one. */
export async function packagesFor(target: Target): Promise<readonly DebianPackage[]> {
  return isHost(target) ? installedPackages(target, PACKAGES) : (await unpackedFor(target)).packages;
}

/** The dynamic linker and the libraries out of {@link packagesFor}. */
export async function librariesFor(target: Target): Promise<readonly Library[]> {
  const root = isHost(target) ? '/' : (await unpackedFor(target)).directory;
  const places = [join('lib', target.gnu), join('usr', 'lib', target.gnu)];

  function find(name: string): string {
    const candidates = places.map((place) => join(root, place, name));
    const source = candidates.find(existsSync);
    if (source === undefined) throw new Error(`${name} is not there: looked for ${candidates.join(', ')}`);
    return source;
  }

  const loader = target.loader.slice(target.loader.lastIndexOf('/') + 1);
  return [
    { source: find(loader), path: target.loader },
    ...NAMES.map((name) => ({ source: find(name), path: join('/lib', target.gnu, name) })),
  ];
}
