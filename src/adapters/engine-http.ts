/** HTTP to the engine, over a unix socket or TCP: one call, and every way in which it gets no answer. */

import { stat } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { EngineAnswer, EngineCause, EngineFailure } from '../core/broker.ts';
import type { EngineEndpoint } from '../core/settings.ts';
import { codeOf, messageOf } from '../system/errors.ts';

/** No answer to the calls that this program makes is anywhere near as long. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** An answer over HTTP, whatever its status. */
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
) => Promise<EngineAnswer<Reply>>;

export interface CallerOptions {
  /** as much of a body as is read, instead of 4 MiB */
  readonly maxBodyBytes?: number;
  /** a body that is longer is left where it is and the answer has none, instead of being a bad answer */
  readonly isLongBodyDropped?: boolean;
}

/** For calls to the engine at `endpoint`, each on a connection of its own. */
export function createCaller(
  endpoint: EngineEndpoint,
  { maxBodyBytes = MAX_BODY_BYTES, isLongBodyDropped = false }: CallerOptions = {},
): Call {
  const where = endpoint.kind === 'unix' ? endpoint.path : `${endpoint.host}:${endpoint.port}`;
  const target =
    endpoint.kind === 'unix'
      ? { socketPath: endpoint.path, host: 'localhost' }
      : { host: endpoint.host, port: endpoint.port };

  return async (method, path, timeoutMs, signal) => {
    let isConnected = false;
    let isLate = false;
    try {
      const value = await new Promise<Reply>((resolve, reject) => {
        const outgoing = request({ ...target, method, path, agent: false, ...(signal && { signal }) });
        const timer = setTimeout(() => {
          isLate = true;
          outgoing.destroy(new Error('timeout'));
        }, timeoutMs);
        outgoing.on('socket', (socket) => socket.once('connect', () => (isConnected = true)));
        outgoing.on('close', () => clearTimeout(timer));
        outgoing.on('upgrade', (_incoming, socket) => {
          socket.destroy();
          reject(new BadAnswer('it goes over to another protocol'));
        });
        outgoing.on('error', reject);
        outgoing.on('response', (incoming) => {
          const chunks: Buffer[] = [];
          let size = 0;
          const reply = (body: string) =>
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
          incoming.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size <= maxBodyBytes) {
              chunks.push(chunk);
              return;
            }
            if (isLongBodyDropped) reply('');
            outgoing.destroy(new BadAnswer('the answer is longer than any engine sends'));
          });
          incoming.on('error', reject);
          incoming.on('end', () => reply(Buffer.concat(chunks).toString('utf8')));
        });
        outgoing.end();
      });
      return { ok: true, value };
    } catch (error) {
      const cause = isLate ? 'timeout' : await causeOf(error, endpoint);
      const what = isLate ? `${timeoutMs / 1_000} s` : messageOf(error);
      return failure(cause, explain(cause, where, what), method === 'POST' && isConnected);
    }
  };
}

class BadAnswer extends Error {}

async function causeOf(error: unknown, endpoint: EngineEndpoint): Promise<EngineCause> {
  if (error instanceof BadAnswer) return 'bad_answer';
  const code = codeOf(error) ?? '';
  if (code.startsWith('HPE_')) return 'bad_answer';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'socket_missing';
    case 'EACCES':
    case 'EPERM':
      return 'permission_denied';
    case 'ENOTSOCK':
      return 'not_a_socket';
    case 'ECONNREFUSED':
      return (await isSocket(endpoint)) ? 'connection_refused' : 'not_a_socket';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ABORT_ERR':
      return 'connection_lost';
    default:
      return 'unreachable';
  }
}

/** What became of a call that got no HTTP answer, for people. */
function explain(cause: EngineCause, where: string, what: string): string {
  switch (cause) {
    case 'socket_missing':
      return `there is no socket ${where}`;
    case 'not_a_socket':
      return `${where} is not a socket`;
    case 'connection_refused':
      return `nothing listens on ${where}`;
    case 'permission_denied':
      return `this user may not use the socket ${where}`;
    case 'timeout':
      return `the engine on ${where} did not answer within ${what}`;
    case 'connection_lost':
      return `the engine on ${where} closed the connection before its answer was complete (${what})`;
    case 'bad_answer':
      return `what listens on ${where} does not answer as an engine does (${what})`;
    default:
      return `${where} cannot be reached (${what})`;
  }
}

async function isSocket(endpoint: EngineEndpoint): Promise<boolean> {
  if (endpoint.kind !== 'unix') return true;
  try {
    return (await stat(endpoint.path)).isSocket();
  } catch {
    // it has gone since; that it refused us is all there is to say
    return true;
  }
}

/** A failure with the hint that goes with its cause. */
export function failure(cause: EngineCause, problem: string, mayHaveHappened: boolean): EngineFailure {
  return { ok: false, cause, problem, hint: HINTS[cause], mayHaveHappened };
}

const HINTS: Readonly<Record<EngineCause, string>> = {
  socket_missing: 'start the engine, or check DOCKER_SOCK and that the socket is mounted',
  not_a_socket: 'DOCKER_SOCK is not a socket; docker makes a directory of a mount whose source is missing',
  connection_refused: 'nothing listens there: start the engine, and mount its socket anew if it was replaced',
  permission_denied:
    'run the watcher with the group of the socket (stat -c %g), or let the proxy allow the call',
  unreachable: 'check DOCKER_HOST, name resolution and the network',
  container_missing: 'check MOSQUITTO_CONTAINER; the watcher waits for the container to appear',
  call_refused:
    'see what the engine says; a socket proxy has to allow what mosquitto-cert-watcher socket-policy lists',
  engine_error: "see the engine's own log",
  timeout: 'the engine is overloaded or stuck: see its log',
  connection_lost: 'the engine closed the connection: see its log',
  bad_answer: 'check that a Docker Engine or Podman API listens there',
};
