/** The licences of everything that is inside an executable. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Bundle } from './bundle.ts';
import { ROOT } from './paths.ts';
import type { Runtime } from './runtime.ts';

const MANIFEST = v.object({
  name: v.string(),
  version: v.string(),
  license: v.optional(v.string(), 'unknown'),
});
const LICENCE = /^(licen[cs]e|copying|notice)/i;
const RULE = '='.repeat(100);

/** One text: each bundled package with its licence, then the runtime's, which names all that Node.js contains. */
export async function noticesFor({ packages }: Bundle, runtime: Runtime): Promise<string> {
  const own = await readFile(join(ROOT, 'LICENSE'), 'utf8');
  const bundled = await Promise.all(packages.map(noticeOf));
  const node = await readFile(join(runtime.directory, 'LICENSE'), 'utf8');
  return [
    `mosquitto-cert-watcher\n\n${own}`,
    ...bundled,
    `Node.js ${runtime.version}, with everything that it contains\n\n${node}`,
    'The container image also holds the GNU C library (LGPL-2.1-or-later), libstdc++ and libgcc (GPL-3.0-or-later\n' +
      'with the GCC Runtime Library Exception), unchanged, out of the Debian packages libc6, libstdc++6 and libgcc-s1.\n',
  ].join(`\n${RULE}\n`);
}

async function noticeOf(directory: string): Promise<string> {
  const path = join(ROOT, directory);
  const manifest = v.parse(MANIFEST, JSON.parse(await readFile(join(path, 'package.json'), 'utf8')));
  const names = (await readdir(path)).filter((name) => LICENCE.test(name)).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(path, name), 'utf8')));
  const title = `${manifest.name} ${manifest.version} (${manifest.license})`;
  return `${title}\n\n${texts.join('\n')}`;
}
