/**
 * An image with a real Mosquitto, made of the one installed on this machine: the program, the libraries it
 * is linked with, an init, and a shell for health checks. So the tests need no registry and no docker command.
 */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { EngineApi } from './engine-api.ts';

/** With a host, so that Docker and Podman mean the same by it. */
const REPOSITORY = 'localhost/mosquitto-cert-watcher-e2e';

/** Where Debian and most others put the broker; undefined if there is none here. */
export const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto'].find(
  existsSync,
);

const SHELL = '/bin/sh';

/** An init that passes signals on, as `init: true` and many images have it; where it is installed. */
export const TINI = '/usr/bin/tini';

const images = new Map<string, Promise<string>>();

/**
 * The name of the image in this engine, changed by this line of a Dockerfile; made there if it is not there yet. It is
 * kept for the next run.
 */
export function ensureBrokerImage(engine: EngineApi, change = ''): Promise<string> {
  const key = `${engine.socketPath} ${change}`;
  const known = images.get(key) ?? makeImage(engine, change);
  images.set(key, known);
  return known;
}

async function makeImage(engine: EngineApi, change: string): Promise<string> {
  if (MOSQUITTO === undefined) throw new Error('there is no mosquitto on this machine');
  const files = await programsWithLibraries([MOSQUITTO, SHELL, ...(existsSync(TINI) ? [TINI] : [])]);
  const archive = tar(files);
  // the content is named before the colon: Podman imports everything as `latest`
  const repository = `${REPOSITORY}-${createHash('sha256').update(archive).update(change).digest('hex').slice(0, 12)}`;
  const name = `${repository}:latest`;
  const { status } = await engine.call('GET', `/images/${name}/json`);
  if (status !== 200) {
    const changes = change === '' ? '' : `&changes=${encodeURIComponent(change)}`;
    await engine.ask('POST', `/images/create?fromSrc=-&repo=${repository}&tag=latest${changes}`, archive);
  }
  return name;
}

interface Member {
  readonly path: string;
  readonly content: Buffer;
}

/** The programs with the libraries that the dynamic linker finds for them. */
export async function programsWithLibraries(programs: readonly string[]): Promise<Member[]> {
  const paths = new Set(programs);
  for (const program of programs) {
    const { stdout } = await promisify(execFile)('ldd', [program]);
    const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
    for (const library of libraries) paths.add(library);
    // glibc loads it by itself when a thread ends
    const libc = libraries.find((library) => library.includes('/libc.so'));
    const unwinder = join(dirname(libc ?? '/lib/libc.so.6'), 'libgcc_s.so.1');
    if (existsSync(unwinder)) paths.add(unwinder);
  }
  return Promise.all([...paths].map(async (path) => ({ path, content: await readFile(path) })));
}

const BLOCK = 512;

/** A tar archive of executable files, and nothing in it that depends on the time. */
function tar(files: readonly Member[]): Buffer {
  const blocks = files.flatMap(({ path, content }) => [header(path, content.length), content, pad(content)]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function pad(content: Buffer): Buffer {
  return Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
}

/** POSIX.1-1988 (ustar). */
function header(path: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`;
  block.write(path.replace(/^\//, ''), 0, 100);
  block.write(octal(0o755, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
