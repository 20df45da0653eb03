/** Whether the HTTP server uses TLS: the combination of several settings. */

import type { ServerTls } from '../core/model/settings.ts';

export interface ServerTlsSettings {
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly clientCaFile: string | undefined;
}

export interface ServerTlsResult {
  /** undefined: plain HTTP, or there is a problem */
  readonly tls: ServerTls | undefined;
  readonly problems: readonly string[];
}

/** A server that is configured for TLS never falls back to plain HTTP. */
export function serverTlsOf({ certFile, keyFile, clientCaFile }: ServerTlsSettings): ServerTlsResult {
  const problem = (text: string): ServerTlsResult => ({ tls: undefined, problems: [text] });
  if (certFile !== undefined && keyFile !== undefined) {
    return { tls: { certFile, keyFile, clientCaFile }, problems: [] };
  }
  if (certFile !== undefined) {
    return problem(
      'METRICS_TLS_CERT_FILE is set without METRICS_TLS_KEY_FILE; name the key of the certificate too',
    );
  }
  if (keyFile !== undefined) {
    return problem(
      'METRICS_TLS_KEY_FILE is set without METRICS_TLS_CERT_FILE; name the certificate of the key too',
    );
  }
  if (clientCaFile !== undefined) {
    return problem(
      'METRICS_CLIENT_CA_FILE is set without METRICS_TLS_CERT_FILE, and without TLS there are no client certificates; set METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE too',
    );
  }
  return { tls: undefined, problems: [] };
}
