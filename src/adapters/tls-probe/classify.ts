/** Maps the error that ended a connection to the one cause that an operator can act on. */

import type { TLSSocket } from 'node:tls';
import type { ProbeCause } from '../../core/model/probe.ts';
import { hostPort } from '../../core/text/address.ts';
import { codeOf } from '../../system/errors.ts';
import { errorLine, isOpenSslError, openSslReason } from '../../system/openssl-error.ts';
import { alertIn, nameOfAlert } from '../../system/tls-alerts.ts';
import { chainHint } from './chain-hints.ts';
import type { Credentials } from './credentials.ts';
import { FloodError } from './handshake.ts';
import { isNameMismatch } from './server-identity.ts';
import { hasShownCertificate, type ServerSighting } from './sighting.ts';
import type { Fault } from './step.ts';
import { type ProbeTarget, trustOf, type Upstream } from './target.ts';

/** What is known of the connection that has ended. */
export interface Scene {
  readonly target: ProbeTarget;
  readonly upstream: Upstream;
  readonly address: string;
  /** at least one byte has arrived from the server */
  readonly hasAnswered: boolean;
  readonly seen: ServerSighting;
  /** the extended key usages of the server's certificate, if it was seen and has any */
  readonly serverUsages: readonly string[] | undefined;
  readonly nowMs: number;
  /** of our own files */
  readonly credentials: Pick<Credentials, 'authorities' | 'keyCurve'>;
}

/** What to try about a client certificate that was refused with this alert. */
type RejectionHint = (certFile: string) => string;

const REJECTIONS: Readonly<Record<number, RejectionHint>> = {
  40: (file) =>
    `the upstream refuses ${file} without saying why: its log knows; often the CA or the kind of key`,
  42: (file) =>
    `the upstream refuses ${file} as bad: is its clock behind, so that the certificate is not valid there yet, are key or signature too weak for it, does it trust the CA that issued it? see its log`,
  43: (file) =>
    `the upstream does not accept this kind of certificate: do ${file} and the CAs above it allow client authentication (extended key usage), and does the upstream accept its kind of key?`,
  44: (file) => `the certificate in ${file} has been revoked: have a new one issued`,
  45: (file) =>
    `${file} is within its dates here, so look at the upstream: is its clock right, has its revocation list (CRL) expired, has a CA above ${file}?`,
  46: (file) =>
    `the upstream refuses ${file} without saying why: its log knows; does it trust the CA that issued it, and know every critical extension in it?`,
  48: (file) =>
    `the upstream finds no way from ${file} to a CA that it trusts: is this the certificate for this upstream, is the intermediate CA in the file, after the certificate, and where the upstream checks revocation, does it have a list (CRL) of this CA?`,
  49: (file) =>
    `the upstream knows the certificate in ${file} and denies it access: check its rules for this client`,
  116: (file) =>
    `the upstream saw no client certificate: it does not accept the kind of key or signature that ${file} has`,
};

/** Why the handshake failed. `error` is undefined if the server closed the connection. */
export function handshakeFault(error: Error | undefined, socket: TLSSocket, scene: Scene): Fault {
  if (error instanceof FloodError) return flood(error, scene);
  // declared as an Error, but actually a code or null
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

/** Why the connection ended after a handshake that succeeded on our side. */
export function afterHandshakeFault(error: Error | undefined, scene: Scene): Fault {
  if (error instanceof FloodError) return flood(error, scene);
  const rejected = error === undefined ? undefined : rejection(error, scene);
  if (rejected !== undefined) return rejected;
  return {
    cause: 'closed_after_handshake',
    hint: closingHint(error, scene),
    error: lineOf(error, 'after the handshake'),
  };
}

function closingHint(error: Error | undefined, { target }: Scene): string {
  const alert = alertIn(error);
  if (alert !== undefined) {
    return `the upstream ends the connection with ${nameOfAlert(alert)} once it has ${target.certFile}: see its log`;
  }
  if (error !== undefined && isOpenSslError(error)) {
    return `the handshake is fine, but what comes after it is no TLS that OpenSSL can read: does something on the way change it?`;
  }
  return `the upstream hangs up without a reason once it has ${target.certFile}: look into its log; a TLS proxy does this when it refuses the certificate or has no broker behind it`;
}

/**
 * A broker does not send before it is asked. During a handshake, a peer that sends this much is not sending
 * certificates.
 */
function flood(error: FloodError, { address, upstream }: Scene): Fault {
  const where = hostPort({ host: address, port: upstream.port });
  return {
    cause: 'protocol',
    hint: `${where} sends without end, which no MQTT broker does: check the port in ${upstream.wording.address}`,
    error: errorLine(error),
  };
}

/** The handshake has not finished in time. */
export function handshakeTimeout(ms: number, { address, upstream, hasAnswered }: Scene): Fault {
  const where = hostPort({ host: address, port: upstream.port });
  const progress = hasAnswered ? 'the TLS handshake stopped halfway' : 'no TLS handshake';
  return {
    cause: 'timeout',
    hint: hasAnswered
      ? `${where} answers, but the handshake does not come to its end: is the upstream overloaded, the link slow (TLS_TIMEOUT), or do large packets get lost on the way (MTU)?`
      : `${where} accepts connections but does not speak TLS in time: is this the TLS port (8883), is the upstream overloaded or the link slow (TLS_TIMEOUT)?`,
    error: `${progress} within ${Math.round(ms)} ms`,
  };
}

/**
 * An alert proves a refusal of our certificate only after the server has presented its own: before that it has not seen
 * ours. Alert 40 without a server certificate means that there is no common cipher.
 */
function rejection(error: Error, scene: Scene): Fault | undefined {
  const { seen, target } = scene;
  const alert = alertIn(error);
  if (alert === undefined || !hasShownCertificate(seen)) return undefined;
  const hint = alert === ILLEGAL_PARAMETER ? curveHint(scene) : REJECTIONS[alert]?.(target.certFile);
  if (hint === undefined) return undefined;
  return {
    cause: 'client_cert_rejected',
    hint: `${hint} (${nameOfAlert(alert)})`,
    error: openSslReason(error),
  };
}

/**
 * OpenSSL answers a client certificate of TLS 1.2 whose curve is not among its own groups with this alert (`wrong
 * curve`, ssl/t1_lib.c). With a key on P-256, which every server supports (RFC 8446, 9.1), the alert has another
 * reason. Under TLS 1.3 OpenSSL does not even send a certificate that the server cannot use.
 */
const ILLEGAL_PARAMETER = 47;

function curveHint({ seen, credentials: { keyCurve }, target }: Scene): string | undefined {
  if (keyCurve === undefined || keyCurve === 'prime256v1' || seen.protocol !== 'TLSv1.2') return undefined;
  return `the upstream does not take a key on the curve ${keyCurve}: have ${target.certFile} issued again with a key on P-256 (prime256v1), or RSA`;
}

function sniRejected(error: Error, { upstream, target }: Scene): Fault {
  const said = upstream.sni === '' ? 'without a server name' : `by the name ${upstream.sni}`;
  const hint = `${target.host} does not want to be called ${said}: ${upstream.wording.takeName} that it serves (${nameOfAlert(112)})`;
  return { cause: 'sni_rejected', hint, error: openSslReason(error) };
}

function protocolHint(error: Error | undefined, alert: number | undefined, scene: Scene): string {
  const where = hostPort({ host: scene.address, port: scene.upstream.port });
  const isTooOld = alert === 70 || (alert === 40 && !hasShownCertificate(scene.seen));
  if (isTooOld && scene.upstream.oldestTls === 'TLSv1.3') return tooOldHint(where, alert);
  if (alert === 70)
    return `${where} agrees to no version of TLS from 1.2 on: update the upstream, or look at its TLS settings and at the kind of its key (${nameOfAlert(70)})`;
  if (alert === 40)
    return `${where} and this OpenSSL have no cipher, curve or signature in common, or it has no certificate for the name that it is asked for: look at its TLS settings (${nameOfAlert(40)})`;
  if (alert === 120)
    return scene.upstream.alpn === undefined
      ? `${where} asks for a protocol by ALPN: ${scene.upstream.wording.setAlpn} (${nameOfAlert(120)})`
      : `${where} does not speak the protocol ${scene.upstream.alpn} that it is asked for by ALPN: ${scene.upstream.wording.compareAlpn} (${nameOfAlert(120)})`;
  if (alert !== undefined) return `${where} breaks the handshake off with ${nameOfAlert(alert)}: see its log`;
  if (error !== undefined && isOpenSslError(error)) return refusalHint(openSslReason(error), where, scene);
  if (scene.hasAnswered) {
    return `${where} hangs up in the middle of the handshake: look into its log; it may refuse ${scene.target.certFile}`;
  }
  return `${where} hangs up on the first bytes of TLS: is it the plain port (1883 instead of 8883), or a proxy without a broker behind it?`;
}

/** The bridge, and so the probe, offers TLS 1.3 and nothing else. A server from before 1.3 finds no cipher that it knows. */
function tooOldHint(where: string, alert: number | undefined): string {
  const said = alert === undefined ? '' : ` (${nameOfAlert(alert)})`;
  return `${where} does not take TLS 1.3, and with bridge_tls_version tlsv1.3 the bridge offers nothing else: set it to tlsv1.2, which allows both, or let the upstream speak TLS 1.3${said}`;
}

/** OpenSSL on our side aborts the handshake. */
function refusalHint(reason: string, where: string, { seen, upstream }: Scene): string {
  const isTooOld = /unsupported protocol/i.test(reason);
  if (isTooOld && upstream.oldestTls === 'TLSv1.3') return tooOldHint(where, undefined);
  if (isTooOld) return `${where} speaks no TLS 1.2 or newer: update the upstream or its TLS settings`;
  if (/unsafe legacy renegotiation/i.test(reason))
    return `${where} does not know secure renegotiation (RFC 5746), without which OpenSSL takes no server: update the upstream`;
  if (/excessive message size/i.test(reason))
    return `${where} sends more certificates than OpenSSL takes (100 kB): let it send its own and those of its intermediate CAs`;
  if (/too (small|weak)/i.test(reason))
    return `${where} has a key or parameters that OpenSSL calls too weak: give it RSA 2048 or EC, and DH parameters of 2048 bits`;
  if (!hasShownCertificate(seen) && NO_TLS.test(reason))
    return `what answers at ${where} is not TLS: is the port the TLS port (8883, not 1883)?`;
  return `${where} sends what OpenSSL cannot take: look at the upstream's TLS settings; does something on the way change it?`;
}

/** OpenSSL's errors for bytes that are not a TLS record at all. */
const NO_TLS =
  /wrong version number|packet length too long|http request|record layer failure|wrong ssl version|bad record type/i;

function verificationFault(error: Error, scene: Scene): Fault {
  const code = codeOf(error) ?? '';
  const cause = verificationCause(code);
  return { cause, hint: verificationHint(cause, code, error, scene), error: errorLine(error) };
}

function verificationCause(code: string): ProbeCause {
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'server_cert_expired';
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? 'server_name_mismatch' : 'server_cert_untrusted';
}

function verificationHint(cause: ProbeCause, code: string, error: Error, scene: Scene): string {
  if (cause === 'server_name_mismatch') return nameHint(error, scene);
  if (cause === 'server_cert_expired') return datesHint(code, scene);
  const { seen, target, credentials, serverUsages } = scene;
  const { authorities } = credentials;
  const chain = { trust: trustOf(target), authorities, issuer: seen.server?.issuer, usages: serverUsages };
  return chainHint(code, error.message, chain);
}

function nameHint(error: Error, { upstream }: Scene): string {
  const { takeName, bridgeToo } = upstream.wording;
  const names = isNameMismatch(error) ? error.names : '';
  const sent = `the server's certificate is not for ${upstream.identity}`;
  return names === ''
    ? `${sent}: ${takeName} that it is for, or have it issued again`
    : `${sent} but for ${names}: if this is the right server, ${takeName} that it is for${bridgeToo}`;
}

function datesHint(code: string, { seen, nowMs, target }: Scene): string {
  if (code === 'CERT_NOT_YET_VALID') {
    return `a certificate of ${target.host} is not valid yet: is the clock of this machine right?`;
  }
  if (seen.server !== undefined && seen.server.notAfterMs > nowMs) {
    return `the server's own certificate is within its dates, a CA above it has expired: renew ${trustOf(target)} or the chain that the server sends; is this clock right?`;
  }
  return `the certificate of ${target.host} has to be renewed there; is the clock of this machine right?`;
}

function lineOf(error: Error | undefined, when: string): string {
  return error === undefined ? `the other side closed the connection ${when}` : openSslReason(error);
}
