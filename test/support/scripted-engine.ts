/**
 * A container engine whose every answer is written by the test: an HTTP server on a unix socket or on TCP, below
 * HTTP where that is what the test is about.
 *
 *     const engine = await startScriptedEngine({ inspect: json(inspection({ State: { Status: 'exited' } })) });
 *     engine.requests; // ['GET /_ping', 'GET /v1.47/containers/broker/json']
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { EngineEndpoint } from '../../src/core/model/settings.ts';
import { type OnEnd, temporaryDirectory } from './directory.ts';

/** Says to the socket what the engine says; whoever does not end the socket keeps the caller waiting. */
export type Reply = (socket: Socket, request?: string) => void;

export interface Script {
  /** an `Api-Version` of 1.47 unless told */
  readonly ping?: Reply;
  readonly inspect?: Reply;
  readonly restart?: Reply;
}

export interface ScriptedEngine {
  readonly endpoint: EngineEndpoint;
  /** `GET /_ping` and so on, in the order in which they came */
  readonly requests: readonly string[];
  /** Resolves when every caller has gone. */
  allGone(): Promise<void>;
}

/** A running container in the engine's own words, with what differs from it. */
export function inspection({ State = {}, Config = {}, ...rest }: Inspection = {}): object {
  return {
    Id: 'b'.repeat(64),
    Name: '/broker',
    ...rest,
    State: {
      Status: 'running',
      Running: true,
      Paused: false,
      Restarting: false,
      ExitCode: 0,
      StartedAt: '2026-03-01T11:00:00.123456789Z',
      FinishedAt: '0001-01-01T00:00:00Z',
      ...State,
    },
    Config: { Image: 'eclipse-mosquitto:2', ...Config },
  };
}

export interface Inspection {
  readonly Id?: unknown;
  readonly Name?: unknown;
  readonly State?: Readonly<Record<string, unknown>>;
  readonly Config?: Readonly<Record<string, unknown>>;
  readonly HostConfig?: unknown;
  readonly RestartCount?: unknown;
}

/** A whole HTTP answer. */
export function http(status: number, body = '', headers: Readonly<Record<string, string>> = {}): Reply {
  return raw(httpText(status, body, headers));
}

export function httpText(status: number, body = '', headers: Readonly<Record<string, string>> = {}): string {
  const all = { 'Content-Length': `${Buffer.byteLength(body)}`, Connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Said By Script\r\n${lines.join('')}\r\n${body}`;
}

export function json(body: unknown, status = 200): Reply {
  return http(status, JSON.stringify(body), { 'Content-Type': 'application/json' });
}

/** An error as Docker and Podman write it. */
export function refusal(status: number, message: string): Reply {
  return json({ message }, status);
}

/** Bytes as they are, and the end of the connection. */
export function raw(bytes: string): Reply {
  return (socket) => socket.end(bytes);
}

/** Bytes as they are; then silence. */
export function rawAndSilence(bytes: string): Reply {
  return (socket) => void socket.write(bytes);
}

export const silence: Reply = () => undefined;

/** Closes the connection as an engine does that dies. */
export const cut: Reply = (socket) => socket.destroy();

const PONG = http(200, 'OK', { 'Api-Version': '1.47' });

/** Listens until the test has finished, on TCP if told so. Concurrent tests give an `onEnd` of their own. */
export async function startScriptedEngine(
  script: Script = {},
  transport: 'unix' | 'tcp' = 'unix',
  onEnd: OnEnd = onTestFinished,
): Promise<ScriptedEngine> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // what the caller does to a connection is asserted where it matters, an error must only not be unhandled
    socket.on('error', () => undefined);
    let head = '';
    socket.on('data', (chunk) => {
      if (head.includes('\r\n\r\n')) return;
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const request = head.slice(0, head.indexOf(' HTTP/'));
      requests.push(request);
      answer(script, request)(socket, request);
    });
  });
  onEnd(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  if (transport === 'unix') server.listen(join(await temporaryDirectory(onEnd), 'engine.sock'));
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const endpoint: EngineEndpoint =
    typeof address === 'string'
      ? { kind: 'unix', path: address }
      : { kind: 'tcp', host: '127.0.0.1', port: address?.port ?? 0 };
  return {
    endpoint,
    requests,
    allGone: async () => {
      const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));
      await Promise.all([...open].map(closed));
    },
  };
}

/**
 * An engine whose broker restarts at once, and has been running for an hour unless told: what a watcher of it has to be
 * told, and what the engine is asked. The broker has a name of its own, because watchers of one name on one machine see
 * each other, and one of them goes first.
 */
export async function startObedientEngine(
  onEnd: OnEnd,
  { startedAt = new Date(Date.now() - 3_600_000) }: { readonly startedAt?: Date } = {},
) {
  const container = `broker-${randomBytes(4).toString('hex')}`;
  let since = startedAt.toISOString();
  const script: Script = {
    inspect: (socket) => json(inspection({ Name: `/${container}`, State: { StartedAt: since } }))(socket),
    restart: (socket) => {
      since = new Date().toISOString();
      http(204)(socket);
    },
  };
  const { endpoint, requests } = await startScriptedEngine(script, 'tcp', onEnd);
  if (endpoint.kind !== 'tcp') throw new Error('not on TCP');
  const settings = {
    MOSQUITTO_CONTAINER: container,
    DOCKER_HOST: `tcp://${endpoint.host}:${endpoint.port}`,
  };
  return { settings, requests };
}

function answer(
  { ping = PONG, inspect = json(inspection()), restart = http(204) }: Script,
  request: string,
): Reply {
  if (request.endsWith('/_ping')) return ping;
  return request.startsWith('POST ') ? restart : inspect;
}
