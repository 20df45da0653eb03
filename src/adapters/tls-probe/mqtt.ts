/** The mqtt phase: logs in as an MQTT client of its own, the positive proof that the certificate is accepted. */

import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { generate, type Packet, parser, writeToStream } from 'mqtt-packet';
import { codeOf } from '../../system/errors.ts';
import { errorLine } from '../../system/openssl-error.ts';
import { type Explain, onHangUp } from './handshake.ts';
import { type Fault, failed, type Limit, passed, type Step, within } from './step.ts';

// else the first packet makes a buffer for each number up to 65,535, and keeps them: ten megabytes
writeToStream.cacheNumbers = false;

/** MQTT 3.1.1, table 3.1. */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'unacceptable protocol version',
  2: 'identifier rejected',
  3: 'server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
};
/** A CONNACK has four bytes; a server that sends this much without one is no MQTT broker. */
const MOST_BYTES_BEFORE_CONNACK = 64 * 1024;

/** How long the line is silent before TCP asks whether the other side still knows of the connection. */
const KEEPALIVE_MS = 1_000;

/** DISCONNECT, with which the broker forgets us without a last will. */
export const FAREWELL = generate({ cmd: 'disconnect' });

/**
 * Sends CONNECT and waits for CONNACK 0. MQTT 3.1.1, because brokers without MQTT 5 close on it; a clean session
 * under a random client id, because the id of the bridge would throw the bridge out.
 */
export function logIn(socket: TLSSocket, limit: Limit, explain: Explain): Promise<Step<undefined>> {
  const start = performance.now();
  return within<undefined>(
    limit,
    () => failed(silent(limit.ms)),
    (done) => {
      const read = packetReader(
        (packet) => done(judge(packet)),
        (problem) => done(failed(noMqtt(problem))),
      );
      const stopListening = onHangUp(socket, (error) =>
        // nobody has answered for a long time: that is silence, not a hang-up
        done(failed(codeOf(error) === 'ETIMEDOUT' ? silent(performance.now() - start) : explain(error))),
      );
      socket.on('data', read);
      // a reset is sent once and may get lost; then we would wait for a server that has long forgotten us
      socket.setKeepAlive(true, KEEPALIVE_MS);
      if (socket.writable) socket.write(connectPacket());
      return () => {
        socket.off('data', read);
        stopListening();
      };
    },
  );
}

function connectPacket(): Buffer {
  return generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: `mosquitto-cert-watcher-probe-${randomBytes(6).toString('hex')}`,
    keepalive: 60,
  });
}

function packetReader(onPacket: (packet: Packet) => void, onProblem: (problem: string) => void) {
  const packets = parser({ protocolVersion: 4 });
  packets.on('packet', onPacket);
  packets.on('error', (error: Error) => onProblem(errorLine(error)));
  let bytes = 0;
  return (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_BYTES_BEFORE_CONNACK) return onProblem(`${bytes} bytes without a connack`);
    try {
      packets.parse(chunk);
    } catch (error) {
      // nothing that a server sends may end this process
      onProblem(errorLine(error));
    }
  };
}

function judge(packet: Packet): Step<undefined> {
  if (packet.cmd !== 'connack') return failed(noMqtt(`its first packet is ${packet.cmd}, not connack`));
  const code = packet.returnCode ?? 0;
  if (code === 0) return passed(undefined);
  const name = REFUSALS[code] ?? 'reserved code';
  return failed({
    cause: 'mqtt_refused',
    hint: `the certificate is fine, but the upstream refuses the login (${name}): check its users, ACLs and how it maps certificates to users`,
    error: `connack with return code ${code} (${name})`,
  });
}

function noMqtt(problem: string): Fault {
  return {
    cause: 'protocol',
    hint: 'the handshake is fine, but what answers is no MQTT broker: check the port in UPSTREAM_ADDR',
    error: `no MQTT: ${problem}`,
  };
}

function silent(ms: number): Fault {
  return {
    cause: 'timeout',
    hint: 'the handshake is fine, but the upstream does not answer the login: is it an MQTT broker, and is it overloaded?',
    error: `no connack within ${Math.round(ms)} ms`,
  };
}
