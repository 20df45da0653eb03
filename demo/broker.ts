/**
 * The demo's broker, run as a process of its own: an MQTT server that, as Mosquitto does, reads its certificates
 * once, at its start. With certificates it listens with TLS and shows them; without, in plain text.
 *
 *     node demo/broker.ts DIRECTORY
 */

import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';

/** Sent to the parent process once the broker listens. */
export interface BrokerReady {
  readonly port: number;
  readonly tls: boolean;
}

// as a container's main process: the parent decides when it ends, not a key pressed in the terminal
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => process.exit(0));
// a parent that was killed could not tell us to end
process.on('disconnect', () => process.exit(0));

const broker = await Aedes.createBroker();
const { server, tls } = listenerFor(process.argv[2] ?? '.', (socket) => {
  // what a client does to its connection is its own affair
  socket.on('error', () => undefined);
  broker.handle(socket);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.send?.({ port, tls } satisfies BrokerReady);
});

function listenerFor(
  directory: string,
  onClient: (socket: Socket) => void,
): { readonly server: Server; readonly tls: boolean } {
  const [cert, key] = [join(directory, 'client.crt'), join(directory, 'client.key')];
  if (!existsSync(cert) || !existsSync(key)) return { server: createServer(onClient), tls: false };
  const identity = { cert: readFileSync(cert), key: readFileSync(key) };
  return { server: createTlsServer(identity, onClient), tls: true };
}
