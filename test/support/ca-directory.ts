/** A directory of CA certificates as `openssl rehash` makes it. */

import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { subjectHash } from '../../src/system/name-hash.ts';
import { temporaryDirectory } from './directory.ts';

/** The name by which OpenSSL finds it. */
export function hashedName(pem: string, n = 0): string {
  return `${subjectHash(new X509Certificate(pem).raw)}.${n}`;
}

/** A new directory with these files. */
export async function caDirectory(files: Readonly<Record<string, string>>): Promise<string> {
  const path = await temporaryDirectory();
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}
