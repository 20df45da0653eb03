/** Whose certificates are watched, the names of their files, and the upstream that they are for. */

import { isIP } from 'node:net';
import type { Reader } from './reader.ts';
import { type Entry, TABLE } from './table.ts';

/** As certbot and acme.sh name them. */
const OF_LISTENER = { caCertFile: undefined, clientCertFile: 'fullchain.pem', clientKeyFile: 'privkey.pem' };

/** The names of the files; a listener's set has a CA file only where one is named. */
export function readFiles({ given, read }: Reader) {
  const certRole = read(TABLE.certRole);
  const nameOf = (file: keyof typeof OF_LISTENER) =>
    certRole === 'listener' && given(TABLE[file]) === undefined ? OF_LISTENER[file] : read(TABLE[file]);
  return {
    caCertFile: nameOf('caCertFile'),
    mosquittoConf: read(TABLE.mosquittoConf),
    present: {
      confMap: given(TABLE.confMap) === undefined ? [] : read(TABLE.confMap),
      certDir: read(TABLE.certDir),
      certRole,
      clientCertFile: nameOf('clientCertFile'),
      clientKeyFile: nameOf('clientKeyFile'),
    },
  };
}

/** How the upstream is probed; the set of a listener has none. */
export function readProbe(reader: Reader) {
  const { given, read, complain } = reader;
  const probeEnabled = read(TABLE.probeEnabled);
  const upstream = read(TABLE.upstream);
  if (given(TABLE.mosquittoConf) !== undefined || given(TABLE.confMap) !== undefined) {
    complain(...confProblems(reader));
  } else if (given(TABLE.certRole) === 'listener') {
    complain(...listenerProblems(reader));
  } else if (probeEnabled === true && given(TABLE.upstream) === undefined) {
    complain(
      'UPSTREAM_ADDR is not set; name the broker to probe as host:port, or set ENABLE_TLS_PROBE=false',
    );
  }
  return {
    target: { upstream, tlsSni: read(TABLE.tlsSni) ?? sniOf(upstream?.host), tlsAlpn: read(TABLE.tlsAlpn) },
    present: { probeEnabled, probeMode: read(TABLE.probeMode), probeGate: read(TABLE.probeGate) },
  };
}

/** What the configuration of the broker says cannot be said a second time. */
function confProblems({ given }: Reader): string[] {
  const isUsable = (row: Entry<unknown>) => row.parser.parse(given(row) ?? '') !== undefined;
  const both = [TABLE.mosquittoConf, TABLE.confMap].filter((row) => given(row) !== undefined);
  // what is not usable is told as such
  if (!both.every(isUsable)) return [];
  if (given(TABLE.mosquittoConf) === undefined)
    return ['MOSQUITTO_CONF_MAP is set without MOSQUITTO_CONF; it says where the paths of that are'];
  const { certDir, incomingDir, certRole, caCertFile, clientCertFile, clientKeyFile } = TABLE;
  const { upstream, tlsSni, tlsAlpn } = TABLE;
  return [
    certDir,
    incomingDir,
    certRole,
    caCertFile,
    clientCertFile,
    clientKeyFile,
    upstream,
    tlsSni,
    tlsAlpn,
  ]
    .filter((row) => given(row) !== undefined && isUsable(row))
    .map(
      ({ name }) =>
        `${name} and MOSQUITTO_CONF are set; the configuration of the broker says that: leave ${name} out`,
    );
}

/** Settings that say something about an upstream. */
function listenerProblems({ given }: Reader): string[] {
  return [TABLE.upstream, TABLE.tlsSni, TABLE.tlsAlpn]
    .filter((row) => given(row) !== undefined)
    .map(
      ({ name }) =>
        `${name} and CERT_ROLE=listener are set; the certificate of a listener has no upstream: leave ${name} out, and name the listener in BROKER_URL`,
    );
}

/** TLS has no server name for an address (RFC 6066, section 3). */
function sniOf(host: string | undefined): string | undefined {
  return host === undefined || isIP(host) !== 0 ? undefined : host;
}
