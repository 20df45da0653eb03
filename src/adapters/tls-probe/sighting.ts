/** What a TLS connection shows of the server, collected while there is a connection to query. */

import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { daysRemaining } from '../../core/model/certificate.ts';
import type { ProbeSighting } from '../../core/model/probe.ts';
import { printable } from '../../core/text/printable.ts';
import { distinguishedName } from '../../system/x509.ts';

export type ServerSighting = Pick<ProbeSighting, 'protocol' | 'cipher' | 'server'>;

/**
 * Protocol, cipher suite and certificate, once the server has presented its certificate; nothing before, and nothing
 * once the connection is destroyed.
 */
export function sightServer(socket: TLSSocket, nowMs: number): ServerSighting {
  // before the certificate this is an empty object, afterwards null. getPeerX509Certificate() would be shorter, but
  // removes the certificate from the connection in Node 20 to 24
  const raw: unknown = socket.getPeerCertificate()?.raw;
  if (!Buffer.isBuffer(raw)) return {};
  const protocol = socket.getProtocol();
  return {
    ...(protocol === null ? {} : { protocol }),
    cipher: socket.getCipher().name,
    ...serverOf(raw, nowMs),
  };
}

/** Whether the connection got as far as the server's certificate; only after that has the server seen ours. */
export function hasShownCertificate({ cipher }: ServerSighting): boolean {
  return cipher !== undefined;
}

function serverOf(der: Buffer, nowMs: number): Pick<ServerSighting, 'server'> {
  try {
    const x509 = new X509Certificate(der);
    const subject = printable(distinguishedName(x509.subject));
    const issuer = printable(distinguishedName(x509.issuer));
    const notAfterMs = Date.parse(x509.validTo);
    const days = daysRemaining({ notAfterMs }, nowMs);
    return { server: { subject, issuer, notAfterMs, daysRemaining: days } };
  } catch {
    // a certificate that cannot be parsed is described by the handshake's own error
    return {};
  }
}
