/** The upstream: a TLS server that lets in clients with a certificate of the demo's authority, and nobody else. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Authority } from '../lab/certificates.ts';
import { createCertificateReader } from './tls-records.ts';

export interface Upstream {
  /** `host:port`, for `UPSTREAM_ADDR` */
  readonly address: string;
  /** Drops every connection and stops listening. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/** RFC 5246, 7.2: a fatal alert, unknown_ca. */
const UNKNOWN_CA = Buffer.from([0x15, 3, 3, 0, 2, 2, 48]);

/**
 * Starts it on a free port; `say` tells people whom it lets in and whom it does not. Node's own server would end
 * the handshake with any certificate and then hang up without a word. Brokers say why, with an alert: so a doorman
 * stands before it who reads the certificate on its way in, which TLS 1.2 leaves readable.
 */
export async function startUpstream(authority: Authority, say: (text: string) => void): Promise<Upstream> {
  const root = new X509Certificate(authority.certPem);
  const identity = await authority.issue({ cn: 'upstream-broker', sans: [HOST], usages: ['server'] });
  const open = new Set<Socket>();
  const house = createTlsServer({
    cert: identity.chainPem,
    key: identity.keyPem,
    ca: authority.certPem,
    requestCert: true,
    maxVersion: 'TLSv1.2',
  });
  house.on('secureConnection', (socket) => {
    keep(open, socket);
    socket.resume();
    say(`lets ${commonName(socket.getPeerX509Certificate())} in`);
  });
  const door = createServer((client) => {
    const inside = connect(portOf(house), HOST);
    for (const [one, other] of [[client, inside] as const, [inside, client] as const]) {
      keep(open, one);
      one.on('close', () => other.destroy());
    }
    inside.pipe(client);
    const read = createCertificateReader();
    client.on('data', (chunk: Buffer) => {
      const certificate = read(chunk);
      if (certificate === undefined || isOf(root, certificate)) {
        inside.write(chunk);
      } else {
        say(`refuses ${commonName(certificate)}: unknown certificate authority`);
        client.end(UNKNOWN_CA);
      }
    });
    client.on('end', () => inside.end());
  });
  await listen(house);
  await listen(door);
  return {
    address: `${HOST}:${portOf(door)}`,
    close: async () => {
      for (const socket of open) socket.destroy();
      await unlisten(door);
      await unlisten(house);
    },
  };
}

/** Remembers the socket as long as it lives. */
function keep(open: Set<Socket>, socket: Socket) {
  open.add(socket);
  socket.on('close', () => open.delete(socket));
  // a client that hangs up hard is no concern of this server
  socket.on('error', () => undefined);
}

function isOf(root: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(root) && certificate.verify(root.publicKey);
}

function commonName(certificate: X509Certificate | undefined): string {
  return certificate?.subject.replace(/^CN=/, '') ?? 'a client without a certificate';
}

async function listen(server: Server): Promise<void> {
  server.listen(0, HOST);
  await once(server, 'listening');
}

async function unlisten(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  await closed;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the upstream has no port');
  return address.port;
}
