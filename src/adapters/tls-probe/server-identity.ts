/** Whether the server's certificate is for the requested name or address, by the same rules as Mosquitto. */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { printable } from '../../core/text/printable.ts';

/** The code that Node itself gives to this error; the classification relies on it. */
const NAME_MISMATCH = 'ERR_TLS_CERT_ALTNAME_INVALID';
/** How many names of a certificate with thousands of them are shown to an operator. */
const MOST_NAMES_SHOWN = 5;

/** The certificate is for other names than the requested one. */
export interface NameMismatch extends Error {
  readonly code: typeof NAME_MISMATCH;
  /** the names that it is for, safe for a terminal, at most {@link MOST_NAMES_SHOWN} and how many more there are */
  readonly names: string;
}

/** A name of a certificate as Node prints it: `DNS`, `IP Address`, `URI`, `email`, … */
interface AlternativeName {
  readonly type: string;
  readonly value: string;
}

/**
 * An error (code `ERR_TLS_CERT_ALTNAME_INVALID`) unless a Mosquitto bridge accepts the certificate for `identity`. Node
 * calls this only for a certificate whose chain is trusted.
 *
 * The watcher does not know which Mosquitto will connect, and its releases differ, so what either accepts is accepted:
 * the server's name is no property of our set, and refusing it here would hold a rotation that the bridge has no
 * problem with.
 * - 2.1 (lib/tls_mosq.c) leaves it to OpenSSL: X509_check_host() without flags (partial wildcards, every common name if
 *   there is no DNS name) and X509_check_ip() (IP addresses only);
 * - 2.0 compares by itself: also an address with a DNS name or the common name, and before 2.0.16 (Debian 12 has
 *   2.0.11) `*.com`, and `*.localhost` with `localhost`; of several common names only the first. 2.0 also reads a name
 *   only up to a NUL; that is not copied here, because it is another name.
 */
export function verifyServerIdentity(
  identity: string,
  certificate: { readonly raw: Buffer; readonly subject: unknown },
): NameMismatch | undefined {
  const x509 = new X509Certificate(certificate.raw);
  const byOpenssl = isIP(identity) === 0 ? x509.checkHost(identity) : x509.checkIP(identity);
  if (byOpenssl !== undefined) return undefined;
  const alternative = alternativeNames(x509.subjectAltName ?? '');
  const all = commonNames(certificate.subject);
  const common = isIP(identity) === 0 ? all : all.slice(0, 1);
  const dns = alternative.filter(({ type }) => type === 'DNS').map(({ value }) => value);
  // the common name counts only if there is no DNS name (RFC 6125, 6.4.4)
  const candidates = dns.length > 0 ? dns : common.slice(0, 1);
  if (candidates.some((name) => isNameOf(name, identity))) return undefined;
  const addresses = alternative.filter(({ type }) => type === 'IP Address').map(({ value }) => value);
  return mismatch(identity, [...(dns.length > 0 ? dns : common), ...addresses]);
}

export function isNameMismatch(error: Error): error is NameMismatch {
  return 'code' in error && error.code === NAME_MISMATCH && 'names' in error;
}

/**
 * Compares as Mosquitto 2.0 does: case-insensitively, `*.` stands for one label, or for none in a name without a dot.
 */
function isNameOf(name: string, identity: string): boolean {
  const asked = identity.toLowerCase();
  const own = name.toLowerCase();
  if (!own.startsWith('*')) return own === asked;
  return own.startsWith('*.') && own.slice(2) === asked.slice(asked.indexOf('.') + 1);
}

/**
 * Parses Node's text: `DNS:broker.example.com, IP Address:192.0.2.7`. A value with a comma, a quote or a control
 * character is a JSON string there, so that it cannot pose as several.
 */
function alternativeNames(text: string): AlternativeName[] {
  const names: AlternativeName[] = [];
  for (const [, type = '', value = ''] of text.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    names.push({ type, value: value.startsWith('"') ? unquoted(value) : value });
  }
  return names;
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(value));
  } catch {
    // not quoted by Node after all: then it is taken literally
    return value;
  }
}

/** Declared as one text; several common names are a list. */
function commonNames(subject: unknown): string[] {
  if (typeof subject !== 'object' || subject === null || !('CN' in subject)) return [];
  const names: unknown[] = Array.isArray(subject.CN) ? subject.CN : [subject.CN];
  return names.filter((name) => typeof name === 'string');
}

function mismatch(identity: string, all: readonly string[]): NameMismatch {
  const shown = all.slice(0, MOST_NAMES_SHOWN).map(readable);
  const more = all.length - shown.length;
  const names = more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
  const said = names === '' ? 'it has no name at all' : `its names: ${names}`;
  return Object.assign(new Error(`the certificate is not for ${identity}, ${said}`), {
    code: NAME_MISMATCH,
    names,
  } as const);
}

/** A name that contains blanks, control or other unusual characters is quoted: it may look like the requested one. */
function readable(name: string): string {
  return printable(/^[\x21-\x7e]+$/.test(name) ? name : JSON.stringify(name));
}
