/** A copy of the program, with its Node.js, where every user may run it: the working tree may be private. */

import { chmod, copyFile, cp, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { removeTree } from '../../lab/remove-tree.ts';

export interface ProgramCopy {
  readonly node: string;
  readonly main: string;
  remove(): Promise<void>;
}

const PACKAGE = v.object({ dependencies: v.optional(v.record(v.string(), v.string()), {}) });
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** Copies the sources, what they import at run time and the Node.js that runs this test. */
export async function copyProgram(): Promise<ProgramCopy> {
  const directory = await mkdtemp(join(tmpdir(), 'cert-watcher-program-'));
  await chmod(directory, 0o755);
  await cp(join(REPOSITORY, 'src'), join(directory, 'src'), { recursive: true });
  await copyFile(join(REPOSITORY, 'package.json'), join(directory, 'package.json'));
  await mkdir(join(directory, 'node_modules'));
  await copyDependencies(REPOSITORY, directory, new Set());
  const node = join(directory, 'node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  return {
    node,
    main: join(directory, 'src/main.ts'),
    remove: () => removeTree(directory),
  };
}

async function copyDependencies(from: string, to: string, copied: Set<string>): Promise<void> {
  const manifest = v.parse(PACKAGE, JSON.parse(await readFile(join(from, 'package.json'), 'utf8')));
  for (const name of Object.keys(manifest.dependencies)) {
    if (copied.has(name)) continue;
    copied.add(name);
    const source = join(REPOSITORY, 'node_modules', name);
    await cp(source, join(to, 'node_modules', name), { recursive: true });
    await copyDependencies(source, to, copied);
  }
}
