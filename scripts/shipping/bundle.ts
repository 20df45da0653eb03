/**
 * The program as the runtime runs it without looking for anything beside it: a main script, and others, which are loaded
 * when they are used. V8 keeps all of a script in memory, also of what is never called.
 */

import { type BuildOptions, build, type Plugin, transform } from 'esbuild';
import {
  chunkNameOf,
  chunksApart,
  entryWith,
  isOwn,
  type SharedNames,
  sharedNamesIn,
  sharedWith,
} from './chunks.ts';
import type { Identity } from './identity.ts';
import { onlyWhatIsUsed } from './parts.ts';
import { ROOT } from './paths.ts';

export interface Bundle {
  /** the main script, CommonJS */
  readonly code: Uint8Array;
  /** the others, CommonJS too, by the name that is asked for: `./cli-check.js` */
  readonly chunks: ReadonlyMap<string, Uint8Array>;
  /** the modules of each script, by its name: paths below the repository's root; of the main script by {@link MAIN} */
  readonly modules: ReadonlyMap<string, readonly string[]>;
  /** where the npm packages in it are installed: `node_modules/valibot` */
  readonly packages: readonly string[];
}

/** What the program begins with. */
export const MAIN = 'src/main.ts';
const LOADER = 'scripts/shipping/chunk-loader.ts';

/** What watches: most of the program, and one script, because nearly all of it is needed together. */
const WATCH = 'src/cli/watch.ts';
export const WATCH_SCRIPT = scriptOf(WATCH);

/** What has to know nothing of the watch: what comes before it, and a command that a supervisor gives every minute. */
const BEFORE_THE_WATCH = ['src/cli/invocation.ts', 'src/cli/healthcheck.ts'];

/** Chunks of which nothing is used twice. */
const ONCE = ['src/cli/invocation.ts'].map(scriptOf);

/** White space goes, because V8 keeps the source; names stay, so that a stack trace in a bug report can be read. */
const STYLE = {
  platform: 'node',
  target: 'node24',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  supported: {
    // else a literal with \p{…} becomes a call of RegExp, made at the start, also for a table that nobody uses
    'regexp-unicode-property-escapes': true,
    // import() becomes require(), which knows the chunks
    'dynamic-import': false,
  },
} as const satisfies BuildOptions;

/** Bundles src/main.ts. CommonJS, because an ES module as main costs 30 ms and 3 MB. */
export async function bundle(identity: Identity): Promise<Bundle> {
  const options = optionsFor(identity);
  const division = await divide(options);
  const { main, watch } = division;
  const chunks = await bundleChunks(options, division);
  const asked = sharedNamesIn(chunks.texts);
  const isMain = (place: number) => place < main.length;
  const watching = await build({
    ...options,
    stdin: {
      contents: entryWith(
        WATCH,
        [...main, ...watch],
        only(asked, (place) => !isMain(place)),
      ),
      resolveDir: ROOT,
    },
    format: 'cjs',
    plugins: [chunksApart(watch, () => undefined), await sharedWith(main), ...options.plugins],
  });
  const watchScript = onlyFileOf(watching.outputFiles);
  const texts = [...chunks.texts, Buffer.from(watchScript).toString('utf8')];
  const starting = await build({
    ...options,
    stdin: { contents: entryWith(MAIN, main, only(sharedNamesIn(texts), isMain)), resolveDir: ROOT },
    format: 'cjs',
    banner: { js: await loader(main.length) },
    plugins: [chunksApart(main, () => undefined), ...options.plugins],
  });
  const all = new Map([[MAIN, main], [WATCH_SCRIPT, watch], ...chunks.modules]);
  return {
    code: onlyFileOf(starting.outputFiles),
    chunks: new Map([[WATCH_SCRIPT, watchScript], ...chunks.files]),
    modules: all,
    packages: packagesOf([...all.values()].flat()),
  };
}

/** Those of the names that are of modules at such places. */
function only(names: SharedNames, isOne: (place: number) => boolean): SharedNames {
  return new Map([...names].filter(([place]) => isOne(place)));
}

type Options = ReturnType<typeof optionsFor>;

function optionsFor({ version, commit }: Identity) {
  return {
    ...STYLE,
    absWorkingDir: ROOT,
    outdir: 'out',
    write: false,
    bundle: true,
    metafile: true,
    logLevel: 'silent',
    define: { BUILD_COMMIT: JSON.stringify(commit ?? '') },
    plugins: [onlyWhatIsUsed, onlyTheVersion(version)],
  } as const satisfies BuildOptions;
}

/** Of package.json only the version: the rest would change the executable with every script renamed. */
function onlyTheVersion(version: string): Plugin {
  return {
    name: 'version',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\/package\.json$/ }, ({ path }) =>
        path === `${ROOT}/package.json`
          ? { contents: JSON.stringify({ version }), loader: 'json' }
          : undefined,
      );
    },
  };
}

/** What is in which script. */
interface Division {
  /** modules of the main script */
  readonly main: readonly string[];
  /** modules of the script that watches */
  readonly watch: readonly string[];
  /** what a chunk begins with: modules that are imported when they are needed */
  readonly apart: readonly string[];
}

/**
 * The main script has all that src/main.ts imports at once, and what is needed before there is anything to watch; the one
 * that watches has the rest of what src/cli/watch.ts imports.
 */
async function divide(options: Options): Promise<Division> {
  const apart = new Set<string>();
  const importsOf = async (...entryPoints: string[]) => {
    const plugins = [chunksApart([], (module) => apart.add(module)), ...options.plugins];
    const { metafile } = await build({ ...options, entryPoints, format: 'cjs', plugins });
    return Object.keys(metafile.inputs);
  };
  const [first, watching, before] = await Promise.all([
    importsOf(MAIN),
    importsOf(WATCH),
    importsOf(...BEFORE_THE_WATCH),
  ]);
  const main = new Set([...first, ...watching.filter((module) => before.includes(module))]);
  const watch = new Set(watching.filter((module) => !main.has(module)));
  return {
    main: [...main].toSorted(),
    watch: [...watch].toSorted(),
    apart: [...apart].filter((module) => !main.has(module) && !watch.has(module)).toSorted(),
  };
}

/** The chunks: one for each module that is apart, and others for what several of them import. */
async function bundleChunks(options: Options, { main, watch, apart }: Division) {
  const { outputFiles, metafile } = await build({
    ...options,
    // becomes require() only below: esbuild can divide nothing but ES modules
    supported: { ...STYLE.supported, 'dynamic-import': true },
    entryPoints: Object.fromEntries(apart.map((module) => [chunkNameOf(module), module])),
    chunkNames: '[name]-[hash]',
    splitting: true,
    format: 'esm',
    plugins: [await sharedWith([...main, ...watch]), ...options.plugins],
  });
  const files = new Map<string, Uint8Array>();
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, { ...STYLE, format: 'cjs' });
    files.set(nameIn(path), Buffer.from(`"use strict";${code}`));
  }
  const own = Object.entries(metafile.outputs).map(
    ([path, { inputs }]) => [nameIn(path), Object.keys(inputs).filter(isOwn).toSorted()] as const,
  );
  return { files, modules: own, texts: outputFiles.map(({ text }) => text) };
}

/** `src/cli/check.ts` → `./cli-check.js`, as it is asked for. */
function scriptOf(module: string): string {
  return `./${chunkNameOf(module)}.js`;
}

/** `/…/out/cli-check.js` → `./cli-check.js`. */
function nameIn(path: string): string {
  return `./${path.slice(path.lastIndexOf('/') + 1)}`;
}

/** The first lines of the main script, which has so many modules: from there on, `require` knows the other scripts. */
async function loader(modules: number): Promise<string> {
  const { outputFiles } = await build({
    ...STYLE,
    absWorkingDir: ROOT,
    entryPoints: [LOADER],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'loader',
  });
  const shared = `(place,name)=>(place<${modules}?module.exports:require("${WATCH_SCRIPT}")).shared(place,name)`;
  const code = Buffer.from(onlyFileOf(outputFiles)).toString('utf8').trim();
  return `${code}require=loader.createRequire(require,${shared},${JSON.stringify(ONCE)});`;
}

function onlyFileOf([file]: readonly { readonly contents: Uint8Array }[]): Uint8Array {
  if (file === undefined) throw new Error('esbuild made no file');
  return file.contents;
}

/** `node_modules/valibot/dist/index.mjs` → `node_modules/valibot`, each once. */
function packagesOf(modules: readonly string[]): string[] {
  const directories = modules.flatMap(
    (module) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0] ?? [],
  );
  return [...new Set(directories)].toSorted();
}
