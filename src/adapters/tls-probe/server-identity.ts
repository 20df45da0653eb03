/** Whether the server's certificate is for the name or address that was asked for, judged as Mosquitto judges it. */

import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/**
 * An error (code `ERR_TLS_CERT_ALTNAME_INVALID`) unless the certificate is for `identity`. Node asks this only for
 * a certificate whose chain is trusted. The common name counts where no DNS name is in subjectAltName; for an
 * address too, which Node's own check refuses and Mosquitto's bridge (lib/tls_mosq.c) accepts.
 */
export function verifyServerIdentity(identity: string, certificate: PeerCertificate): Error | undefined {
  const hasDnsName = /\bDNS:/.test(certificate.subjectaltname ?? '');
  if (isIP(identity) !== 0 && !hasDnsName && certificate.subject?.CN === identity) return undefined;
  return checkServerIdentity(identity, certificate);
}
