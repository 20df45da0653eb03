/** Which upstream is probed with which files, and the names that follow from it. */

import { isIP } from 'node:net';

export interface ProbeTarget {
  /** absolute paths */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** DNS name (a trailing dot is kept for the resolver) or IP address, with or without brackets */
  readonly host: string;
  readonly port: number;
  /** name that is sent (SNI) and verified; undefined or an IP address: none is sent, the address is verified */
  readonly serverName: string | undefined;
  /** one budget in milliseconds for files, DNS, TCP and the handshake */
  readonly timeoutMs: number;
  readonly mode: 'handshake' | 'mqtt';
}

export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** server name indication (RFC 6066, 3: a DNS name without trailing dot, never an address); empty: none */
  readonly sni: string;
  /** what the server's certificate has to be for */
  readonly identity: string;
}

/** The upstream in the forms that resolver, socket, SNI and verification want. */
export function upstreamOf(target: ProbeTarget): Upstream {
  const host = withoutBrackets(target.host);
  // a zone (fe80::1%eth0) belongs to this machine, no certificate names it
  const identity = withoutBrackets(target.serverName ?? host).replace(/\.$|%.*$/, '');
  return { host, port: target.port, sni: isIP(identity) === 0 ? identity : '', identity };
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
