/** Whoever reaches a port of the watcher, or answers when it asks, and means harm: all of them for as long as a test lasts. */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Issued } from '../../lab/certificates.ts';
import type { Rule } from '../../lab/engine-proxy.ts';
import { startTlsServer } from '../../lab/tls-servers.ts';
import { headOfLongMessage, startFakeBroker, stateOf } from './fake-broker.ts';
import type { Stage } from './stage.ts';

const MEGABYTE = 2 ** 20;

/** Clients that each ask two thousand times in advance, read nothing, and come again when they are thrown out. */
export function floodHttp(stage: Stage, port: number, clients: number): void {
  const requests = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000);
  let isOver = false;
  stage.onEnd(() => {
    isOver = true;
  });
  const attack = async () => {
    while (!isOver) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.66' });
      const closed = once(socket, 'close');
      socket.on('error', () => undefined).on('connect', () => socket.pause().write(requests));
      stage.onEnd(() => socket.destroy());
      await closed;
    }
  };
  for (let client = 0; client < clients; client += 1) void attack();
}

/**
 * A broker that retains a message of 60 MB and 30,000 made-up bridges, and after that makes one flap as fast as it is
 * read. Resolves with its port.
 */
export async function startHostileBroker(stage: Stage): Promise<number> {
  const made = Array.from({ length: 30_000 }, (_, index) => stateOf(`made-up-${index}`, '1', true));
  const flaps = Buffer.concat(
    Array.from({ length: 1_000 }, (_, time) => stateOf('n'.repeat(200), String(time % 2))),
  );
  const long = headOfLongMessage(60 * MEGABYTE);
  const piece = Buffer.alloc(MEGABYTE);
  const broker = await startFakeBroker({
    afterwards(socket) {
      const pieces = [long, ...Array.from({ length: 60 }, () => piece), Buffer.concat(made)];
      const next = () => {
        while (!socket.destroyed && socket.write(pieces.shift() ?? flaps));
      };
      socket.on('drain', next);
      next();
    },
  });
  stage.onEnd(broker.close);
  return broker.port;
}

/** An upstream that accepts the client certificate and then sends without end. Resolves with its port. */
export async function startFloodingUpstream(
  stage: Stage,
  identity: Issued,
  trusted: string,
): Promise<number> {
  const chunk = Buffer.alloc(65_536, 'x');
  const server = await startTlsServer(identity, trusted, {}, (socket) => {
    const flood = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', flood);
    flood();
  });
  stage.onEnd(server.close);
  return server.port;
}

/** Every second time that an engine is asked for a container, it answers with 3.8 MB of brackets. */
export function everySecondAnswerDeep(): Rule {
  const body = '['.repeat(1_900_000) + ']'.repeat(1_900_000);
  let asked = 0;
  return ({ method, path }) => {
    if (method !== 'GET' || !/\/containers\/[^/]+\/json/.test(path)) return undefined;
    asked += 1;
    return asked % 2 === 1 ? { kind: 'answer', status: 200, body } : undefined;
  };
}
