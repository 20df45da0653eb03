/** TLS on connections that the HTTP server has accepted; loaded only if it is used. */

import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import type { TlsFront } from '../guard.ts';

export interface RenewableTlsFront extends TlsFront {
  /** What connections get from now on; open ones keep what they have. */
  use(options: SecureContextOptions): void;
}

/** The caller that accepts a connection also ends it; this is only a safety net. */
const HANDSHAKE_MS = 60_000;

/**
 * A client without a certificate, or with a bad one, completes the handshake so that it can be told why it is refused:
 * Node would hang up without an alert. Without tickets there are no sessions that outlive a change of the files.
 */
export function createTlsFront(asksForCertificates: boolean): RenewableTlsFront {
  const server = createServer({
    requestCert: asksForCertificates,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
  });
  const waiting = new Map<string, (socket: TLSSocket) => void>();

  server.on('secureConnection', (socket) => {
    // an error of a connection that has just been dropped must not end the process either
    socket.on('error', () => undefined);
    socket.disableRenegotiation();
    const id = idOf(socket);
    const onSecure = waiting.get(id);
    waiting.delete(id);
    if (onSecure === undefined) socket.destroy();
    else onSecure(socket);
  });
  // a handshake that fails is closed and not reported
  server.on('tlsClientError', (_error, socket) => socket.destroy());

  return {
    begin(raw, hello, onSecure) {
      const id = idOf(raw);
      waiting.set(id, onSecure);
      raw.once('close', () => {
        if (waiting.get(id) === onSecure) waiting.delete(id);
      });
      raw.unshift(hello);
      server.emit('connection', raw);
      // Node reads what it is handed in the next tick, and OpenSSL answers it there
      return new Promise((resolve) => process.nextTick(resolve));
    },
    use: (options) =>
      server.setSecureContext({
        ...options,
        secureOptions: constants.SSL_OP_NO_TICKET,
        honorCipherOrder: true,
      }),
  };
}

/** Identifies a TLS socket by its addresses, Node's only link to the raw one; no other open connection has the same. */
function idOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
