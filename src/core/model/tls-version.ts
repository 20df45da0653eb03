/** What `tls_version` and `bridge_tls_version` of a `mosquitto.conf` allow: all versions from one on, never up to one. */

/** As `node:tls` names it. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

const OLDEST: ReadonlyMap<string | undefined, TlsVersion> = new Map([
  [undefined, 'TLSv1.2'],
  // 2.0 lets TLS 1.1 in with this one, which OpenSSL 3 does not speak at the security levels that it is built with
  ['tlsv1.1', 'TLSv1.2'],
  ['tlsv1.2', 'TLSv1.2'],
  ['tlsv1.3', 'TLSv1.3'],
]);

/** The oldest version that is spoken; undefined: Mosquitto does not know this value, which has to be in lower case. */
export function oldestVersion(value: string | undefined): TlsVersion | undefined {
  return OLDEST.get(value);
}

/** `TLS 1.2 or newer`, for people. */
export function versionsFrom(oldest: TlsVersion): string {
  return oldest === 'TLSv1.3' ? 'TLS 1.3 only' : 'TLS 1.2 or newer';
}
