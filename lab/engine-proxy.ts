/** A proxy in front of a real engine that mistreats chosen calls: late, lost, refused, garbled. */

import { chmod, chown, rm } from 'node:fs/promises';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { RUNNING_CONTAINERS, unneededPaths } from '../src/core/engine/calls.ts';
import { settings } from './core-fixtures.ts';

export interface ProxiedCall {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
}

export type Fault =
  /** the engine does it, and its answer comes this much later */
  | { readonly kind: 'late'; readonly ms: number }
  /** the engine never hears of it */
  | { readonly kind: 'cut before' }
  /** the engine does it, and its answer is lost */
  | { readonly kind: 'cut after' }
  /** the engine does it, and half of its answer arrives */
  | { readonly kind: 'truncated' }
  /** the engine never hears of it, and this is the answer */
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** the engine does it, and this is the answer */
  | { readonly kind: 'done, but says'; readonly status: number; readonly body: string }
  /** the engine does this instead, and the connection is cut */
  | { readonly kind: 'instead'; readonly method: string; readonly path: string }
  /** these bytes, which may be anything, and the end */
  | { readonly kind: 'raw'; readonly bytes: string }
  /** no answer at all */
  | { readonly kind: 'silence' };

export type Rule = (call: ProxiedCall) => Fault | undefined;

export interface EngineProxy {
  /** What is asked of a call from now on; undefined: everything passes. */
  setRule(rule: Rule | undefined): void;
  /** Every call so far, but for those by which a watcher finds out what the socket grants, and who else is there. */
  readonly calls: readonly ProxiedCall[];
  /** The calls that ask for a restart. */
  restartCalls(): readonly ProxiedCall[];
  /** of a proxy on TCP */
  readonly port: number;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** the real engine */
  readonly target: string;
  /** a socket to listen on; without one, a free port of 127.0.0.1 */
  readonly socketPath?: string;
  /** owner and mode of that socket */
  readonly access?: { readonly uid: number; readonly gid: number; readonly mode: number };
}

/** A rule for the restart call alone. */
export function onRestart(fault: Fault): Rule {
  return (call) => (isRestart(call) ? fault : undefined);
}

/** Starts a proxy. A path that is taken by the socket of an earlier proxy is taken over. */
export async function startEngineProxy({ target, socketPath, access }: ProxyOptions): Promise<EngineProxy> {
  const calls: ProxiedCall[] = [];
  let rule: Rule | undefined;
  const server = createServer((incoming, outgoing) => {
    const call = { method: incoming.method ?? '', path: incoming.url ?? '', atMs: Date.now() };
    if (!isTrial(call)) calls.push(call);
    serve(target, incoming, outgoing, isTrial(call) ? undefined : rule?.(call)).catch(() =>
      incoming.socket.destroy(),
    );
  });
  if (socketPath !== undefined) await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    if (socketPath === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(socketPath, resolve);
  });
  if (socketPath !== undefined && access !== undefined) {
    await chown(socketPath, access.uid, access.gid);
    await chmod(socketPath, access.mode);
  }
  return {
    setRule: (next) => {
      rule = next;
    },
    calls,
    restartCalls: () => calls.filter(isRestart),
    port: socketPath === undefined ? portOf(server.address()) : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const TRIALS = [...unneededPaths(settings()), RUNNING_CONTAINERS];

/** They come beside the loop, at any time: what is counted and mistreated is what the loop does. */
function isTrial({ method, path }: ProxiedCall): boolean {
  return method === 'GET' && TRIALS.includes(path.replace(/^\/v1\.\d+/, ''));
}

function isRestart({ method, path }: ProxiedCall): boolean {
  return method === 'POST' && path.includes('/restart');
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function serve(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  const { method = 'GET', url: path = '/' } = incoming;
  const { socket } = incoming;
  const forwarded = () => forward(target, method, path);
  switch (fault?.kind) {
    case 'silence':
      return;
    case 'cut before':
      socket.destroy();
      return;
    case 'raw':
      socket.end(fault.bytes);
      return;
    case 'answer':
      outgoing.writeHead(fault.status, { 'content-type': 'application/json' }).end(fault.body);
      return;
    case 'done, but says':
      await forwarded();
      outgoing.writeHead(fault.status, { 'content-type': 'application/json' }).end(fault.body);
      return;
    case 'instead':
      await forward(target, fault.method, fault.path);
      socket.destroy();
      return;
    case 'cut after':
      await forwarded();
      socket.destroy();
      return;
    case 'truncated': {
      const { body } = await forwarded();
      const half = body.subarray(0, Math.floor(body.length / 2)).toString('latin1');
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 2}\r\n\r\n${half}`);
      return;
    }
    case 'late': {
      const reply = await forwarded();
      setTimeout(() => answer(outgoing, reply), fault.ms);
      return;
    }
    case undefined:
      answer(outgoing, await forwarded());
  }
}

function answer(outgoing: ServerResponse, { status, headers, body }: Reply) {
  const { 'transfer-encoding': _chunked, connection: _connection, ...kept } = headers;
  outgoing.writeHead(status, kept).end(body);
}

/** Asks the engine, whether or not the caller still waits. The calls of the watcher have no bodies. */
function forward(target: string, method: string, path: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: target, host: 'localhost', method, path, agent: false });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 502,
          headers: incoming.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    outgoing.end();
  });
}
