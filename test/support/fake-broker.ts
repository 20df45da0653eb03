/** A broker that logs everybody in, and then sends whatever a test wants: over a real socket, byte by byte. */

import { createServer, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';

const LOCAL = '127.0.0.1';

export interface FakeBroker {
  readonly port: number;
  /** how often somebody has connected */
  visits(): number;
  /** connections that are open */
  open(): number;
  /** Sends this to everybody who is there. */
  send(bytes: Uint8Array): void;
  close(): Promise<void>;
}

export interface FakeBrokerOptions {
  /** what answers the first packet, CONNECT; a good CONNACK unless told */
  readonly connack?: Uint8Array;
  /** what answers the second, SUBSCRIBE; a good SUBACK unless told */
  readonly suback?: Uint8Array;
  /** what is done with who has just been answered */
  readonly afterwards?: (socket: Socket) => void;
}

export const CONNACK = generate({ cmd: 'connack', returnCode: 0, sessionPresent: false });
export const SUBACK = generate({ cmd: 'suback', messageId: 1, granted: [0] });

/** What Mosquitto says of a bridge. */
export function stateOf(name: string, payload: string | Buffer, retain = false): Buffer {
  const topic = `$SYS/broker/connection/${name}/state`;
  return generate({ cmd: 'publish', topic, payload, qos: 0, retain, dup: false });
}

/** The fixed header of a retained message of `length` bytes, and the beginning of its topic. */
export function headOfLongMessage(length: number): Buffer {
  const bytes: number[] = [0x31];
  for (let rest = length; ; ) {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
    if (rest === 0) return Buffer.from(bytes);
  }
}

export async function startFakeBroker({
  connack = CONNACK,
  suback = SUBACK,
  afterwards = () => undefined,
}: FakeBrokerOptions = {}): Promise<FakeBroker> {
  let visits = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    visits += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    const answers = [connack, suback];
    socket.on('data', () => {
      const answer = answers.shift();
      if (answer === undefined) return;
      socket.write(answer);
      if (answers.length === 0) afterwards(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, LOCAL, resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    visits: () => visits,
    open: () => sockets.size,
    send(bytes) {
      for (const socket of sockets) socket.write(bytes);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
