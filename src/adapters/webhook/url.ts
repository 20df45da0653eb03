/** The address of a receiver, read again for each call: a secret in a file may be replaced at any time. */

import { resolve } from 'node:path';
import type { DeliveryFailure } from '../../core/model/delivery.ts';
import type { SecretUrl } from '../../core/model/settings.ts';
import { readRegularFile } from '../../system/regular-file.ts';
import { parseHttpUrl } from '../../system/secret-url.ts';

export type UrlFound = { readonly ok: true; readonly value: URL } | DeliveryFailure;

/** The address itself, or the one in the file, whose content is never reported. */
export async function findUrl(source: SecretUrl, setting: string): Promise<UrlFound> {
  if (source.kind === 'value') return { ok: true, value: new URL(source.url) };
  const { path } = source;
  const file = await readRegularFile(resolve(path));
  if (!file.ok) return fault(`${path} ${file.problem}`, `let this user read ${path}, or set ${setting}`);
  const value = parseHttpUrl(file.bytes.toString('utf8').trim());
  if (value !== undefined) return { ok: true, value };
  return fault(
    `${path} is not one line with http://… or https://…`,
    `put the address, and nothing else, into ${path}`,
  );
}

function fault(error: string, hint: string): DeliveryFailure {
  return { ok: false, cause: 'local_file', error, hint };
}
