/** The executables as they lie in dist/. */

import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from './bundle.ts';
import { makeExecutable } from './executable.ts';
import { setSituation } from './file-facts.ts';
import type { Identity } from './identity.ts';
import { DIST, PROGRAM } from './paths.ts';
import { hostTarget, type Target } from './target.ts';
import { tell } from './tell.ts';

/** Makes `dist/mosquitto-cert-watcher-<target>` and says what it is. */
export async function buildProgram(target: Target, identity: Identity): Promise<string> {
  const file = join(DIST, `${PROGRAM}-${target.name}`);
  await makeExecutable({ target, bundle: await bundle(identity), file });
  tell(await setSituation(file));
  return file;
}

/** Makes `dist/mosquitto-cert-watcher` for the machine at hand. */
export async function buildHostProgram(identity: Identity): Promise<string> {
  const file = join(DIST, PROGRAM);
  // by a rename: the old one may be running
  await copyFile(await buildProgram(hostTarget(), identity), `${file}.new`);
  await rename(`${file}.new`, file);
  tell(await setSituation(file));
  return file;
}
