/** One probe of a loopback server with a certificate set of its own, for tests that care only about the verdict. */

import { createTlsProbe, type ProbeInternals, type ProbeTarget } from '../../src/adapters/tls-probe/probe.ts';
import type { ProbeVerdict } from '../../src/core/model/probe.ts';
import { createCertificateSet, type SetContents } from './certificate-set.ts';

export interface ProbeOptions extends Partial<ProbeTarget> {
  readonly port: number;
  /** wall clock of the probe; now unless told */
  readonly nowMs?: number;
  readonly internals?: ProbeInternals;
}

/** The verdict of one probe. Rejects when there is none, since nobody cancels it. */
export async function runProbe(contents: SetContents, options: ProbeOptions): Promise<ProbeVerdict> {
  const { nowMs = Date.now(), internals = {}, ...changes } = options;
  const set = await createCertificateSet(contents);
  const { caFile, certFile, keyFile } = set;
  const target: ProbeTarget = {
    ...{
      caFile,
      certFile,
      keyFile,
      host: '127.0.0.1',
      serverName: 'localhost',
      timeoutMs: 10_000,
      mode: 'handshake',
    },
    ...changes,
  };
  try {
    const verdict = await createTlsProbe(target, internals).run({
      signal: new AbortController().signal,
      nowMs,
    });
    if (verdict === undefined) throw new Error('the probe was not cancelled and must have a verdict');
    return verdict;
  } finally {
    await set.remove();
  }
}
