/**
 * HTTP with the container engine, over a unix socket or TCP: every failure is a value, with its cause and what to
 * try. https://docs.docker.com/reference/api/engine/
 */

import { stat } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import * as v from 'valibot';
import type { EngineAnswer, EngineCause, EngineFailure } from '../../core/broker.ts';
import type { EngineEndpoint } from '../../core/settings.ts';
import { codeOf, messageOf } from '../../system/errors.ts';

export interface CallOptions {
  /** cancels the conversation */
  readonly signal?: AbortSignal;
  /** milliseconds for each call, instead of 10 s */
  readonly timeoutMs?: number;
}

/** How long the engine may take for an answer that needs no waiting. */
export const ANSWER_MS = 10_000;

/** No answer to these calls is anywhere near as long. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** An answer of the engine, whatever its status. */
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

  return async (method, path, timeoutMs, signal, content) => {
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
          const reply = (body: string) =>
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
          const chunks: Buffer[] = [];
          let size = 0;
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
        if (content === undefined) outgoing.end();
        else outgoing.setHeader('Content-Type', 'application/json').end(JSON.stringify(content));
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

/**
 * Meets the engine (`GET /_ping`) and says what paths begin with in its own version of the API: engines drop old
 * versions and refuse new ones. Without a version, the path without.
 */
export async function meet(
  call: Call,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<EngineAnswer<string>> {
  const ping = await call('GET', '/_ping', timeoutMs, signal);
  return ping.ok ? { ok: true, value: versionPrefix(ping.value) } : ping;
}

/** The body of an answer by this schema; undefined if it is no JSON, or another value. */
export function bodyAs<T>(body: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(body));
    return result.success ? result.output : undefined;
  } catch {
    // not JSON: another value all the more
    return undefined;
  }
}

function versionPrefix({ status, headers }: Reply): string {
  const version = headers['api-version'];
  return status === 200 && typeof version === 'string' && /^\d+\.\d+$/.test(version) ? `/v${version}` : '';
}

/** An HTTP status that says no. */
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
  if (reply.status >= 500) return failure('engine_error', problem, mayHaveHappened);
  return failure('call_refused', problem, false);
}

/** Docker's and Podman's errors are `{"message": …}`; anything else is shown as it is, cut short. */
function errorText(body: string): string {
  const text = bodyAs(body, v.object({ message: v.string() }))?.message ?? body;
  return text.replace(/\s+/g, ' ').trim().slice(0, 300);
}

/** A failure with the hint of its cause. */
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
  not_a_manager: 'run the watcher on a manager node (in a stack: placement constraint node.role == manager)',
  service_missing: 'check MOSQUITTO_SERVICE (docker service ls); the watcher waits for the service to appear',
  out_of_sequence: 'nothing to do: the service is looked at again',
};
