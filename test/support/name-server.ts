/** A name server that knows one IPv4 address for every name, at an address of loopback of its own. Needs root: port 53. */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface NameServer {
  readonly address: string;
  /** resolves when it has been asked something */
  readonly asked: Promise<unknown>;
  close(): void;
}

const TYPE_A = 1;
const HEADER_BYTES = 12;

/** Starts it with the address that it answers. Without one it hears every question and says nothing. */
export async function startNameServer(answer?: string): Promise<NameServer> {
  const address = `127.53.${randomInt(256)}.${randomInt(1, 255)}`;
  const server = createSocket('udp4');
  const asked = once(server, 'message');
  server.on('message', (query, { port, address: from }) => {
    if (answer !== undefined) server.send(reply(query, answer), port, from);
  });
  server.bind(53, address);
  await once(server, 'listening');
  return { address, asked, close: () => server.close() };
}

/** The address to a question for it; to every other question, that there is nothing (RFC 1035, 4.1). */
function reply(query: Buffer, address: string): Buffer {
  const nameEnd = query.indexOf(0, HEADER_BYTES) + 1;
  const question = query.subarray(HEADER_BYTES, nameEnd + 4);
  const isForAddress = query.readUInt16BE(nameEnd) === TYPE_A;
  const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, isForAddress ? 1 : 0, 0, 0, 0, 0]);
  query.copy(header, 0, 0, 2);
  // a pointer to the name in the question, type A, class IN, a minute, four bytes
  const record = Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4]);
  const bytes = Buffer.from(address.split('.').map(Number));
  return Buffer.concat([header, question, ...(isForAddress ? [record, bytes] : [])]);
}
