/**
 * Probes a mosquitto over a slow and lossy link. Runs in a network namespace of its own, as a program:
 * `node lossy-link-run.ts DELAY_MS LOSS_PERCENT SEED` prints one JSON object of the type {@link LossyLinkReport}.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createAuthority, type Issued } from '../../lab/certificates.ts';
import { startMosquitto, type TlsVersion } from '../../lab/real-servers.ts';
import { createTlsProbe, type ProbeTarget } from '../../src/adapters/tls-probe/probe.ts';
import { createCertificateSet, type SetContents } from './certificate-set.ts';

export interface LossyLinkReport {
  readonly link: { readonly packets: number; readonly dropped: number };
  /** how often each cause, or `success`, came out */
  readonly groups: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** the shortest TCP handshake of all, in milliseconds */
  readonly shortestTcpMs: number;
}

/** Long enough for lost packets to be sent again several times: only what the server says shall decide. */
const TIMEOUT_MS = 20_000;

async function main(...linkIs: readonly string[]): Promise<LossyLinkReport> {
  const link = await startLink(linkIs);
  const root = await createAuthority();
  const stranger = await createAuthority();
  const setup = {
    identity: await root.issue({ sans: ['localhost'] }),
    trusted: root.certPem,
    host: '0.0.0.0',
  };
  const good = presenting(root, await root.issue());
  const refused = presenting(root, await stranger.issue());
  let shortestTcpMs = Number.POSITIVE_INFINITY;

  const group = async (set: SetContents, version: TlsVersion, mode: ProbeTarget['mode'], times: number) => {
    const { caFile, certFile, keyFile, remove } = await createCertificateSet(set);
    // one for each group: together they would be more at once than wait in the queue of a listener
    const server = await startMosquitto({ ...setup, version });
    const where = {
      host: '10.9.0.2',
      port: server.port,
      serverName: 'localhost',
      timeoutMs: TIMEOUT_MS,
    };
    const { run } = createTlsProbe({ caFile, certFile, keyFile, ...where, mode });
    const { signal } = new AbortController();
    const verdicts = await Promise.all(
      Array.from({ length: times }, () => run({ signal, nowMs: Date.now() })),
    );
    await Promise.all([remove(), server.close()]);
    const counts: Record<string, number> = {};
    for (const verdict of verdicts) {
      const name = verdict === undefined ? 'none' : verdict.ok ? 'success' : verdict.cause;
      counts[name] = (counts[name] ?? 0) + 1;
      shortestTcpMs = Math.min(shortestTcpMs, verdict?.phaseMs.tcp ?? shortestTcpMs);
    }
    return counts;
  };

  const [refused13, refused12, refusedMqtt, good13, goodMqtt] = await Promise.all([
    group(refused, 'TLSv1.3', 'handshake', 100),
    group(refused, 'TLSv1.2', 'handshake', 30),
    group(refused, 'TLSv1.3', 'mqtt', 30),
    group(good, 'TLSv1.3', 'handshake', 30),
    group(good, 'TLSv1.3', 'mqtt', 30),
  ]);
  return {
    link: await link.stop(),
    groups: { refused13, refused12, refusedMqtt, good13, goodMqtt },
    shortestTcpMs,
  };
}

function presenting(authority: Issued, { certPem, keyPem }: Issued): SetContents {
  return { ca: authority.certPem, cert: certPem, key: keyPem };
}

async function startLink(linkIs: readonly string[]) {
  const program = new URL('lossy-link.py', import.meta.url).pathname;
  const child = spawn('python3', [program, ...linkIs], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  const [first]: unknown[] = await once(lines, 'line');
  if (first !== 'ready') throw new Error(`the link said ${String(first)}`);
  const stop = async (): Promise<LossyLinkReport['link']> => {
    const last = once(lines, 'line');
    child.stdin.end();
    const [line]: unknown[] = await last;
    const { packets, dropped }: { packets: number; dropped: number } = JSON.parse(String(line));
    return { packets, dropped };
  };
  return { stop };
}

console.log(JSON.stringify(await main(...process.argv.slice(2))));
