/** A script as one file, for tests that start it hundreds of times: most of a start from the sources is finding and loading them. */

import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const DIRECTORY = fileURLToPath(new URL('../../node_modules/.cache/bundles', import.meta.url));

/** Bundles the script; resolves with the file, whose name tells its content: test files that run side by side may share it. */
export async function bundled(script: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [script],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const [{ contents } = { contents: new Uint8Array() }] = outputFiles;
  const file = join(DIRECTORY, `${createHash('sha256').update(contents).digest('hex')}.mjs`);
  const draft = `${file}.${process.pid}`;
  await mkdir(DIRECTORY, { recursive: true });
  await writeFile(draft, contents);
  await rename(draft, file);
  return file;
}
