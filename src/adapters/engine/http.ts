/**
 * HTTP with the container engine, over a unix socket, TCP or TLS: every failure is a value, with its cause and what to
 * try. https://docs.docker.com/reference/api/engine/
 */

import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import * as v from 'valibot';
import type { EngineAnswer, EngineFailure } from '../../core/model/broker.ts';
import { type EngineEndpoint, isTls, type TlsEndpoint } from '../../core/model/settings.ts';
import { type JsonBounds, parseJson } from '../../system/bounded-json.ts';
import { BadAnswer, boundPreamble } from '../../system/http-answer.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import { startDeadline } from '../../system/timer.ts';
import { lost, tooLate } from './call-failure.ts';
import { failure, TLS_HINT } from './failure.ts';
import type { OpenTls } from './tls.ts';

export interface CallOptions {
  /** cancels the conversation */
  readonly signal?: AbortSignal;
  /** milliseconds for each call, instead of 10 s */
  readonly timeoutMs?: number;
}

/** How long the engine may take for an answer that involves no waiting. */
export const ANSWER_MS = 10_000;

/**
 * The inspection of a container has 10 kB, with the output of its health checks 30 kB; a list has 2 kB per container.
 */
const MAX_BODY_BYTES = 1024 * 1024;

/** Node's own limit, regardless of its flags. */
const MAX_HEADER_BYTES = 16 * 1024;

/** An engine that answers in chunks fills each one; a body in tiny chunks costs more to read than it contains. */
const MAX_CHUNKS = 32_768;

/** The framing of the chunks of a body may not be longer than the body. */
const MAX_BYTES_A_BYTE = 2;

/** An inspection has 9 levels, a service 10. */
const MAX_DEPTH = 64;

/** Engines send some 30 bytes per value; a value costs up to 100 bytes of memory. */
const LEAST_BYTES_A_VALUE = 16;

/** An answer of the engine, with any status. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Makes one call. Every failure is a value, and it always ends. */
export type Call = (
  method: 'GET' | 'POST',
  path: string,
  timeoutMs: number,
  signal?: AbortSignal,
  body?: object,
) => Promise<EngineAnswer<Reply>>;

export interface CallerOptions {
  /** how much of a body is read, instead of 1 MiB */
  readonly maxBodyBytes?: number;
  /** a body that is too long is dropped and the answer has none, instead of being a bad answer */
  readonly isLongBodyDropped?: boolean;
}

/** For calls to the engine at `endpoint`, each on a separate connection. */
export function createCaller(
  endpoint: EngineEndpoint,
  { maxBodyBytes = MAX_BODY_BYTES, isLongBodyDropped = false }: CallerOptions = {},
): Call {
  const line = isTls(endpoint) ? secureLine(endpoint) : plainLine(endpoint);

  return async (method, path, timeoutMs, signal, content) => {
    const startMs = monotonicMs();
    const connection = await line(timeoutMs, signal);
    if (!connection.ok) return connection;
    const exchange = converse(
      { ...connection.value, method, path, maxHeaderSize: MAX_HEADER_BYTES, ...(signal && { signal }) },
      { content, maxBodyBytes, isLongBodyDropped, withinMs: timeoutMs - (monotonicMs() - startMs) },
    );
    try {
      return { ok: true, value: await exchange.reply };
    } catch (error) {
      const mayHaveHappened = method === 'POST' && exchange.isConnected();
      return exchange.isLate()
        ? tooLate(endpoint, timeoutMs, mayHaveHappened)
        : lost(error, endpoint, mayHaveHappened);
    }
  };
}

/** Where a request is sent: to an address, or over an established connection. */
type Line = (timeoutMs: number, signal?: AbortSignal) => Promise<EngineAnswer<RequestOptions>>;

function plainLine(endpoint: EngineEndpoint): Line {
  const target =
    endpoint.kind === 'unix'
      ? { socketPath: endpoint.path, host: 'localhost' }
      : { host: endpoint.host, port: endpoint.port };
  return async () => ({ ok: true, value: { ...target, agent: false } });
}

/** The TLS code is loaded only if it is needed. */
function secureLine(endpoint: TlsEndpoint): Line {
  let open: OpenTls | undefined;
  return async (timeoutMs, signal) => {
    open ??= (await import('./tls.ts')).createTlsLine(endpoint);
    const opened = await open(timeoutMs, signal);
    if (!opened.ok) return opened;
    const { host, port } = endpoint;
    return { ok: true, value: { host, port, createConnection: () => opened.value } };
  };
}

interface ConverseOptions extends Required<CallerOptions> {
  readonly content: object | undefined;
  readonly withinMs: number;
}

interface Exchange {
  /** rejects with what ended it before the answer was complete */
  readonly reply: Promise<Reply>;
  /** the engine may have received the request */
  isConnected(): boolean;
  isLate(): boolean;
}

function converse(
  options: RequestOptions,
  { content, maxBodyBytes, isLongBodyDropped, withinMs }: ConverseOptions,
): Exchange {
  let isConnected = options.createConnection !== undefined;
  let isLate = false;
  const reply = new Promise<Reply>((resolve, reject) => {
    const outgoing = request(options);
    const deadline = startDeadline(() => {
      isLate = true;
      outgoing.destroy(new Error('timeout'));
    }, withinMs);
    outgoing.on('socket', (socket) => socket.once('connect', () => (isConnected = true)));
    outgoing.on('close', deadline.end);
    outgoing.on('error', reject);
    boundPreamble(outgoing, reject);
    outgoing.on('response', (incoming) => {
      const done = (body: string) =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
      const body = createCollector(maxBodyBytes);
      incoming.on('data', (chunk: Buffer) => {
        const isTooMuch = incoming.socket.bytesRead > MAX_BYTES_A_BYTE * maxBodyBytes + MAX_HEADER_BYTES;
        if (!isTooMuch && body.take(chunk)) return;
        if (isLongBodyDropped) done('');
        outgoing.destroy(new BadAnswer('the answer is longer than any engine sends'));
      });
      incoming.on('error', reject);
      incoming.on('end', () => done(body.text()));
    });
    if (content === undefined) outgoing.end();
    else outgoing.setHeader('Content-Type', 'application/json').end(JSON.stringify(content));
  });
  return { reply, isConnected: () => isConnected, isLate: () => isLate };
}

/** Assembles a body. It keeps no chunk: a thousand chunks of one byte take a hundred times their size. */
function createCollector(maxBytes: number) {
  let bytes = Buffer.alloc(0);
  let size = 0;
  let chunks = 0;
  return {
    /** returns false if it is too much */
    take(chunk: Buffer): boolean {
      chunks += 1;
      if (size + chunk.length > maxBytes || chunks > MAX_CHUNKS) return false;
      if (size + chunk.length > bytes.length) {
        const longer = Buffer.alloc(Math.min(maxBytes, Math.max(2 * bytes.length, size + chunk.length)));
        bytes.copy(longer);
        bytes = longer;
      }
      chunk.copy(bytes, size);
      size += chunk.length;
      return true;
    },
    text: () => bytes.toString('utf8', 0, size),
  };
}

/** The body of an answer by this schema; undefined if it is not JSON, or another value. */
export function bodyAs<T>(body: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  const json = parseBody(body);
  if (!json.ok) return undefined;
  const result = v.safeParse(schema, json.value);
  return result.success ? result.output : undefined;
}

/** The JSON of an answer, unless it is not JSON or not of a kind that an engine would write. */
export function parseBody(body: string): ReturnType<typeof parseJson> {
  const bounds: JsonBounds = { depth: MAX_DEPTH, values: 1_000 + body.length / LEAST_BYTES_A_VALUE };
  return parseJson(body, bounds);
}

/** An HTTP status that refuses. */
export function refusal(
  reply: Reply,
  doing: string,
  container: string,
  mayHaveHappened: boolean,
): EngineFailure {
  const said = errorText(reply.body);
  const problem = `${doing} ${container}: HTTP ${reply.status}${said === '' ? '' : `: ${said}`}`;
  if (reply.status === 404 && /no such container/i.test(said)) {
    return failure('container_missing', `there is no container ${container}`, false);
  }
  if (reply.status === 401 || reply.status === 403) return failure('permission_denied', problem, false);
  if (reply.status === 400 && /HTTP request (was sent )?to (an )?HTTPS/i.test(said)) {
    return { ...failure('call_refused', problem, false), hint: TLS_HINT };
  }
  if (reply.status >= 500) return failure('engine_error', problem, mayHaveHappened);
  return failure('call_refused', problem, false);
}

/** Docker's and Podman's errors are `{"message": …}`; anything else is shown as it is, truncated. */
export function errorText(body: string): string {
  const text = bodyAs(body, v.object({ message: v.string() }))?.message ?? body;
  return text.slice(0, 3_000).replace(/\s+/g, ' ').trim().slice(0, 300);
}
