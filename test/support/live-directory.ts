/** An incoming and a live directory, sets to write there, and the adapter that moves them. */

import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from '../../lab/cert-directory.ts';
import { createCertFiles } from '../../src/adapters/cert-files.ts';
import { createLiveDirectory } from '../../src/adapters/live-directory/live-directory.ts';
import type { CertificateSet } from '../../src/core/model/files.ts';
import type { PromotionOutcome } from '../../src/core/model/live.ts';

export const NAMES = ['ca.crt', 'client.crt', 'client.key'] as const;

/** The files of one directory, as the program reads them. */
export function readerOf(certDir: string) {
  const [caCertFile, clientCertFile, clientKeyFile] = NAMES;
  return createCertFiles({ certDir, caCertFile, clientCertFile, clientKeyFile });
}

export function liveDirectoryOf(certDir: string, incomingDir: string) {
  return createLiveDirectory({ certDir, incomingDir, names: NAMES, readSet: readerOf });
}

/** Writes the set in its place by renames; the key may be read by its owner alone. */
export async function put(directory: string, files: CertificateFiles): Promise<void> {
  await mkdir(directory, { recursive: true });
  const texts = [files.ca, files.cert, files.key];
  for (const [index, name] of NAMES.entries()) {
    const path = join(directory, name);
    await writeFile(`${path}.tmp`, texts[index] ?? '');
    await chmod(`${path}.tmp`, name === 'client.key' ? 0o600 : 0o644);
    await rename(`${path}.tmp`, path);
  }
}

/** The readable set in a directory. */
export async function setIn(directory: string): Promise<CertificateSet> {
  const files = await readerOf(directory).observe(0);
  if (files.kind !== 'complete') throw new Error(`no set lies in ${directory}: ${JSON.stringify(files)}`);
  return files;
}

/**
 * The three files as whoever opens the paths finds them. Rejects if one cannot be read, but not before all are closed
 * again: the file system that they lie on can be unmounted then.
 */
export async function contentsOf(directory: string): Promise<CertificateFiles> {
  const reads = NAMES.map((name) => readFile(join(directory, name), 'utf8'));
  await Promise.allSettled(reads);
  const [ca = '', cert = '', key = ''] = await Promise.all(reads);
  return { ca, cert, key };
}

/** Each name in a directory, links with where they lead. */
export async function listing(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const path = join(directory, name);
      return (await lstat(path)).isSymbolicLink() ? `${name} -> ${await readlink(path)}` : name;
    }),
  );
}

/** A gateway: what the broker reads, and where the agent writes. */
export interface Stage {
  readonly certs: string;
  readonly incoming: string;
}

/** Makes one change of the live directory, by its name. */
export async function changeLive(change: string, { certs, incoming }: Stage): Promise<PromotionOutcome> {
  const live = liveDirectoryOf(certs, incoming);
  switch (change) {
    case 'takeOver':
      return live.takeOver();
    case 'promote':
      return live.promote(await setIn(incoming));
    case 'rollBack':
      return live.rollBack(await setIn(certs));
    case 'rememberProven':
      return live.rememberProven();
    default:
      throw new Error(`no change ${change}`);
  }
}
