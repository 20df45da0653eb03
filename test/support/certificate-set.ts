/** The three files of a certificate set in a directory of their own. */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Issued } from '../../lab/certificates.ts';
import { removeTree } from '../../lab/remove-tree.ts';

export interface SetContents {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface CertificateSet {
  readonly directory: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Writes in place what is given and leaves the other files alone. */
  write(contents: Partial<SetContents>): Promise<void>;
  remove(): Promise<void>;
}

/** A temporary directory with ca.crt, client.crt and client.key. */
export async function createCertificateSet(contents: SetContents): Promise<CertificateSet> {
  const directory = await mkdtemp(join(tmpdir(), 'certificate-set-'));
  const files = {
    ca: join(directory, 'ca.crt'),
    cert: join(directory, 'client.crt'),
    key: join(directory, 'client.key'),
  };
  const write = async ({ ca, cert, key }: Partial<SetContents>) => {
    if (ca !== undefined) await writeFile(files.ca, ca);
    if (cert !== undefined) await writeFile(files.cert, cert);
    if (key !== undefined) await writeFile(files.key, key, { mode: 0o600 });
  };
  await write(contents);
  const remove = () => removeTree(directory);
  return { directory, caFile: files.ca, certFile: files.cert, keyFile: files.key, write, remove };
}

/** What belongs into the files for this client and this authority of the server. */
export function contentsOf(authority: Issued, client: Issued): SetContents {
  return { ca: authority.certPem, cert: client.chainPem, key: client.keyPem };
}
