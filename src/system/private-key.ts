/** Loads the private key of a PEM file like OpenSSL (SSL_CTX_use_PrivateKey_file), because OpenSSL does the work. */

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { clip } from '../core/text/clip.ts';
import { explainNoPem, headerProblem, parsePem } from '../core/text/pem.ts';
import { CHAR_IS_SIGNED } from './native.ts';
import { openSslReason } from './openssl-error.ts';

export type PrivateKeyResult =
  | { readonly ok: true; readonly key: KeyObject }
  | {
      readonly ok: false;
      readonly kind: 'broken' | 'none' | 'encrypted' | 'unknown';
      readonly problem: string;
    };

/**
 * The first private key of a file that OpenSSL can load; parameters, certificates and broken blocks may precede it. If
 * it finds none, our own parsing of the file explains why.
 */
export function parsePrivateKey(bytes: Buffer): PrivateKeyResult {
  try {
    return { ok: true, key: createPrivateKey({ key: bytes, format: 'pem' }) };
  } catch (error) {
    return { ok: false, ...explain(bytes.toString('latin1'), error) };
  }
}

function explain(latin1: string, error: unknown): Omit<Extract<PrivateKeyResult, { ok: false }>, 'ok'> {
  const { blocks, problem } = parsePem(latin1, CHAR_IS_SIGNED);
  const block = blocks.find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (block?.encrypted) return { kind: 'encrypted', problem: 'is encrypted with a passphrase' };
  const header = block && headerProblem(block);
  if (block !== undefined && header !== undefined) {
    const name = `PEM block ${blocks.indexOf(block) + 1} (${clip(block.label)}, line ${block.line})`;
    return { kind: 'broken', problem: `${name} ${header}` };
  }
  // OpenSSL's reason names a decoder, never content
  if (block !== undefined) {
    return {
      kind: 'unknown',
      problem: `is not a private key that OpenSSL understands: ${openSslReason(error)}`,
    };
  }
  if (problem !== undefined) return { kind: 'broken', problem };
  const labels = [...new Set(blocks.map(({ label }) => clip(label)))].slice(0, 10).join(', ');
  if (labels === '') return { kind: 'none', problem: `holds no PEM private key: ${explainNoPem(latin1)}` };
  return { kind: 'none', problem: `holds no private key, only ${labels}` };
}
