/** Size and SHA-256 of a file, for people and for checksums. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ROOT } from './paths.ts';

/** The SHA-256 of a file in hexadecimal digits. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** One line: name, size, digest. */
export async function setSituation(file: string): Promise<string> {
  const { size } = await stat(file);
  return `${relative(ROOT, file)}  ${(size / 1e6).toFixed(1)} MB  sha256 ${await sha256Of(file)}`;
}
