/** The program as one CommonJS file: what the runtime runs without looking for anything beside it. */

import { build } from 'esbuild';
import type { Identity } from './identity.ts';
import { onlyWhatIsUsed } from './parts.ts';
import { ROOT } from './paths.ts';

export interface Bundle {
  readonly code: Uint8Array;
  /** where the npm packages in it are installed: `node_modules/valibot` */
  readonly packages: readonly string[];
}

/**
 * Bundles src/main.ts. Names are kept, so that a stack trace in a bug report can be read; white space goes,
 * because V8 keeps the source in memory. CommonJS, because an ES module as main costs 30 ms and 3 MB.
 */
export async function bundle({ version, commit }: Identity): Promise<Bundle> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/main.ts'],
    outfile: 'main.cjs',
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'silent',
    // else a literal with \p{…} becomes a call of RegExp, made at the start, also for a table that nobody uses
    supported: { 'regexp-unicode-property-escapes': true },
    define: { BUILD_COMMIT: JSON.stringify(commit ?? '') },
    plugins: [
      onlyWhatIsUsed,
      {
        // of package.json only the version: the rest would change the executable with every script renamed
        name: 'version',
        setup: ({ onLoad }) => {
          onLoad({ filter: /\/package\.json$/ }, ({ path }) =>
            path === `${ROOT}/package.json`
              ? { contents: JSON.stringify({ version }), loader: 'json' }
              : undefined,
          );
        },
      },
    ],
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error('esbuild made no file');
  return { code: file.contents, packages: packagesOf(Object.keys(result.metafile.inputs)) };
}

/** `node_modules/valibot/dist/index.mjs` → `node_modules/valibot`, each once. */
function packagesOf(inputs: readonly string[]): string[] {
  const directories = inputs.flatMap(
    (input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? [],
  );
  return [...new Set(directories)].toSorted();
}
