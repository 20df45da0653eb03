/**
 * The HTTP server: a few read-only routes behind limits, so that no client, slow, greedy or broken, disturbs
 * the watcher. A port that cannot be had is said, and tried again; it never throws.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';
import type { Announcement } from '../core/events.ts';
import { timestamp } from '../core/timestamp.ts';
import { codeOf, messageOf } from '../system/errors.ts';

export interface Answer {
  /** 200 unless told */
  readonly status?: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a path answers. With an `etag`, an answer that the client already has is not made again. */
export interface Route {
  readonly etag?: () => string;
  readonly answer: () => Answer | Promise<Answer>;
}

export interface HttpServerOptions {
  /** undefined: all addresses */
  readonly host: string | undefined;
  readonly port: number;
  readonly routes: ReadonlyMap<string, Route>;
  readonly say: (announcement: Announcement) => void;
  /** between two attempts to get the port; 10 s unless told */
  readonly retryMs?: number;
}

export interface HttpServer {
  /** Ends listening, every connection and every timer, at once. */
  close(): void;
}

const RETRY_MS = 10_000;

/** A port that stays taken is said again after this time. */
const REPEAT_MS = 3_600_000;

/** When more connections are open, the oldest is dropped for the new one: who comes last always gets in. */
const MAX_CONNECTIONS = 100;

const LIMITS = {
  maxHeaderSize: 8 * 1_024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 5_000,
} as const;

/** A connection on which nothing moves for this long is dropped, also one whose client does not read. */
const IDLE_MS = 30_000;

const COMMON_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
} as const;

/** Serves `routes`, as soon as the port can be had, until it is closed. */
export function startHttpServer(options: HttpServerOptions): HttpServer {
  const { host, port, routes, say, retryMs = RETRY_MS } = options;
  const server = createLimitedServer(routes);
  const where = `${host === undefined ? '*' : isIPv6(host) ? `[${host}]` : host}:${port}`;
  let retry: NodeJS.Timeout | undefined;
  let isClosed = false;
  let said: { readonly error: string; readonly atMs: number } | undefined;

  server.on('listening', () => {
    said = undefined;
    say({ event: 'server_started', details: { address: where, ...boundTo(server) } });
  });
  server.on('error', (error) => {
    if (isClosed) return;
    sayFailed(error);
    // an error of a server that listens has not ended it; anything else is tried anew
    if (!server.listening) retry = setTimeout(listen, retryMs);
  });
  listen();

  function listen() {
    server.listen({ port, ...(host !== undefined && { host }) });
  }

  function sayFailed(error: Error) {
    const text = messageOf(error);
    const nowMs = performance.now();
    if (said?.error === text && nowMs - said.atMs < REPEAT_MS) return;
    said = { error: text, atMs: nowMs };
    const message = `metrics and status page are not served at ${where}: ${text}; the watcher goes on without them and tries again`;
    const details = { address: where, error: text, next_try: timestamp(Date.now() + retryMs), message };
    say({ event: 'server_failed', details: { ...details, hint: hintFor(codeOf(error)) } });
  }

  return {
    close: () => {
      isClosed = true;
      clearTimeout(retry);
      server.close();
      server.closeAllConnections();
    },
  };
}

function boundTo(server: Server): { port?: number } {
  const address: AddressInfo | string | null = server.address();
  return address === null || typeof address === 'string' ? {} : { port: address.port };
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program has this port: end it, or choose another METRICS_PORT';
    case 'EACCES':
      return 'this user may not use this port: choose a METRICS_PORT of 1024 or above';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'METRICS_HOST is not an address of this machine: leave it unset for all addresses';
    default:
      return 'check METRICS_HOST and METRICS_PORT';
  }
}

function createLimitedServer(routes: ReadonlyMap<string, Route>): Server {
  const server = createServer(LIMITS, (request, response) => {
    answerTo(request, routes)
      .catch((error): Answer => text(500, `this page cannot be made: ${messageOf(error)}`))
      .then((answer) => send(request, response, answer));
  });
  server.timeout = IDLE_MS;
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size > MAX_CONNECTIONS) oldest?.destroy();
  });
  server.on('clientError', refuse);
  return server;
}

async function answerTo(request: IncomingMessage, routes: ReadonlyMap<string, Route>): Promise<Answer> {
  const [path = '/'] = (request.url ?? '/').split('?', 1);
  const route = routes.get(path);
  if (route === undefined) {
    return text(404, `nothing is here; there is ${[...routes.keys()].join(', ')}`);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const refusal = text(
      405,
      `${request.method} is not possible here, only GET and HEAD: this changes nothing`,
    );
    return { ...refusal, headers: { Allow: 'GET, HEAD' } };
  }
  const etag = route.etag?.();
  if (etag === undefined) return route.answer();
  if (request.headers['if-none-match'] === etag) {
    return { status: 304, contentType: '', body: '', headers: { ETag: etag } };
  }
  const answer = await route.answer();
  return { ...answer, headers: { ...answer.headers, ETag: etag } };
}

/** Plain text with a line end. */
export function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status = 200, contentType, body, headers } = answer;
  // whatever a client sends beside its request is not read, so the connection is of no further use
  const hasBody =
    'transfer-encoding' in request.headers || (request.headers['content-length'] ?? '0') !== '0';
  response.writeHead(status, {
    ...COMMON_HEADERS,
    ...(status !== 304 && { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) }),
    ...(hasBody && { Connection: 'close' }),
    ...headers,
  });
  response.end(request.method === 'HEAD' || status === 304 ? undefined : body);
}

/** What is no HTTP, or too much of it, gets a word and the end of the connection. */
function refuse(error: Error, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const status = REFUSALS[codeOf(error) ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  // a client that goes on sending after the refusal would keep the connection
  socket.destroySoon();
}

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
