/**
 * The program as the runtime runs it without looking for anything beside it: a main script, and chunks, which are loaded
 * when they are used. V8 keeps all of a script in memory, also of what is never called.
 */

import { type BuildOptions, build, type Plugin, transform } from 'esbuild';
import { chunkNameOf, chunksApart, entryWith, isOwn, sharedNamesIn, sharedWithChunks } from './chunks.ts';
import type { Identity } from './identity.ts';
import { onlyWhatIsUsed } from './parts.ts';
import { ROOT } from './paths.ts';

export interface Bundle {
  /** the main script, CommonJS */
  readonly code: Uint8Array;
  /** CommonJS too, by the name that is asked for: `./cli-check.js` */
  readonly chunks: ReadonlyMap<string, Uint8Array>;
  /** the modules of each script, by its name: paths below the repository's root; of the main script by {@link MAIN} */
  readonly modules: ReadonlyMap<string, readonly string[]>;
  /** where the npm packages in it are installed: `node_modules/valibot` */
  readonly packages: readonly string[];
}

/** What the program begins with. */
export const MAIN = 'src/main.ts';
const LOADER = 'scripts/shipping/chunk-loader.ts';

/** Chunks of which nothing is used twice. */
const ONCE = ['src/cli/invocation.ts'].map((module) => `./${chunkNameOf(module)}.js`);

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
  const { modules, apart } = await divide(options);
  const chunks = await bundleChunks(options, modules, apart);
  const main = await build({
    ...options,
    stdin: { contents: entryWith(MAIN, modules, sharedNamesIn(chunks.texts)), resolveDir: ROOT },
    format: 'cjs',
    banner: { js: await loader() },
    plugins: [chunksApart(modules, () => undefined), ...options.plugins],
  });
  const all = new Map([[MAIN, modules], ...chunks.modules]);
  return {
    code: onlyFileOf(main.outputFiles),
    chunks: chunks.files,
    modules: all,
    packages: packagesOf([...all.values()].flat()),
  };
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

/** The modules of the main script: all that src/main.ts imports at once. What it imports when it is needed is apart. */
async function divide(options: Options) {
  const apart = new Set<string>();
  const { metafile } = await build({
    ...options,
    entryPoints: [MAIN],
    format: 'cjs',
    plugins: [chunksApart([], (module) => apart.add(module)), ...options.plugins],
  });
  const modules = Object.keys(metafile.inputs).toSorted();
  return { modules, apart: [...apart].filter((module) => !modules.includes(module)).toSorted() };
}

/** The chunks: one for each module that is apart, and others for what several of them import. */
async function bundleChunks(options: Options, modules: readonly string[], apart: readonly string[]) {
  const { outputFiles, metafile } = await build({
    ...options,
    // becomes require() only below: esbuild can divide nothing but ES modules
    supported: { ...STYLE.supported, 'dynamic-import': true },
    entryPoints: Object.fromEntries(apart.map((module) => [chunkNameOf(module), module])),
    chunkNames: '[name]-[hash]',
    splitting: true,
    format: 'esm',
    plugins: [await sharedWithChunks(modules), ...options.plugins],
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

/** `/…/out/cli-check.js` → `./cli-check.js`, as it is asked for. */
function nameIn(path: string): string {
  return `./${path.slice(path.lastIndexOf('/') + 1)}`;
}

/** The first lines of the main script: from there on, `require` knows the chunks. */
async function loader(): Promise<string> {
  const { outputFiles } = await build({
    ...STYLE,
    absWorkingDir: ROOT,
    entryPoints: [LOADER],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'loader',
  });
  const shared = '(place,name)=>module.exports.shared(place,name)';
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
