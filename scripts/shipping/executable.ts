/** One self-contained executable: the pinned runtime with the bundle inside (a Node.js single executable application). */

import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bundle } from './bundle.ts';
import { command } from './command.ts';
import { withoutForeignEnvironment } from './environment.ts';
import { DIST, MODULES } from './paths.ts';
import { hostRuntime, runtimeFor } from './runtime.ts';
import { withoutSymbols } from './strip.ts';
import type { Target } from './target.ts';

/** Baked in; docs/decisions/0009-one-executable.md says what each brings. */
export const FLAGS = [
  '--max-semi-space-size=1',
  '--optimize-for-size',
  '--v8-pool-size=0',
  // no machine code is made, so no page has to be writable or executable in turn: MemoryDenyWriteExecute= in the unit
  '--lite-mode',
  '--single-threaded-gc',
  // new objects are collected when they fill a fifth of their megabyte: what has never been touched costs nothing
  '--minor-gc-task-trigger=20',
  // what has not run between two large collections is compiled again when it runs: so the code of the start is collected
  // (src/system/process/compiled-code.ts keeps what is compiled later)
  '--bytecode-old-age=1',
  // V8 itself makes two of these when there is less to do, some seconds after the start; with a third less is left of it
  '--memory-reducer-gc-count=3',
  // else SIGUSR1 opens the inspector
  '--disable-sigusr1',
] as const;

export interface ExecutableOptions {
  readonly target: Target;
  readonly bundle: Pick<Bundle, 'code' | 'chunks'>;
  readonly file: string;
  /** for measurements; {@link FLAGS} unless told */
  readonly flags?: readonly string[];
  /** for measurements; true unless told */
  readonly isStripped?: boolean;
}

/** The name that postject's documentation and the runtime agree on. */
const RESOURCE = 'NODE_SEA_BLOB';
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** Makes the executable. It appears under its name only when it is whole. */
export async function makeExecutable(options: ExecutableOptions): Promise<void> {
  const { target, file, isStripped = true } = options;
  await mkdir(DIST, { recursive: true });
  await mkdir(dirname(file), { recursive: true });
  const workshop = await mkdtemp(join(DIST, '.build-'));
  try {
    const program = join(workshop, 'program');
    const runtime = await readFile((await runtimeFor(target)).node);
    await writeFile(program, withoutForeignEnvironment(isStripped ? withoutSymbols(runtime) : runtime));
    await inject(program, await makeBlob(workshop, options));
    await chmod(program, 0o755);
    await rename(program, file);
  } finally {
    await rm(workshop, { recursive: true });
  }
}

/** Without a code cache and a snapshot the blob is the same for every machine and in every build. */
async function makeBlob(workshop: string, { bundle, flags = FLAGS }: ExecutableOptions): Promise<string> {
  // relative names: the blob holds the name of its main file, and that must not be different everywhere
  const settings = {
    main: 'main.cjs',
    output: 'blob',
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
    execArgv: flags,
    // else a flag of the command line is taken for one of the runtime's
    execArgvExtension: 'none',
    assets: Object.fromEntries([...bundle.chunks.keys()].map((name) => [name, name])),
  };
  await writeFile(join(workshop, 'main.cjs'), bundle.code);
  for (const [name, code] of bundle.chunks) await writeFile(join(workshop, name), code);
  await writeFile(join(workshop, 'sea.json'), JSON.stringify(settings));
  const { node } = await hostRuntime();
  await command(node, ['--experimental-sea-config', 'sea.json'], { cwd: workshop });
  return join(workshop, 'blob');
}

async function inject(program: string, blob: string): Promise<void> {
  const { node } = await hostRuntime();
  const postject = join(MODULES, 'postject', 'dist', 'cli.js');
  await command(node, [postject, program, RESOURCE, blob, '--sentinel-fuse', FUSE]);
}
