/**
 * A verified TLS connection to the engine, with the files of `DOCKER_CERT_PATH`. Loaded only if `DOCKER_TLS_VERIFY` is
 * set.
 */

import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { EngineAnswer } from '../../core/model/broker.ts';
import type { TlsEndpoint } from '../../core/model/settings.ts';
import { hostPort } from '../../core/text/address.ts';
import { formatSeconds } from '../../core/text/duration.ts';
import { type Deadline, startDeadline } from '../../system/timer.ts';
import { abandoned, lost, tooLate } from './call-failure.ts';
import { failure } from './failure.ts';
import { handshakeFailure, type TlsScene } from './tls-failure.ts';
import { createTlsFiles, type TlsFiles } from './tls-files.ts';

/**
 * Makes one connection within `timeoutMs`. Every failure is a value, and means that nothing was requested from the
 * engine.
 */
export type OpenTls = (timeoutMs: number, signal?: AbortSignal) => Promise<EngineAnswer<TLSSocket>>;

/**
 * In TLS 1.3 the server judges our certificate after our handshake is done (RFC 8446, 4.4.2.4). A ticket shows that it
 * has accepted it; a server that sends none counts as having accepted it after this time.
 */
const VERDICT_MS = 250;

/** Connections to the engine at `endpoint`, each with the files in their current state. */
export function createTlsLine(endpoint: TlsEndpoint): OpenTls {
  const readFiles = createTlsFiles(endpoint.tls.directory);
  return (timeoutMs, signal) =>
    new Promise((resolve) => {
      let attempt: Attempt | undefined;
      let isOver = false;
      const finish = (answer: EngineAnswer<TLSSocket>) => {
        if (isOver) return;
        isOver = true;
        deadline.end();
        signal?.removeEventListener('abort', abort);
        attempt?.end();
        if (!answer.ok) attempt?.socket.destroy();
        resolve(answer);
      };
      const abort = () => finish(abandoned(endpoint));
      const deadline = startDeadline(() => finish(outOfTime(endpoint, attempt, timeoutMs)), timeoutMs);
      signal?.addEventListener('abort', abort);
      if (signal?.aborted === true) return abort();
      const start = async () => {
        const files = await readFiles();
        if (isOver) return;
        if (files.ok) attempt = begin(endpoint, files.value, finish);
        else finish(files);
      };
      start().catch(async (error: unknown) => finish(await lost(error, endpoint, false)));
    });
}

interface Attempt {
  readonly socket: TLSSocket;
  /** the TCP connection is established */
  isConnected(): boolean;
  /** Removes its listeners and its deadline. */
  end(): void;
}

function begin(
  endpoint: TlsEndpoint,
  { context, client }: TlsFiles,
  finish: (answer: EngineAnswer<TLSSocket>) => void,
): Attempt {
  const { host, port, tls } = endpoint;
  // an address must not be sent as a name (RFC 6066, 3); it is verified all the same
  const servername = isIP(host) === 0 ? host : '';
  const socket = connect({ host, port, servername, secureContext: context, rejectUnauthorized: true });
  // a late error does not matter, but without a listener it would end the process
  socket.on('error', () => undefined);
  const scene: TlsScene = { host, where: hostPort(endpoint), directory: tls.directory, client };
  let isConnected = false;
  let isSecured = false;
  let verdict: Deadline | undefined;
  const accepted = () => finish({ ok: true, value: socket });
  const secured = () => {
    isSecured = true;
    if (socket.getProtocol() !== 'TLSv1.3') return accepted();
    verdict = startDeadline(accepted, VERDICT_MS);
    // not at once: the event is emitted during a read, when nothing may be written
    socket.once('session', () => setImmediate(accepted));
  };
  const failed = (error: Error | undefined) => {
    const isUnverified = error !== undefined && Boolean(socket.authorizationError);
    if (isConnected) finish(handshakeFailure(error, { isUnverified, isSecured }, scene));
    else lost(error, endpoint, false).then(finish);
  };
  const hungUp = () => failed(undefined);
  socket.once('connect', () => (isConnected = true));
  socket.once('secureConnect', secured).once('error', failed).once('end', hungUp).once('close', hungUp);
  return {
    socket,
    isConnected: () => isConnected,
    end() {
      verdict?.end();
      socket.off('secureConnect', secured).off('error', failed).off('end', hungUp).off('close', hungUp);
    },
  };
}

function outOfTime(
  endpoint: TlsEndpoint,
  attempt: Attempt | undefined,
  timeoutMs: number,
): EngineAnswer<TLSSocket> {
  const where = hostPort(endpoint);
  const within = `within ${formatSeconds(timeoutMs)}`;
  if (attempt === undefined) {
    const hint = 'the file system with the certificates does not answer: is it a network mount that is down?';
    return { ...failure('timeout', `${endpoint.tls.directory} could not be read ${within}`, false), hint };
  }
  if (!attempt.isConnected()) return tooLate(endpoint, timeoutMs, false);
  const hint = 'is that the TLS port of the engine (2376 by custom)? is the engine overloaded or stuck?';
  return { ...failure('timeout', `no TLS handshake with ${where} ${within}`, false), hint };
}
