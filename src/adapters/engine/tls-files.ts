/** The files of `DOCKER_CERT_PATH`, with the names that the docker CLI uses, as one SecureContext. */

import { join } from 'node:path';
import type { SecureContext } from 'node:tls';
import type { EngineAnswer } from '../../core/model/broker.ts';
import { isMissing, keepFiles, type ReadFile } from '../../system/kept-files.ts';
import { busy, certificatesOf, contextOf, type FileFault, privateKeyOf } from '../../system/tls-files.ts';
import { type ClientCertificate, tlsFailure } from './tls-failure.ts';

export interface TlsFiles {
  readonly context: SecureContext;
  readonly client: ClientCertificate | 'none';
}

type Answer = { readonly ok: true; readonly value: TlsFiles } | FileFault;

const SETTING = 'DOCKER_CERT_PATH';

/**
 * Opens `ca.pem`, and `cert.pem` with `key.pem` unless both are missing, as the docker CLI does. The result is kept as
 * long as they have not changed: a new context for each call would cost tens of megabytes over the days, and one that
 * is never renewed would outlive its certificate.
 */
export function createTlsFiles(directory: string): () => Promise<EngineAnswer<TlsFiles>> {
  const paths = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => join(directory, name));
  const look = keepFiles(paths, judge, () => busy(paths[0] ?? ''));
  return async () => {
    const answer = await look();
    return answer.ok ? answer : tlsFailure(answer.problem, answer.hint);
  };
}

function judge([ca, cert, key]: readonly ReadFile[]): Answer {
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('there are three files');
  const authorities = certificatesOf(ca, 'authorities', SETTING);
  if (!authorities.ok) return authorities;
  const roots = authorities.value.map(({ pem }) => pem);
  if (isMissing(cert) && isMissing(key)) return filesOf(ca.path, { ca: roots }, 'none');
  const chain = certificatesOf(cert, 'chain', SETTING);
  if (!chain.ok) return chain;
  const [leaf] = chain.value;
  if (leaf === undefined) throw new Error('a chain without a certificate is none');
  const pem = privateKeyOf(key, cert, leaf, SETTING);
  if (!pem.ok) return pem;
  const client = { path: cert.path, notBeforeMs: leaf.notBeforeMs, notAfterMs: leaf.notAfterMs };
  const own = { ca: roots, cert: chain.value.map((each) => each.pem).join(''), key: pem.value };
  return filesOf(cert.path, own, client);
}

function filesOf(
  path: string,
  parts: { readonly ca: string[]; readonly cert?: string; readonly key?: Buffer },
  client: TlsFiles['client'],
): Answer {
  const context = contextOf(path, { ...parts, minVersion: 'TLSv1.2' });
  return context.ok ? { ok: true, value: { context: context.value, client } } : context;
}
