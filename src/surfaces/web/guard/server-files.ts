/** The files of `METRICS_TLS_CERT_FILE` and its siblings, as input for a TLS server. */

import type { SecureContextOptions } from 'node:tls';
import type { ServerTls } from '../../../core/model/settings.ts';
import type { ReadFile } from '../../../system/kept-files.ts';
import { certificatesOf, contextOf, type FileFault, privateKeyOf } from '../../../system/tls-files.ts';

export interface ServerFiles {
  readonly options: SecureContextOptions;
  readonly subject: string;
  readonly notAfterMs: number;
}

/** Only suites that sign with the server's key, once per handshake, and use ephemeral key exchange. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The result of the files, read in the order of {@link pathsOf}; tested, so that a server can be made from it. */
export function judgeServerFiles([cert, key, ca]: readonly ReadFile[]):
  | { readonly ok: true; readonly value: ServerFiles }
  | FileFault {
  if (cert === undefined || key === undefined) throw new Error('there are two files at least');
  const chain = certificatesOf(cert, 'chain', 'METRICS_TLS_CERT_FILE');
  if (!chain.ok) return chain;
  const [leaf] = chain.value;
  if (leaf === undefined) throw new Error('a chain without a certificate is none');
  const pem = privateKeyOf(key, cert, leaf, 'METRICS_TLS_KEY_FILE');
  if (!pem.ok) return pem;
  const authorities = ca && certificatesOf(ca, 'authorities', 'METRICS_CLIENT_CA_FILE');
  if (authorities?.ok === false) return authorities;
  const options = {
    cert: chain.value.map((each) => each.pem).join(''),
    key: pem.value,
    ...(authorities && { ca: authorities.value.map((each) => each.pem) }),
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
  } as const;
  const context = contextOf(cert.path, options);
  if (!context.ok) return context;
  return { ok: true, value: { options, subject: leaf.subject, notAfterMs: leaf.notAfterMs } };
}

export function pathsOf({ certFile, keyFile, clientCaFile }: ServerTls): readonly string[] {
  return [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
}
