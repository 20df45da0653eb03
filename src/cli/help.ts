/** The help text: usage, commands, every setting, and an example that works as it stands. */

import { shownDefault, TABLE } from '../config/table.ts';

export function helpText(): string {
  const rows = Object.values(TABLE);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const settings = rows.map((row) => {
    const meaning = row.meaning.replaceAll('`', '');
    return `  ${row.name.padEnd(width)}  ${meaning}\n  ${' '.repeat(width)}  [${shownDefault(row)}]`;
  });
  return `mosquitto-cert-watcher restarts a Mosquitto container once when its bridge certificates
have been renewed, and proves that it came back

usage:
  mosquitto-cert-watcher [run] [--config FILE]    watch and restart, for ever
  mosquitto-cert-watcher check [--json]           one look at everything; changes nothing
  mosquitto-cert-watcher probe [--json]           one TLS probe of the upstream, with its verdict
  mosquitto-cert-watcher socket-policy [--json]   what a proxy has to let through to the engine, for HAProxy
  mosquitto-cert-watcher healthcheck              asks the daemon whether it is alive (ENABLE_METRICS)
  mosquitto-cert-watcher --version
  mosquitto-cert-watcher --help

settings are environment variables; the same keys in lower case may stand in a JSON file
given by --config; the environment wins [default]:
${settings.join('\n')}

exit codes:
  0  stopped by SIGTERM or SIGINT
  2  a setting, a command or a flag is not usable
  check: 0 ok, 1 warning, 2 critical, 3 unknown
  probe: 0 accepted, 1 failed; healthcheck: 0 alive or nothing to ask, 1 not

example:
  CERT_DIR=/etc/mosquitto/certs MOSQUITTO_CONTAINER=mosquitto UPSTREAM_ADDR=broker.example.com:8883 \\
    mosquitto-cert-watcher
`;
}
