/** The rows of the table that say which certificates are watched. */

import { CERT_ROLES } from '../core/model/settings.ts';
import { entry } from './entry.ts';
import * as parsers from './parsers.ts';

export const CERTIFICATE_ROWS = {
  mosquittoConf: entry(
    'MOSQUITTO_CONF',
    undefined,
    parsers.path,
    "the broker's configuration, at our path: names every set, instead of CERT_DIR",
  ),
  confMap: entry(
    'MOSQUITTO_CONF_MAP',
    undefined,
    parsers.list(parsers.pathPair),
    '`/broker/path:/our/path,...`: where the watcher sees directories of that file',
  ),
  certDir: entry('CERT_DIR', '/certs', parsers.path, 'directory with the three files'),
  incomingDir: entry(
    'INCOMING_DIR',
    undefined,
    parsers.path,
    'where the agent writes: a set comes to CERT_DIR once it is accepted',
  ),
  certRole: entry(
    'CERT_ROLE',
    'bridge',
    parsers.oneOf(CERT_ROLES),
    '`bridge`, or `listener`: fullchain.pem and privkey.pem, no upstream, CA file optional',
  ),
  caCertFile: entry(
    'CA_CERT_FILE',
    'ca.crt',
    parsers.path,
    'the CA certificates that the upstream is verified with',
  ),
  clientCertFile: entry(
    'CLIENT_CERT_FILE',
    'client.crt',
    parsers.path,
    'the client certificate, with its chain',
  ),
  clientKeyFile: entry(
    'CLIENT_KEY_FILE',
    'client.key',
    parsers.path,
    "the client's private key; only the probe opens it",
  ),
} as const;
