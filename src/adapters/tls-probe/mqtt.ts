/** The mqtt phase: logs in as a separate MQTT client, the positive proof that the certificate is accepted. */

import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { generate, writeToStream } from 'mqtt-packet';
import { codeOf } from '../../system/errors.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import { createPacketReader, type Inbound, isConnack, packetName } from '../../system/mqtt-packets.ts';
import { type Explain, onHangUp } from './handshake.ts';
import { type Fault, failed, type Limit, passed, type Step, within } from './step.ts';

// otherwise the first packet creates a buffer for each number up to 65,535 and keeps them: ten megabytes
writeToStream.cacheNumbers = false;

interface Refusal {
  readonly name: string;
  /** what to try */
  readonly advice: string;
}

const CHECK_USERS = 'check its users, ACLs and how it maps certificates and client ids to users';

/** MQTT 3.1.1, table 3.1. */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  1: {
    name: 'unacceptable protocol version',
    advice: 'it does not speak MQTT 3.1.1, so probe with TLS_PROBE_MODE=handshake',
  },
  2: {
    name: 'identifier rejected',
    advice: 'let it accept client ids that begin with mosquitto-cert-watcher-probe-',
  },
  3: { name: 'server unavailable', advice: 'it accepts no logins now: see its log' },
  4: { name: 'bad user name or password', advice: CHECK_USERS },
  5: { name: 'not authorized', advice: CHECK_USERS },
};
const UNKNOWN_REFUSAL: Refusal = { name: 'reserved code', advice: 'look into its log' };
/** The length of a CONNACK, which arrives first: nothing else that a server sends is stored. */
const LONGEST_PACKET = 2;

/** How long the connection is idle before TCP checks whether the peer still knows it. */
const KEEPALIVE_MS = 1_000;

/** DISCONNECT, which makes the broker drop the session without a last will. */
export const FAREWELL = generate({ cmd: 'disconnect' });

/**
 * Sends CONNECT and waits for CONNACK 0. MQTT 3.1.1, because brokers without MQTT 5 close on it; a clean session under
 * a random client id, because using the id of the bridge would disconnect the bridge.
 */
export function logIn(socket: TLSSocket, limit: Limit, explain: Explain): Promise<Step<undefined>> {
  const start = monotonicMs();
  return within<undefined>(
    limit,
    () => failed(silent(limit.ms)),
    (done) => {
      const packets = createPacketReader(LONGEST_PACKET, isConnack);
      const read = (chunk: Buffer) => {
        const { value: first, done: isIncomplete } = packets.read(chunk).next();
        if (isIncomplete !== true) done(judge(first));
      };
      const stopListening = onHangUp(socket, (error) =>
        // no answer for a long time: that is silence, not a hang-up
        done(failed(codeOf(error) === 'ETIMEDOUT' ? silent(monotonicMs() - start) : explain(error))),
      );
      socket.on('data', read);
      // a reset is sent once and may get lost; then we would wait for a server that has already dropped the connection
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

/** The first packet decides, and its fixed header alone if it is not a CONNACK. */
function judge(packet: Inbound): Step<undefined> {
  if (packet.kind === 'malformed') return failed(noMqtt('its first packet has no end'));
  if (packet.kind !== 'packet') {
    const { length } = packet.header;
    return failed(noMqtt(`its first packet is ${packetName(packet.header)} of ${length} bytes, not connack`));
  }
  const code = packet.body[1] ?? 0;
  if (code === 0) return passed(undefined);
  const { name, advice } = REFUSALS[code] ?? UNKNOWN_REFUSAL;
  return failed({
    cause: 'mqtt_refused',
    hint: `the handshake accepts the certificate, but the upstream refuses the login (${name}): ${advice}`,
    error: `connack with return code ${code} (${name})`,
  });
}

function noMqtt(problem: string): Fault {
  return {
    cause: 'protocol',
    hint: 'the handshake is fine, but what answers is no MQTT broker: is this the right port?',
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
