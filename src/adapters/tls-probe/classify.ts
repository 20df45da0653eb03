/** From the error that ended a connection to the one cause that an operator can act on. */

import type { TLSSocket } from 'node:tls';
import type { ProbeCause } from '../../core/probe.ts';
import { endpoint } from '../../system/endpoint.ts';
import { codeOf } from '../../system/errors.ts';
import { errorLine, openSslReason, printable } from '../../system/openssl-error.ts';
import { alertIn, nameOfAlert } from './alerts.ts';
import { hasShownCertificate, type ServerSighting } from './sighting.ts';
import type { Fault } from './step.ts';
import type { ProbeTarget, Upstream } from './target.ts';

/** What is known of the connection that has ended. */
export interface Scene {
  readonly target: ProbeTarget;
  readonly upstream: Upstream;
  readonly address: string;
  /** at least one byte has come from the other side */
  readonly hasAnswered: boolean;
  readonly seen: ServerSighting;
  readonly nowMs: number;
}

/** Says what to try about a client certificate that was refused with this alert. */
type RejectionHint = (certFile: string) => string;

const REJECTIONS: Readonly<Record<number, RejectionHint>> = {
  40: (file) =>
    `the upstream refuses ${file} without saying why: its log knows; often the CA or the kind of key`,
  42: (file) =>
    `the upstream refuses ${file} as bad: does it trust the CA that issued it? its log knows more`,
  43: (file) =>
    `the upstream does not accept this kind of certificate: does ${file} allow client authentication (extended key usage), and does the upstream accept its kind of key?`,
  44: (file) => `the certificate in ${file} has been revoked: have a new one issued`,
  45: (file) =>
    `${file} is within its dates here, so look at the upstream: is its clock right, has its revocation list (CRL) expired, has a CA above ${file}?`,
  46: (file) =>
    `the upstream refuses ${file} without saying why: its log knows; does it trust the CA that issued it?`,
  48: (file) =>
    `the upstream does not know the CA that issued ${file}: is this the certificate for this upstream, and is the intermediate CA in the file, after the certificate?`,
  49: (file) =>
    `the upstream knows the certificate in ${file} and denies it access: check its rules for this client`,
  116: (file) =>
    `the upstream saw no client certificate: it does not accept the kind of key or signature that ${file} has`,
};

/** Why the handshake failed. `error` is undefined where the other side closed the connection. */
export function handshakeFault(error: Error | undefined, socket: TLSSocket, scene: Scene): Fault {
  // declared as an Error, in truth a code or null
  if (error !== undefined && socket.authorizationError) return verificationFault(error, scene);
  const alert = alertIn(error);
  const rejected = error === undefined ? undefined : rejection(error, scene);
  if (rejected !== undefined) return rejected;
  if (alert === 112 && error !== undefined) return sniRejected(error, scene);
  return {
    cause: 'protocol',
    hint: protocolHint(error, alert, scene),
    error: lineOf(error, 'during the handshake'),
  };
}

/** Why the connection ended after a handshake that was fine on our side. */
export function afterHandshakeFault(error: Error | undefined, scene: Scene): Fault {
  const rejected = error === undefined ? undefined : rejection(error, scene);
  if (rejected !== undefined) return rejected;
  return {
    cause: 'closed_after_handshake',
    hint: `the upstream hangs up without a reason once it has ${scene.target.certFile}: look into its log; a TLS proxy does this when it refuses the certificate or has no broker behind it`,
    error: lineOf(error, 'after the handshake'),
  };
}

/** The handshake has not come to an end in time. */
export function handshakeTimeout(ms: number, { address, upstream, hasAnswered }: Scene): Fault {
  const where = endpoint(address, upstream.port);
  const progress = hasAnswered ? 'the TLS handshake stopped halfway' : 'no TLS handshake';
  return {
    cause: 'timeout',
    hint: `${where} accepts connections but does not speak TLS in time: is this the TLS port (8883), is the upstream overloaded or the link slow (TLS_TIMEOUT)?`,
    error: `${progress} within ${Math.round(ms)} ms`,
  };
}

/**
 * An alert proves a refusal of our certificate only after the server has shown its own: before that it has not
 * seen ours. Alert 40 without a server certificate means that there is no common cipher.
 */
function rejection(error: Error, { seen, target }: Scene): Fault | undefined {
  const alert = alertIn(error);
  const hint = alert === undefined ? undefined : REJECTIONS[alert];
  if (alert === undefined || hint === undefined || !hasShownCertificate(seen)) return undefined;
  return {
    cause: 'client_cert_rejected',
    hint: `${hint(target.certFile)} (${nameOfAlert(alert)})`,
    error: openSslReason(error),
  };
}

function sniRejected(error: Error, { upstream, target }: Scene): Fault {
  const said = upstream.sni === '' ? 'without a server name' : `by the name ${upstream.sni}`;
  const hint = `${target.host} does not want to be called ${said}: set TLS_SNI to a name that it serves (${nameOfAlert(112)})`;
  return { cause: 'sni_rejected', hint, error: openSslReason(error) };
}

function protocolHint(error: Error | undefined, alert: number | undefined, scene: Scene): string {
  const where = endpoint(scene.address, scene.upstream.port);
  if (alert === 70)
    return `${where} speaks no TLS 1.2 or newer: update the upstream or its TLS settings (${nameOfAlert(70)})`;
  if (alert === 40)
    return `${where} and this OpenSSL have no cipher or signature in common: update the upstream or its TLS settings (${nameOfAlert(40)})`;
  if (alert !== undefined)
    return `${where} breaks the handshake off with ${nameOfAlert(alert)}: its log knows more`;
  if (
    /WRONG_VERSION_NUMBER|wrong version number|packet length too long|HTTP_REQUEST/i.test(
      error?.message ?? '',
    )
  ) {
    return `what answers at ${where} is not TLS: is the port the TLS port (8883, not 1883)?`;
  }
  if (/unsupported protocol/i.test(error?.message ?? ''))
    return `${where} speaks no TLS 1.2 or newer: update the upstream or its TLS settings`;
  if (scene.hasAnswered) {
    return `${where} hangs up in the middle of the handshake: look into its log; it may refuse ${scene.target.certFile}`;
  }
  return `${where} hangs up on the first bytes of TLS: is it the plain port (1883 instead of 8883), or a proxy without a broker behind it?`;
}

function verificationFault(error: Error, scene: Scene): Fault {
  const code = codeOf(error) ?? '';
  const cause = verificationCause(code);
  return { cause, hint: verificationHint(cause, code, error, scene), error: verificationLine(error) };
}

function verificationCause(code: string): ProbeCause {
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'server_cert_expired';
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? 'server_name_mismatch' : 'server_cert_untrusted';
}

function verificationLine(error: Error): string {
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined;
  return reason === undefined ? errorLine(error) : `${codeOf(error)}: ${printable(reason)}`;
}

function verificationHint(cause: ProbeCause, code: string, error: Error, scene: Scene): string {
  if (cause === 'server_name_mismatch') return nameHint(error, scene);
  if (cause === 'server_cert_expired') return datesHint(code, scene);
  return trustHint(code, scene);
}

function nameHint(error: Error, { upstream }: Scene): string {
  const names = printable(namesIn(error));
  const sent = `the server's certificate is not for ${upstream.identity}`;
  return names === ''
    ? `${sent}: set TLS_SNI to the name that it is for, or have it issued again`
    : `${sent} but for ${names}: set TLS_SNI to one of these if this is the right server`;
}

/** The names that the certificate is for: `broker.example.com, 192.0.2.7`. */
function namesIn(error: Error): string {
  const certificate: unknown = 'cert' in error ? error.cert : undefined;
  if (typeof certificate !== 'object' || certificate === null || !('subjectaltname' in certificate))
    return '';
  const names = certificate.subjectaltname;
  return typeof names === 'string' ? names.replaceAll(/\b(DNS|IP Address|URI):/g, '') : '';
}

function datesHint(code: string, { seen, nowMs, target }: Scene): string {
  if (code === 'CERT_NOT_YET_VALID') {
    return `a certificate of ${target.host} is not valid yet: is the clock of this machine right?`;
  }
  if (seen.server !== undefined && seen.server.notAfterMs > nowMs) {
    return `the server's own certificate is within its dates, a CA above it has expired: renew ${target.caFile} or the chain that the server sends; is this clock right?`;
  }
  return `the certificate of ${target.host} has to be renewed there; is the clock of this machine right?`;
}

function trustHint(code: string, { seen, target }: Scene): string {
  const { caFile } = target;
  const issuer = seen.server === undefined ? '' : ` (issued by ${seen.server.issuer})`;
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `the server's certificate is self-signed and not in ${caFile}: is this the right server, or is it still on its default certificate?`;
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `${caFile} does not lead to the server's certificate${issuer}: is it the wrong or an old CA, or does the server not send its intermediate CA?`;
    case 'CERT_SIGNATURE_FAILURE':
      return `a CA in ${caFile} has the right name but another key: put the upstream's current CA there`;
    case 'INVALID_PURPOSE':
      return `the server's certificate is not made for a server (extended key usage): have it issued again`;
    case 'UNSPECIFIED':
      return `a certificate of the server has a key or a signature that OpenSSL calls too weak: have it issued again with RSA 2048 or EC and SHA-256`;
    default:
      return `${caFile} does not vouch for this server${issuer}: is it the wrong or an old CA?`;
  }
}

function lineOf(error: Error | undefined, when: string): string {
  return error === undefined ? `the other side closed the connection ${when}` : openSslReason(error);
}
