/** What npm's lockfile pins. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { ROOT } from './paths.ts';

const PACKAGE = v.object({
  version: v.optional(v.string()),
  /** of an npm package that came from a registry: `sha512-` and base64 */
  integrity: v.optional(v.pipe(v.string(), v.startsWith('sha512-'))),
  license: v.optional(v.string()),
  dependencies: v.optional(v.record(v.string(), v.string()), {}),
});

const LOCKFILE = v.object({ packages: v.record(v.string(), PACKAGE) });

export type LockedPackage = v.InferOutput<typeof PACKAGE>;
/** By where it is installed: `node_modules/valibot`; our own is at ``. */
export type Lockfile = Readonly<Record<string, LockedPackage>>;

/** Reads package-lock.json. */
export async function readLockfile(): Promise<Lockfile> {
  const text = await readFile(join(ROOT, 'package-lock.json'), 'utf8');
  return v.parse(LOCKFILE, JSON.parse(text)).packages;
}

export interface Pin {
  readonly version: string;
  readonly integrity: string;
}

/** The version and integrity of what is installed there; throws if that is not pinned. */
export function pinOf(lockfile: Lockfile, path: string): Pin {
  const { version, integrity } = lockfile[path] ?? {};
  if (version === undefined || integrity === undefined)
    throw new Error(`package-lock.json does not pin ${path}`);
  return { version, integrity };
}
