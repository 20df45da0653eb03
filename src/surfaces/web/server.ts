/**
 * The HTTP server: a few read-only routes behind limits, so that no slow, greedy or broken client disturbs the watcher.
 * A port that is not available is reported, and tried again; it never throws.
 */

import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Announcement } from '../../core/news/events.ts';
import { hostPort } from '../../core/text/address.ts';
import { timestamp } from '../../core/text/timestamp.ts';
import { codeOf, messageOf } from '../../system/errors.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import { startTimer } from '../../system/timer.ts';
import { type Answer, text } from './answer.ts';
import { createClients } from './clients.ts';
import type { Guard, GuardProblem, GuardTrouble } from './guard.ts';
import type { HttpRequest } from './request.ts';
import { createTurns, type Turns } from './turns.ts';

/** The answer of a path. With an `etag`, an answer that the client already has is not made again. */
export interface Route {
  readonly etag?: () => string;
  /** must not wait for anything outside this process: later clients would wait too */
  readonly answer: () => Answer | Promise<Answer>;
}

export type CreateGuard = (turns: Turns) => Guard;

export interface HttpServerOptions {
  /** undefined: all addresses */
  readonly host: string | undefined;
  readonly port: number;
  readonly routes: ReadonlyMap<string, Route>;
  readonly say: (announcement: Announcement) => void;
  /** undefined: plain HTTP, open to all */
  readonly createGuard?: CreateGuard | undefined;
  /** between two attempts to get the port; 10 s by default */
  readonly retryMs?: number;
}

export interface HttpServer {
  /** Ends listening, every connection and every timer, at once. */
  close(): void;
  /** What is wrong with the guard of a server that keeps running. */
  troubles(): readonly GuardTrouble[];
}

const RETRY_MS = 10_000;

/** A port that stays unavailable is reported again after this time. */
const REPEAT_MS = 3_600_000;

/**
 * How many connections the kernel may hold ready: a few more than are served at the same time. Each is work of 0.2 ms
 * that whoever comes later has to wait for, and the kernel makes them faster than that for a client that only connects.
 * With Node's 511, or with more, others waited longer for their answers.
 */
const MOST_WAITING = 128;

/** Serves `routes`, once the port is available and the guard has its files, until it is closed. */
export function startHttpServer(options: HttpServerOptions): HttpServer {
  const { host, port, routes, say, createGuard, retryMs = RETRY_MS } = options;
  const turns = createTurns();
  const guard = createGuard?.(turns);
  const clients = createClients({ respond: (request) => respond(request, routes), turns, guard });
  // a client that closes its side after the request still wants the answer
  const server = createServer({ allowHalfOpen: true, noDelay: true }, clients.admit);
  const where = hostPort({ host: host ?? '*', port });
  let retry: NodeJS.Timeout | undefined;
  let isClosed = false;
  let said: { readonly error: string; readonly atMs: number } | undefined;

  server.on('listening', () => {
    said = undefined;
    say({ event: 'server_started', details: { address: where, ...boundTo(server), ...guard?.summary } });
  });
  server.on('error', (error) => {
    if (isClosed) return;
    sayFailed(messageOf(error), hintFor(codeOf(error)));
    // an error of a listening server has not ended it; after any other, it tries again
    if (!server.listening) retryLater();
  });
  if (guard === undefined) listen();
  else open(guard);

  function open(guard: Guard) {
    const fail = ({ problem, hint }: GuardProblem) => {
      if (isClosed) return;
      sayFailed(problem, hint);
      retryLater();
    };
    guard.open().then(
      (problem) => (problem === undefined ? listen() : fail(problem)),
      (error) => fail({ problem: messageOf(error), hint: 'please report it and include this line' }),
    );
  }

  function listen() {
    if (!isClosed) server.listen({ port, backlog: MOST_WAITING, ...(host !== undefined && { host }) });
  }

  function retryLater() {
    retry = startTimer(() => (guard === undefined ? listen() : open(guard)), retryMs);
  }

  function sayFailed(error: string, hint: string) {
    const nowMs = monotonicMs();
    if (said?.error === error && nowMs - said.atMs < REPEAT_MS) return;
    said = { error, atMs: nowMs };
    const message = `metrics and status page are not served at ${where}: ${error}; the watcher continues without them and tries again`;
    const details = { address: where, error, next_try: timestamp(Date.now() + retryMs), message };
    say({ event: 'server_failed', details: { ...details, hint } });
  }

  return {
    troubles: () => guard?.troubles() ?? [],
    close: () => {
      isClosed = true;
      clearTimeout(retry);
      server.close();
      clients.close();
      guard?.close();
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

async function respond(request: HttpRequest, routes: ReadonlyMap<string, Route>): Promise<Answer> {
  try {
    return await answerTo(request, routes);
  } catch (error) {
    return text(500, `this page could not be rendered: ${messageOf(error)}`);
  }
}

async function answerTo(
  { method, path, ifNoneMatch }: HttpRequest,
  routes: ReadonlyMap<string, Route>,
): Promise<Answer> {
  const route = routes.get(path);
  if (route === undefined) {
    return text(404, `no such page; there is ${[...routes.keys()].join(', ')}`);
  }
  if (method !== 'GET' && method !== 'HEAD') {
    const refusal = text(405, `${method} is not supported here, only GET and HEAD`);
    return { ...refusal, headers: { Allow: 'GET, HEAD' } };
  }
  const etag = route.etag?.();
  if (etag === undefined) return route.answer();
  if (ifNoneMatch !== undefined && isAmong(etag, ifNoneMatch)) {
    return { status: 304, contentType: '', body: '', headers: { ETag: etag } };
  }
  const answer = await route.answer();
  return { ...answer, headers: { ...answer.headers, ETag: etag } };
}

/**
 * Whether a list of entity tags contains this one, which has no comma in it; weak comparison: RFC 9110, section 13.1.2.
 */
function isAmong(etag: string, list: string): boolean {
  return list.split(',').some((item) => {
    const tag = item.trim();
    return tag === '*' || tag === etag || tag === `W/${etag}`;
  });
}
