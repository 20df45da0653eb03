/** Which upstream is probed with which files, and the names that follow from it. */

import { isIP } from 'node:net';
import type { TlsVersion } from '../../core/model/tls-version.ts';

export interface ProbeTarget {
  /** absolute paths; without a CA file there is a `caPath` */
  readonly caFile: string | undefined;
  /** a directory of CA certificates, which count beside those of the file */
  readonly caPath?: string | undefined;
  readonly certFile: string;
  readonly keyFile: string;
  /** DNS name (a trailing dot is kept for the resolver) or IP address, with or without brackets */
  readonly host: string;
  readonly port: number;
  /** name that is sent (SNI) and verified; undefined or an IP address: none is sent, the address is verified */
  readonly serverName: string | undefined;
  /** the protocol that is asked for by ALPN (RFC 7301); undefined: none */
  readonly alpn?: string | undefined;
  /** the oldest version of TLS that is offered; undefined: 1.2 */
  readonly oldestTls?: TlsVersion | undefined;
  /** the name in the server's certificate is not verified, as with `bridge_insecure true` */
  readonly insecure?: boolean;
  /** files and upstream are those of a `mosquitto.conf`: hints name its lines, and no settings */
  readonly isOfConf?: boolean;
  /** one budget in milliseconds for files, DNS, TCP and the handshake */
  readonly timeoutMs: number;
  readonly mode: 'handshake' | 'mqtt';
}

export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** server name indication (RFC 6066, 3: a DNS name without trailing dot, never an address); empty: none */
  readonly sni: string;
  /** the name or address that the server's certificate has to be for */
  readonly identity: string;
  readonly alpn: string | undefined;
  readonly oldestTls: TlsVersion;
  readonly insecure: boolean;
  readonly wording: Wording;
}

/** What the operator changes, for hints. */
export interface Wording {
  readonly address: string;
  readonly files: string;
  /** continues with `that it is for` */
  readonly takeName: string;
  readonly bridgeToo: string;
  readonly setAlpn: string;
  readonly compareAlpn: string;
}

const OF_SETTINGS: Wording = {
  address: 'UPSTREAM_ADDR',
  files: 'CERT_DIR and the file names',
  takeName: 'set TLS_SNI to a name',
  bridgeToo: ', and the address of the bridge too',
  setAlpn: 'set TLS_ALPN to what bridge_alpn says',
  compareAlpn: 'compare TLS_ALPN with bridge_alpn',
};

const OF_CONF: Wording = {
  address: 'the address of the connection',
  files: 'its path in mosquitto.conf, MOSQUITTO_CONF_MAP and the mount',
  takeName: 'give the connection an address by a name',
  bridgeToo: '',
  setAlpn: 'set bridge_alpn to the one that it speaks',
  compareAlpn: 'set bridge_alpn to the one that it speaks',
};

export function wordingOf({ isOfConf }: Pick<ProbeTarget, 'isOfConf'>): Wording {
  return isOfConf === true ? OF_CONF : OF_SETTINGS;
}

/** Where the CA certificates are, for people. */
export function trustOf({ caFile, caPath }: Pick<ProbeTarget, 'caFile' | 'caPath'>): string {
  return [caFile, caPath].filter((path) => path !== undefined).join(' or ');
}

/** The upstream in the forms that resolver, socket, SNI and verification need. */
export function upstreamOf(target: ProbeTarget): Upstream {
  const host = withoutBrackets(target.host);
  // a zone (fe80::1%eth0) is local to this machine and appears in no certificate
  const identity = withoutBrackets(target.serverName ?? host).replace(/\.$|%.*$/, '');
  return {
    host,
    port: target.port,
    sni: isIP(identity) === 0 ? identity : '',
    identity,
    alpn: target.alpn,
    oldestTls: target.oldestTls ?? 'TLSv1.2',
    insecure: target.insecure === true,
    wording: wordingOf(target),
  };
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
