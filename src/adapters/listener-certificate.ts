/** Which certificate a TLS listener presents: whether a broker has taken up a new one without a restart. */

import { createHash } from 'node:crypto';
import { connect } from 'node:tls';
import type { BrokerUrl } from '../core/settings.ts';

const TIMEOUT_MS = 2_000;

/**
 * The SHA-256 of the leaf that the listener presents, in hex; undefined if it presents none in time. Nothing is
 * verified: it is compared with the certificate on disk. A listener that demands a certificate of ours hangs up
 * after it has shown its own.
 */
export function presentedLeaf({ host, port }: BrokerUrl): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, servername: '', rejectUnauthorized: false });
    const end = () => {
      clearTimeout(timer);
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      resolve(certificate && createHash('sha256').update(certificate.raw).digest('hex'));
    };
    const timer = setTimeout(end, TIMEOUT_MS);
    socket.once('secureConnect', end).once('error', end);
  });
}
