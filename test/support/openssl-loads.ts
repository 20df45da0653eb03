/** What the OpenSSL of this machine loads of certificate files, by the calls that Mosquitto makes. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Need } from './needs.ts';

export interface LoadedFile {
  readonly use: 'chain' | 'authorities' | 'key';
  readonly bytes: Buffer;
}

export type Loaded =
  /** SHA-256 of each certificate in DER: of a chain in its order, of authorities in any and each once */
  { readonly certificates: readonly string[] } | { readonly ok: true } | { readonly error: string };

const SCRIPT = fileURLToPath(new URL('openssl-loads.py', import.meta.url));

/** Python and the OpenSSL of the machine. */
export const OPENSSL_LOADS: Need =
  spawnSync('python3', [SCRIPT], { input: '' }).status === 0
    ? { ok: true }
    : { ok: false, reason: 'no python3 here, or no libssl.so.3' };

/** One process for all of them: ten thousand take about a second. */
export function loadWithOpenSsl(files: readonly LoadedFile[]): readonly Loaded[] {
  const input = Buffer.concat(
    files.flatMap(({ use, bytes }) => [Buffer.from(`${use} ${bytes.length}\n`), bytes]),
  );
  const { stdout, stderr, status } = spawnSync('python3', [SCRIPT], { input, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`OpenSSL could not be asked (python3, libssl.so.3): ${stderr}`);
  return stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Loaded);
}
