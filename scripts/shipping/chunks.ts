/** What divides the program into scripts, so that no module is in two of them. */

import { join, relative } from 'node:path';
import { build, type OnResolveArgs, type Plugin } from 'esbuild';
import { ROOT } from './paths.ts';

/** Modules that other scripts ask for: paths below the repository's root, as in a metafile. */
export type SharedModules = readonly string[];

/** What modules, by their places in {@link SharedModules}, are asked for. */
export type SharedNames = ReadonlyMap<number, ReadonlySet<string>>;

/** `src/cli/check.ts` → `cli-check`: all chunks lie in one directory. */
export function chunkNameOf(module: string): string {
  return relative('src', module).replace(/\.ts$/, '').replaceAll('/', '-');
}

/** Leaves out whatever is imported when it is needed, unless it is one of `modules`; `onChunk` hears of each. */
export function chunksApart(modules: SharedModules, onChunk: (module: string) => void): Plugin {
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

const NAMESPACE = 'shared';

/** Whether a module of a script, as a metafile names it, is its own, and none that stands for one of another script. */
export function isOwn(module: string): boolean {
  return !module.startsWith(`${NAMESPACE}:`);
}

/** The plugin's own question, which it does not answer. */
const ASKED = Symbol('asked');

/**
 * Gives a script what others have: in the place of each of their modules stands one that asks for every name with a
 * call, `shared(12,"printable")`. Those of names that are not used are dropped like any other value.
 */
export async function sharedWith(modules: SharedModules): Promise<Plugin> {
  const names = await exportsOf(modules);
  return {
    name: 'shared',
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
async function exportsOf(modules: SharedModules): Promise<ReadonlyMap<string, readonly string[]>> {
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

/** What the code of scripts asks others for. */
export function sharedNamesIn(scripts: readonly string[]): SharedNames {
  const shared = new Map<number, Set<string>>();
  for (const code of scripts) {
    for (const [, place, name = ''] of code.matchAll(/\bshared\((\d+),"([^"]+)"\)/g)) {
      const names = shared.get(Number(place)) ?? new Set();
      shared.set(Number(place), names.add(name));
    }
  }
  return shared;
}

/** What a script begins with: it runs `entry` and exports its names, and `shared`, which answers other scripts. */
export function entryWith(entry: string, modules: SharedModules, names: SharedNames): string {
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
    `export * from './${entry}';`,
    ...imports,
    'export const shared = (place, name) => valuesOf(place)[name];',
    `function valuesOf(place) { switch (place) { ${cases.join('\n')} } }`,
  ].join('\n');
}
