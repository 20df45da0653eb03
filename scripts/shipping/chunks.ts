/** What divides the program into a main script and chunks, so that no module is in two of them. */

import { join, relative } from 'node:path';
import { build, type OnResolveArgs, type Plugin } from 'esbuild';
import { ROOT } from './paths.ts';

/** The modules of the main script: paths below the repository's root, as in a metafile. */
export type MainModules = readonly string[];

/** What modules of the main script, by their places in {@link MainModules}, are asked for by chunks. */
export type SharedNames = ReadonlyMap<number, ReadonlySet<string>>;

/** `src/cli/check.ts` → `cli-check`: all chunks lie in one directory. */
export function chunkNameOf(module: string): string {
  return relative('src', module).replace(/\.ts$/, '').replaceAll('/', '-');
}

/** Leaves out whatever is imported when it is needed, unless the main script has it anyway; `onChunk` hears of each. */
export function chunksApart(modules: MainModules, onChunk: (module: string) => void): Plugin {
  return {
    name: 'chunks apart',
    setup({ onResolve }) {
      onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
        const module = relative(ROOT, join(resolveDir, path));
        if (kind !== 'dynamic-import' || modules.includes(module)) return undefined;
        onChunk(module);
        return { path: `./${chunkNameOf(module)}.js`, external: true };
      });
    },
  };
}

const NAMESPACE = 'main';

/** Whether a module of a chunk, as a metafile names it, is its own, and none that stands for one of the main script. */
export function isOwn(module: string): boolean {
  return !module.startsWith(`${NAMESPACE}:`);
}

/** The plugin's own question, which it does not answer. */
const ASKED = Symbol('asked');

/**
 * Gives chunks what the main script has: in the place of each of its modules stands one that asks for every name with a
 * call, `shared(12,"printable")`. Those of names that are not used are dropped like any other value.
 */
export async function sharedWithChunks(modules: MainModules): Promise<Plugin> {
  const names = await exportsOf(modules);
  return {
    name: 'shared with chunks',
    setup(bundler) {
      bundler.onResolve({ filter: /./ }, async (args) => {
        if (args.pluginData === ASKED || args.kind === 'entry-point') return undefined;
        const found = await bundler.resolve(args.path, { ...questionOf(args), pluginData: ASKED });
        const path =
          found.namespace === 'file' ? relative(ROOT, found.path) : `${found.namespace}:${found.path}`;
        if (!modules.includes(path)) return found.errors.length > 0 ? undefined : found;
        // one for each that imports it: else it would be a chunk of its own
        return { path, namespace: NAMESPACE, suffix: `?${args.importer}`, sideEffects: false };
      });
      bundler.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => {
        const ask = (name: string) =>
          `const ${name}_=/* @__PURE__ */shared(${modules.indexOf(path)},"${name}");export{${name}_ as ${name}};`;
        return { contents: (names.get(path) ?? []).map(ask).join('') };
      });
    },
  };
}

function questionOf({ importer, namespace, resolveDir, kind }: OnResolveArgs) {
  return { importer, namespace, resolveDir, kind };
}

/** The names that modules export, of those that are ES modules. */
async function exportsOf(modules: MainModules): Promise<ReadonlyMap<string, readonly string[]>> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: modules.filter((module) => /\.m?ts$|\.mjs$/.test(module)),
    outdir: 'out',
    write: false,
    format: 'esm',
    metafile: true,
    logLevel: 'silent',
  });
  return new Map(
    Object.values(metafile.outputs).map(({ entryPoint = '', exports }) => [entryPoint, exports] as const),
  );
}

/** What the code of chunks asks the main script for. */
export function sharedNamesIn(chunks: readonly string[]): SharedNames {
  const shared = new Map<number, Set<string>>();
  for (const code of chunks) {
    for (const [, place, name = ''] of code.matchAll(/\bshared\((\d+),"([^"]+)"\)/g)) {
      const names = shared.get(Number(place)) ?? new Set();
      shared.set(Number(place), names.add(name));
    }
  }
  return shared;
}

/** The main script's first module: it runs `entry`, and exports `shared`, which answers chunks. */
export function entryWith(entry: string, modules: MainModules, names: SharedNames): string {
  const shared = [...names]
    .toSorted(([a], [b]) => a - b)
    .map(([place, set]) => [place, [...set].toSorted()] as const);
  const imports = shared.map(
    ([place, set]) =>
      `import {${set.map((name) => `${name} as ${name}_${place}`).join()}} from './${modules[place]}';`,
  );
  const cases = shared.map(
    ([place, set]) => `case ${place}: return {${set.map((name) => `${name}: ${name}_${place}`).join()}};`,
  );
  return [
    `import './${entry}';`,
    ...imports,
    'export const shared = (place, name) => valuesOf(place)[name];',
    `function valuesOf(place) { switch (place) { ${cases.join('\n')} } }`,
  ].join('\n');
}
