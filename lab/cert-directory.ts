/** A certificate directory as careful agents write it, and certificate sets to write. */

import { renameSync } from 'node:fs';
import { chmod, mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CertificateOptions, createAuthority } from './certificates.ts';

export interface CertificateFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertDirectory {
  readonly path: string;
  /** Replaces the three files by renames, as careful agents do; resolves with the time after the last. */
  install(files: CertificateFiles): Promise<number>;
  /** Writes the same bytes again, in place. */
  rewrite(files: CertificateFiles): Promise<void>;
  /** Sets the times of all three files to now. */
  touch(): Promise<void>;
}

const authority = createAuthority({ cn: 'End-to-end CA' });
let serial = 0;

/** A certificate set for a client, another one each time. */
export async function makeSet(options: CertificateOptions = {}): Promise<CertificateFiles> {
  serial += 1;
  const { certPem } = await authority;
  const client = await (await authority).issue({ cn: `edge-${serial}`, ...options });
  return { ca: certPem, cert: client.chainPem, key: client.keyPem };
}

/** Makes the directory, which everybody may enter. */
export async function createCertDirectory(path: string): Promise<CertDirectory> {
  await mkdir(path);
  await chmod(path, 0o755);
  const names = { ca: 'ca.crt', cert: 'client.crt', key: 'client.key' } as const;
  const entries = (files: CertificateFiles) =>
    [
      [names.ca, files.ca, 0o644],
      [names.cert, files.cert, 0o644],
      [names.key, files.key, 0o600],
    ] as const;
  return {
    path,
    install: async (files) => {
      const draft = (name: string) => join(path, `.${name}.new`);
      for (const [name, text, mode] of entries(files)) await writeFile(draft(name), text, { mode });
      // without a pause between them, in which a watcher would meet half of the set
      for (const [name] of entries(files)) renameSync(draft(name), join(path, name));
      return Date.now();
    },
    rewrite: async (files) => {
      for (const [name, text] of entries(files)) await writeFile(join(path, name), text);
    },
    touch: async () => {
      const now = new Date();
      for (const name of Object.values(names)) await utimes(join(path, name), now, now);
    },
  };
}
