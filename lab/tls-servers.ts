/** Small servers for the probe's tests: Node's own TLS, plain TCP with any behaviour, and odd things between. */

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { Worker } from 'node:worker_threads';
import type { Issued } from './certificates.ts';

export interface RunningServer {
  readonly port: number;
  /** Drops every connection and stops listening. */
  close(): Promise<void>;
}

/** A TLS server that demands a client certificate, as an upstream broker does; `trusted` is PEM. */
export function startTlsServer(
  identity: Issued,
  trusted: string,
  options: TlsOptions = {},
  onConnection: (socket: TLSSocket) => void = () => undefined,
  host = '127.0.0.1',
): Promise<RunningServer> {
  const own = { cert: identity.chainPem, key: identity.keyPem, ca: trusted };
  const server = createTlsServer(
    { ...own, requestCert: true, rejectUnauthorized: true, ...options },
    (socket) => {
      // what the probe does to a connection is asserted where it matters, an error must only not be unhandled
      socket.on('error', () => undefined);
      // a socket that is not read from never notices that the other side has gone
      socket.resume();
      onConnection(socket);
    },
  );
  return listen(server, host);
}

export function startTcpServer(
  onConnection: (socket: Socket) => void,
  host = '127.0.0.1',
): Promise<RunningServer> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // a socket that is not read from never notices that the other side has gone
    socket.resume();
    onConnection(socket);
  });
  return listen(server, host);
}

/**
 * Relays to a TLS 1.2 server, but answers the client's second flight, in which its certificate is, in its own way.
 */
export function startSecondFlightRelay(
  serverPort: number,
  answer: (client: Socket) => void,
): Promise<RunningServer> {
  return startRelay(serverPort, (client, server) => {
    server.pipe(client, { end: false });
    client.once('data', (hello) => {
      server.write(hello);
      client.once('data', () => answer(client));
    });
  });
}

/** A fatal alert that is not encrypted (RFC 5246, 7.2), as TLS 1.2 sends it until the keys are changed. */
export function plainAlert(alert: number): Buffer {
  return Buffer.from([0x15, 3, 3, 0, 2, 2, alert]);
}

/** Relays the first `bytes` of what a server says and then keeps still, with the connection open. */
export function startFreezingRelay(serverPort: number, bytes: number): Promise<RunningServer> {
  return startRelay(serverPort, (client, server) => {
    client.pipe(server);
    let left = bytes;
    server.on('data', (chunk) => {
      client.write(chunk.subarray(0, left));
      left = Math.max(0, left - chunk.length);
    });
  });
}

/** Relays, and hands over its side of each client's connection, by which it can be interrupted. */
export function startInterruptibleRelay(
  serverPort: number,
  onClient: (client: Socket) => void,
): Promise<RunningServer> {
  return startRelay(serverPort, (client, server) => {
    server.pipe(client);
    client.pipe(server);
    onClient(client);
  });
}

/** Relays with a delay on the way to the server. */
export function startDelayingRelay(serverPort: number, ms: number): Promise<RunningServer> {
  return startRelay(serverPort, (client, server) => {
    server.pipe(client);
    client.on('data', (chunk) => setTimeout(() => server.write(chunk), ms));
  });
}

function startRelay(
  serverPort: number,
  join: (client: Socket, server: Socket) => void,
): Promise<RunningServer> {
  return startTcpServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    join(client, server);
  });
}

/**
 * A port that swallows connection attempts like a firewall that drops packets: its owner never accepts, and its
 * queue is full, so the kernel drops what else comes.
 */
export async function startBlackHole(): Promise<RunningServer> {
  const blocked = `
    const { parentPort } = require('node:worker_threads');
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });`;
  const worker = new Worker(blocked, { eval: true });
  const [port]: unknown[] = await once(worker, 'message');
  if (typeof port !== 'number') throw new Error('the black hole has no port');
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await once(fillers[0] ?? worker, 'connect');
  return {
    port,
    close: async () => {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}

async function listen(server: Server, host: string): Promise<RunningServer> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: portOf(server),
    close: async () => {
      for (const socket of open) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** The port of 127.0.0.1 on which it listens. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

/** Below the ports that Linux gives to connections and to listeners on port 0 (ip_local_port_range, tcp(7)). */
const RESERVED_PORTS = { first: 20_000, count: 12_000 };

/**
 * A port of loopback on which nothing listens, and which nobody gets who asks for one here or in another process, as
 * long as this one lives: test files that run side by side do not meet on it, however late it is used. No connection
 * goes out from it by chance.
 */
export async function closedPort(): Promise<number> {
  for (;;) {
    const port = RESERVED_PORTS.first + randomInt(RESERVED_PORTS.count);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** By an abstract socket, which only Linux has: it belongs to the network as ports do, and ends with the process (unix(7)). */
async function reserve(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const reservation = createServer().unref();
  return comesToListen(reservation, { path: `\0mosquitto-cert-watcher-port-${port}` });
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  if (!(await comesToListen(server, { port, host: '127.0.0.1' }))) return false;
  server.close();
  await once(server, 'close');
  return true;
}

function comesToListen(server: Server, where: ListenOptions): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('listening', () => resolve(true));
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(where);
  });
}
