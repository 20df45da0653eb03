/** Somebody who receives notifications and heartbeats over HTTP, and answers what the test says. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { onTestFinished } from 'vitest';
import type { Issued } from '../../lab/certificates.ts';
import type { OnEnd } from './directory.ts';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly port: number;
  /** in the order in which they came */
  readonly received: readonly Received[];
  /** From now on it answers so. */
  answer: Answer;
}

/** Whoever does not end the response keeps the sender waiting. */
export type Answer = (response: ServerResponse, received: Received) => void;

export function status(code: number, body = '', headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
}

export const OK: Answer = status(200, 'ok');

export const HANGS: Answer = () => undefined;

/** Listens on 127.0.0.1 until the test has finished; over TLS with an identity. */
export async function startReceiver(
  answer: Answer = OK,
  identity?: Issued,
  onEnd: OnEnd = onTestFinished,
): Promise<Receiver> {
  const received: Received[] = [];
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const whole = { method, url, headers, body };
      received.push(whole);
      receiver.answer(response, whole);
    });
  };
  const server =
    identity === undefined
      ? createServer(listener)
      : createTlsServer({ cert: identity.chainPem, key: identity.keyPem }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not on TCP');
  const receiver: Receiver = { port: address.port, received, answer };
  return receiver;
}
