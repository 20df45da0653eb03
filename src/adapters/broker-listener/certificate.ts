/** Which certificate a TLS listener presents: this shows whether a broker has loaded a new one without a restart. */

import { createHash, X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Presented } from '../../core/model/presented.ts';
import type { BrokerUrl } from '../../core/model/settings.ts';
import { printable } from '../../core/text/printable.ts';
import { errorLine } from '../../system/openssl-error.ts';
import { startDeadline } from '../../system/timer.ts';
import { distinguishedName } from '../../system/x509.ts';

const TIMEOUT_MS = 2_000;

/**
 * The leaf that the listener presents, or why there is none within two seconds. Nothing is verified: it is compared
 * with the certificate on disk. A listener that requires a client certificate hangs up after it has presented its own.
 * Reads nothing but the handshake, in which OpenSSL accepts 100 kB of certificates at most, and leaves no socket
 * behind.
 */
export function lookAtListener({ host, port }: BrokerUrl): Promise<Presented> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, servername: '', rejectUnauthorized: false });
    let problem = `has presented no certificate within ${TIMEOUT_MS / 1_000} s`;
    const end = () => {
      deadline.end();
      // the first call counts: on a second call, Node 20 to 24 returns none
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      resolve(certificate === undefined ? { ok: false, problem } : presentedBy(certificate));
    };
    const deadline = startDeadline(end, TIMEOUT_MS);
    socket.once('secureConnect', end).once('close', () => {
      if (!socket.errored) problem = 'hangs up without presenting a certificate';
      end();
    });
    // an error after the answer does not matter, but without a listener it would end the process
    socket.on('error', (error) => {
      problem = `presents no certificate: ${errorLine(error)}`;
      end();
    });
  });
}

/** The SHA-256 of the leaf that the listener presents, in hex; undefined if it presents none in time. */
export async function presentedLeaf(url: BrokerUrl): Promise<string | undefined> {
  const presented = await lookAtListener(url);
  return presented.ok ? presented.leaf : undefined;
}

function presentedBy({ raw }: X509Certificate): Presented {
  const leaf = createHash('sha256').update(raw).digest('hex');
  try {
    const { subject, validTo } = new X509Certificate(raw);
    return {
      ok: true,
      leaf,
      subject: printable(distinguishedName(subject)),
      notAfterMs: Date.parse(validTo),
    };
  } catch {
    // its digest alone is enough to compare it
    return { ok: true, leaf, subject: '', notAfterMs: Number.NaN };
  }
}
