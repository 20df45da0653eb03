/** Calls to the engine that got no complete answer: why, and what to try. */

import type { EngineCause, EngineFailure } from '../../core/model/broker.ts';
import { type EngineEndpoint, isTls, type TlsEndpoint } from '../../core/model/settings.ts';
import { hostPort } from '../../core/text/address.ts';
import { formatSeconds } from '../../core/text/duration.ts';
import { codeOf, messageOf } from '../../system/errors.ts';
import { stat } from '../../system/file-calls.ts';
import { BadAnswer } from '../../system/http-answer.ts';
import { isOpenSslError } from '../../system/openssl-error.ts';
import { failure, hintOf, TLS_HINT } from './failure.ts';
import { brokenOff } from './tls-failure.ts';

/** The engine has not answered in time. */
export function tooLate(
  endpoint: EngineEndpoint,
  timeoutMs: number,
  mayHaveHappened: boolean,
): EngineFailure {
  const problem = explain('timeout', placeOf(endpoint), formatSeconds(timeoutMs));
  return failure('timeout', problem, mayHaveHappened);
}

/** The caller no longer wants the answer. */
export function abandoned(endpoint: EngineEndpoint): EngineFailure {
  const problem = explain('connection_lost', placeOf(endpoint), 'the call was given up');
  return failure('connection_lost', problem, false);
}

/** How the call, or its connection, ended before its answer was complete. */
export async function lost(
  error: unknown,
  endpoint: EngineEndpoint,
  mayHaveHappened: boolean,
): Promise<EngineFailure> {
  const where = placeOf(endpoint);
  if (isTls(endpoint) && error instanceof Error && isOpenSslError(error)) {
    const scene = { host: endpoint.host, where, directory: endpoint.tls.directory };
    return { ...brokenOff(error, scene), mayHaveHappened };
  }
  const cause = await causeOf(error, endpoint);
  const failed = failure(cause, explain(cause, where, messageOf(error)), mayHaveHappened);
  return { ...failed, hint: tlsHint(error, cause, endpoint) ?? failed.hint };
}

function placeOf(endpoint: EngineEndpoint): string {
  return endpoint.kind === 'unix' ? endpoint.path : hostPort(endpoint);
}

/** RFC 8446, 5.1: the type of a record that is an alert. */
const TLS_ALERT = 0x15;

/**
 * What to try if a plain request was answered by a peer that expects a handshake: with an alert, or by hanging up. Go
 * and nginx answer with status 400 instead, see `refusal` in http.ts.
 */
function tlsHint(error: unknown, cause: EngineCause, endpoint: EngineEndpoint): string | undefined {
  const packet = error instanceof Error && 'rawPacket' in error ? error.rawPacket : undefined;
  if (Buffer.isBuffer(packet) && packet[0] === TLS_ALERT && packet[1] === 0x03) return TLS_HINT;
  if (endpoint.kind !== 'tcp' || cause !== 'connection_lost') return undefined;
  const also = isTls(endpoint) ? refusedHint(endpoint) : PLAIN_HINT;
  return `${hintOf('connection_lost')}. ${also}`;
}

const PLAIN_HINT =
  'A port that awaits TLS hangs up as well: if it does, set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH';

function refusedHint({ tls }: TlsEndpoint): string {
  return `One that does not take the certificate in ${tls.directory} hangs up as well`;
}

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

/** The outcome of a call that got no HTTP answer, for people. */
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
    // it has gone since; all that is known is that it refused us
    return true;
  }
}
