/**
 * What loads a chunk, in the executable. It is part of the program there, and is put before everything else, so it
 * imports nothing.
 */

/** What `node:sea` and `node:vm` are asked for. */
interface Runtime {
  getRawAsset(name: string): ArrayBuffer;
  compileFunction(
    code: string,
    parameters: readonly string[],
    options: { readonly filename: string },
  ): (exports: unknown, require: Require, module: { exports: unknown }, shared: Shared) => void;
}

type Require = (name: string) => unknown;

/** A value that a module of the main script exports. */
export type Shared = (module: string, name: string) => unknown;

/**
 * A `require` that also knows the chunks: `./cli/check.js`. They lie in the executable, where they cost no memory, and are
 * run when they are asked for. One of `once` is not remembered, so that all of it can be collected after use; it would be
 * run again.
 */
export function createRequire(builtin: Require, shared: Shared, once: readonly string[]): Require {
  const loaded = new Map<string, { readonly exports: unknown }>();

  function run(name: string): unknown {
    const { getRawAsset } = builtin('node:sea') as Runtime;
    const { compileFunction } = builtin('node:vm') as Runtime;
    // ASCII; the bytes are those of the mapped file, and may be read only
    const code = Buffer.from(getRawAsset(name)).toString('latin1');
    const parameters = ['exports', 'require', 'module', 'shared'];
    const module = { exports: {} };
    if (!once.includes(name)) loaded.set(name, module);
    compileFunction(code, parameters, { filename: name })(module.exports, load, module, shared);
    return module.exports;
  }

  function load(name: string): unknown {
    if (!name.startsWith('./')) return builtin(name);
    const known = loaded.get(name);
    return known === undefined ? run(name) : known.exports;
  }

  return load;
}
