/**
 * The runtime with the calls of an idle watcher and none of its code: what a watcher in Node.js cannot go below. It looks
 * at the files and their directory every five seconds, asks the engine once, makes a handshake with the upstream each
 * minute, and answers on METRICS_PORT if that is set.
 */

import { readFileSync, stat } from 'node:fs';
import { createServer, get } from 'node:http';
import { join } from 'node:path';
import { connect } from 'node:tls';

const LOOK_EVERY_MS = 5_000;
const PROBE_EVERY_MS = 60_000;
/** How long a probe stays, to see whether it is accepted. */
const SETTLE_MS = 500;
/** About as long as what the watcher says of itself. */
const METRICS = 'x'.repeat(8_000);

const {
  CERT_DIR: directory = '',
  DOCKER_SOCK: socketPath = '',
  UPSTREAM_ADDR: upstream = '',
  METRICS_PORT: port,
} = process.env;
const [ca, cert, key] = ['ca.crt', 'client.crt', 'client.key'].map((name) => join(directory, name));

function look() {
  for (const path of [directory, ca, cert, key]) stat(path ?? '', { bigint: true }, () => undefined);
}

function probe() {
  const [host, port] = upstream.split(':');
  const [trusted, chain, secret] = [ca, cert, key].map((path) => readFileSync(path ?? ''));
  const socket = connect({ host, port: Number(port), ca: trusted, cert: chain, key: secret }, () =>
    setTimeout(() => socket.destroy(), SETTLE_MS),
  );
}

look();
probe();
get({ socketPath, path: '/_ping' }, (answer) => answer.resume());
setInterval(look, LOOK_EVERY_MS);
setInterval(probe, PROBE_EVERY_MS);
if (port !== undefined) createServer((_, answer) => answer.end(METRICS)).listen(Number(port), '127.0.0.1');
