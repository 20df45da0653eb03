/** Proof that a broker is up: an MQTT login, which over TLS also shows the certificate that the broker has loaded. */

import { randomBytes } from 'node:crypto';
import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { generate, parser } from 'mqtt-packet';

/** Where a broker listens: a loopback port or a unix socket. */
export interface MqttAddress {
  readonly at: { readonly port: number } | { readonly path: string };
  readonly tls: boolean;
}

/** What a broker showed of itself. */
export interface Greeting {
  /** common name of the certificate that the broker has loaded; undefined without TLS */
  readonly commonName: string | undefined;
}

const ANSWER_MS = 2_000;
const RETRY_MS = 100;

/**
 * Logs in to the broker and out again. One that is just starting is tried again until `patienceMs` have
 * passed; then the last error is thrown. `signal` ends it at once, with its reason.
 */
export async function greetBroker(
  address: () => MqttAddress,
  patienceMs: number,
  signal: AbortSignal,
): Promise<Greeting> {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await greetOnce(address(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (performance.now() >= endMs) throw error;
      await sleep(RETRY_MS);
    }
  }
}

function greetOnce({ at, tls }: MqttAddress, signal: AbortSignal): Promise<Greeting> {
  const target: NetConnectOpts = 'port' in at ? { ...at, host: '127.0.0.1' } : at;
  const socket = tls
    ? // the broker shows a client certificate of a private authority: it is looked at, not trusted
      connectTls({ ...target, rejectUnauthorized: false })
    : createConnection(target);
  return new Promise<Greeting>((resolve, reject) => {
    const packets = parser({ protocolVersion: 4 });
    const giveUp = () => socket.destroy(new Error('the demo ends'));
    signal.addEventListener('abort', giveUp, { once: true });
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('the broker does not answer')));
    socket.on('error', reject);
    socket.on('close', () => {
      signal.removeEventListener('abort', giveUp);
      reject(new Error('the broker closed the connection'));
    });
    socket.on(tls ? 'secureConnect' : 'connect', () => socket.write(connectPacket()));
    socket.on('data', (chunk: Buffer) => packets.parse(chunk));
    packets.on('error', (error: Error) => socket.destroy(error));
    packets.on('packet', (packet) => {
      if (packet.cmd !== 'connack' || packet.returnCode !== 0) {
        socket.destroy(new Error(`the broker answered the login with ${packet.cmd}`));
        return;
      }
      resolve({ commonName: commonNameOf(socket) });
      socket.end(generate({ cmd: 'disconnect' }));
    });
  }).finally(() => socket.destroy());
}

function connectPacket(): Buffer {
  const clientId = `demo-${randomBytes(6).toString('hex')}`;
  return generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId,
    keepalive: 10,
  });
}

function commonNameOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' ? name : undefined;
}
