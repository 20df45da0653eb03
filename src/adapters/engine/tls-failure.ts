/** Failures of TLS with the engine, for people. */

import type { EngineFailure } from '../../core/model/broker.ts';
import { printable } from '../../core/text/printable.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import { codeOf } from '../../system/errors.ts';
import { errorLine, isOpenSslError, openSslReason } from '../../system/openssl-error.ts';
import { alertIn, nameOfAlert } from '../../system/tls-alerts.ts';
import { failure } from './failure.ts';

/** The certificate that we present to the engine. */
export interface ClientCertificate {
  readonly path: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What is known of a TLS connection that has failed. */
export interface TlsScene {
  readonly host: string;
  /** with the port */
  readonly where: string;
  /** of `DOCKER_CERT_PATH` */
  readonly directory: string;
  /** undefined: not known here */
  readonly client?: ClientCertificate | 'none';
}

/** Nothing was requested from the engine yet. */
export function tlsFailure(problem: string, hint: string): EngineFailure {
  return { ...failure('tls_failed', problem, false), hint };
}

/** OpenSSL's and Node's codes for a certificate that is outside its dates. */
const DATES = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];

/** The engine's certificate has failed our verification. */
function unverified(error: Error, scene: TlsScene): EngineFailure {
  const { host, where, directory } = scene;
  const code = codeOf(error) ?? '';
  const problem = `the engine on ${where} cannot be trusted: ${errorLine(error)}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = namesIn(error);
    const known = names === '' ? '' : ` but for ${names}`;
    return tlsFailure(
      `the certificate of the engine on ${where} is not for ${host}${known}`,
      `let DOCKER_HOST name the engine as its certificate does, or have that issued with ${host} as a subject alternative name`,
    );
  }
  if (DATES.includes(code)) {
    const hint =
      code === 'CERT_HAS_EXPIRED'
        ? 'have the certificate of the engine, or of the CA above it, issued again'
        : 'the certificate of the engine is not valid yet';
    return tlsFailure(problem, `${hint}; is the clock of this machine right?`);
  }
  return tlsFailure(
    problem,
    `is ${directory}/ca.pem the CA that has issued the certificate of the engine (its --tlscert)? has that one been renewed?`,
  );
}

/** Node adds the certificate to this error. */
function namesIn(error: Error): string {
  const certificate = 'cert' in error ? error.cert : undefined;
  if (typeof certificate !== 'object' || certificate === null || !('subjectaltname' in certificate))
    return '';
  return typeof certificate.subjectaltname === 'string' ? printable(certificate.subjectaltname) : '';
}

/**
 * RFC 8446, 6.2, and 40 for servers that are less specific: the alerts of a server that does not accept our
 * certificate.
 */
const REFUSALS = [40, 42, 43, 44, 45, 46, 48, 49, 51, 116];

/** OpenSSL, on our side or the other, has ended the connection with `error`. */
export function brokenOff(error: Error, scene: TlsScene): EngineFailure {
  const { where } = scene;
  const alert = alertIn(error);
  const reason = openSslReason(error);
  if (alert !== undefined && REFUSALS.includes(alert)) {
    return tlsFailure(
      `the engine on ${where} refuses the watcher: ${reason}`,
      `${refusalHint(scene, alert)} (${nameOfAlert(alert)})`,
    );
  }
  const problem = `no TLS with ${where}: ${reason}`;
  if (alert === undefined && NO_TLS.test(reason)) return tlsFailure(problem, plainHint(where));
  return tlsFailure(problem, 'see the log of the engine, and which versions and ciphers of TLS it offers');
}

/** OpenSSL's errors for bytes that are not a TLS record at all. */
const NO_TLS =
  /wrong version number|packet length too long|http request|record layer failure|wrong ssl version|bad record type/i;

function plainHint(where: string): string {
  return `what answers on ${where} is not TLS: is it the plain port (2375, not 2376)? let DOCKER_HOST name the TLS port, or unset DOCKER_TLS_VERIFY`;
}

/** What to try if the engine does not accept what we present. */
function refusalHint(scene: TlsScene, alert?: number): string {
  const { client, directory } = scene;
  if (client === 'none')
    return `it asks for a client certificate: put cert.pem and key.pem into ${directory}`;
  const common = alert === 40 ? ', or do the two have no cipher in common' : '';
  return (
    datesHint(client) ??
    `was ${pathOf(scene)} issued by the CA that the engine trusts (its --tlscacert), for client authentication${common}? see its log`
  );
}

/** Undefined: our certificate is valid now, or unknown. */
function datesHint(client: TlsScene['client']): string | undefined {
  if (client === undefined || client === 'none') return undefined;
  const { path, notBeforeMs, notAfterMs } = client;
  const nowMs = Date.now();
  if (nowMs > notAfterMs) return `${path} expired at ${timestamp(notAfterMs)}: have it issued again`;
  if (nowMs >= notBeforeMs) return undefined;
  return `${path} is not valid before ${timestamp(notBeforeMs)}: wait, or set this machine's clock`;
}

function pathOf({ client, directory }: TlsScene): string {
  return client === undefined || client === 'none' ? `${directory}/cert.pem` : client.path;
}

/** How far a connection had progressed when it ended. */
export interface Progress {
  /** the engine's certificate has failed our verification */
  readonly isUnverified: boolean;
  /** the handshake was done on our side */
  readonly isSecured: boolean;
}

/** The peer has hung up without a TLS alert. Some servers do that to a client with the wrong certificate. */
function hungUp(error: Error | undefined, scene: TlsScene, isSecured: boolean): EngineFailure {
  const { where, client } = scene;
  const how = error === undefined ? 'it closed the connection' : errorLine(error);
  if (isSecured) {
    return tlsFailure(
      `the engine on ${where} closes the connection after the handshake: ${how}`,
      refusalHint(scene),
    );
  }
  const refused = datesHint(client) ?? `if it is, it may refuse ${pathOf(scene)}: see its log`;
  const hint = `is ${where} the TLS port of the engine (2376 by custom)? ${refused}`;
  return tlsFailure(`no TLS with ${where}: ${how} during the handshake`, hint);
}

/** Why there is no TLS connection; `error` is undefined if the peer closed it. */
export function handshakeFailure(
  error: Error | undefined,
  { isUnverified, isSecured }: Progress,
  scene: TlsScene,
): EngineFailure {
  if (error === undefined) return hungUp(undefined, scene, isSecured);
  if (isUnverified) return unverified(error, scene);
  return isOpenSslError(error) ? brokenOff(error, scene) : hungUp(error, scene, isSecured);
}
