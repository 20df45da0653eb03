/**
 * Does a deed of the program as a user without rights, in a process of its own: as root every file can be read,
 * so what a permission does cannot be seen. The code is loaded first and the rights given up then, so that
 * the user needs no right to read the repository.
 */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CertFilesLocation, createCertFiles } from '../../src/adapters/cert-files.ts';
import { createContainer } from '../../src/adapters/engine/container.ts';
import { createStateFile } from '../../src/adapters/state-file.ts';
import type { PersistedState } from '../../src/core/memory/persisted.ts';
import { type FileLook, type FileRead, lookAt, readRegularFile } from '../../src/system/regular-file.ts';
import { liveDirectoryOf, setIn } from './live-directory.ts';

/** nobody, on every Linux */
const NOBODY = 65_534;

const DEEDS = {
  observe: (location: CertFilesLocation) => createCertFiles(location).observe(0),
  inspect: (path: string) => createContainer({ kind: 'unix', path }, 'broker').inspect(),
  read: async (path: string) => outcomeOf(await readRegularFile(path)),
  readAll: async (paths: string[]) =>
    Promise.all(paths.map(async (path) => outcomeOf(await readRegularFile(path)) === 'ok')),
  look: async (path: string) => outcomeOf(await lookAt(path)),
  save: ({ path, states }: { path: string; states: [string, PersistedState][] }) =>
    createStateFile(path).save(new Map(states)),
  promote: async ({ certs, incoming }: { certs: string; incoming: string }) => {
    const live = liveDirectoryOf(certs, incoming);
    return { outcome: await live.promote(await setIn(incoming)), obstacle: (await live.observe(0)).obstacle };
  },
};

function outcomeOf(result: FileLook | FileRead) {
  return result.ok ? 'ok' : result.kind;
}

type Deeds = typeof DEEDS;

/** The deed's result as it comes through JSON. */
export async function asNobody<K extends keyof Deeds>(
  deed: K,
  argument: Parameters<Deeds[K]>[0],
): Promise<unknown> {
  return inChild([process.execPath, fileURLToPath(import.meta.url), deed, JSON.stringify(argument)]);
}

/** The same with the rights of this process. */
export async function inAnotherProcess<K extends keyof Deeds>(
  deed: K,
  argument: Parameters<Deeds[K]>[0],
): Promise<unknown> {
  const script = fileURLToPath(import.meta.url);
  return inChild([process.execPath, script, deed, JSON.stringify(argument), 'keep rights']);
}

/** The same with the rights of this process, where no file may grow beyond 0 bytes: a disk that is full. */
export async function onFullDisk<K extends keyof Deeds>(
  deed: K,
  argument: Parameters<Deeds[K]>[0],
): Promise<unknown> {
  const node = [
    process.execPath,
    fileURLToPath(import.meta.url),
    deed,
    JSON.stringify(argument),
    'keep rights',
  ];
  return inChild(['/bin/sh', '-c', 'ulimit -f 0 && exec "$@"', 'sh', ...node]);
}

async function inChild([command = '', ...args]: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(command, args, { env: {}, cwd: '/', timeout: 20_000 });
  return JSON.parse(stdout);
}

async function main([deed = '', argument = '', rights]: readonly string[]) {
  if (rights === undefined && process.getuid?.() === 0) {
    process.setgroups?.([]);
    process.setgid?.(NOBODY);
    process.setuid?.(NOBODY);
  }
  const run: ((argument: never) => Promise<unknown>) | undefined = Object.entries(DEEDS).find(
    ([name]) => name === deed,
  )?.[1];
  if (run === undefined) throw new Error(`no deed ${deed}`);
  process.stdout.write(JSON.stringify(await run(JSON.parse(argument) as never)));
}

if (import.meta.main) await main(process.argv.slice(2));
