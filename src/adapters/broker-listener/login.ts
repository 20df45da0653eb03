/** The watcher's login data for a broker, read again for each connection: any of it may be renewed. */

import type { BrokerUrl } from '../../core/model/settings.ts';
import { type Credentials, parseCredentials } from '../../system/credentials.ts';
import { readRegularFile } from '../../system/regular-file.ts';
import { failure, type Trouble } from './trouble.ts';

export interface LoginFiles {
  readonly url: BrokerUrl;
  /** one line, `user:password` */
  readonly credentialsFile: string | undefined;
  /** PEM; undefined: the public authorities */
  readonly caFile: string | undefined;
}

export type Login =
  | {
      readonly ok: true;
      readonly credentials: Credentials | undefined;
      readonly ca: Buffer | undefined;
    }
  | { readonly ok: false; readonly problem: Trouble };

/** Reads the CA file for a TLS listener, and the credentials if there are any. */
export async function readLogin({ url, caFile, credentialsFile }: LoginFiles): Promise<Login> {
  const ca = url.tls && caFile !== undefined ? await readRegularFile(caFile) : undefined;
  if (ca?.ok === false) {
    const hint = 'set BROKER_CA_FILE to the CA certificates that the broker is verified with';
    return { ok: false, problem: failure(`${caFile} ${ca.problem}`, hint) };
  }
  if (credentialsFile === undefined) return { ok: true, credentials: undefined, ca: ca?.bytes };
  const file = await readRegularFile(credentialsFile);
  const hint = `put one line with user:password into ${credentialsFile}`;
  if (!file.ok) return { ok: false, problem: failure(`${credentialsFile} ${file.problem}`, hint) };
  const credentials = parseCredentials(file.bytes);
  if (credentials === undefined) {
    return { ok: false, problem: failure(`${credentialsFile} is not one line with user:password`, hint) };
  }
  return { ok: true, credentials, ca: ca?.bytes };
}
