/** The tls and settle phases: the handshake, and the time after it in which a TLS 1.3 refusal arrives. */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { monotonicMs } from '../../system/monotonic.ts';
import { type Fault, failed, type Limit, passed, type Step, within } from './step.ts';

/**
 * How much a server may send in one probe, in bytes on the wire. OpenSSL accepts certificates of 100 kB at most, and a
 * broker sends nothing unasked: a peer that sends more than this is not a broker.
 */
const MOST_BYTES = 512 * 1024;
/** The server has sent more than {@link MOST_BYTES}. */
export class FloodError extends Error {
  constructor() {
    super(`more than ${MOST_BYTES / 1024} kB have come where a broker keeps still`);
  }
}

/**
 * Destroys the TLS connection, with a {@link FloodError}, once more than {@link MOST_BYTES} have arrived over `tcp`,
 * including records that never surface as data: tickets, renegotiation. Call the returned function when the connection
 * is no longer used.
 */
export function stopFlood(tcp: Socket, socket: TLSSocket): () => void {
  const look = () => {
    if (tcp.bytesRead > MOST_BYTES && !socket.destroyed) socket.destroy(new FloodError());
  };
  const lookAtData = () => socket.on('data', look);
  let turn = afterTurn(lookAgain);
  function lookAgain() {
    look();
    turn = afterTurn(lookAgain);
  }
  // a data listener makes a socket flow, so this one waits until something else wants the data
  socket.once('resume', lookAtData);
  return () => {
    clearImmediate(turn);
    socket.off('resume', lookAtData).off('data', look);
  };
}

/**
 * Calls `run` once the event loop has woken up and read what was available. An unreferenced immediate does not itself
 * wake the loop, unlike a referenced one or a timer, which would wake it repeatedly while nothing arrives.
 */
function afterTurn(run: () => void): NodeJS.Immediate {
  return setImmediate(run).unref();
}

/** Turns the end of a connection (without an error: the server closed it) into a fault. */
export type Explain = (error: Error | undefined) => Fault;

/** Reports the first error, end or close of a socket; the returned function stops listening. */
export function onHangUp(socket: TLSSocket, report: (error: Error | undefined) => void): () => void {
  const onError = (error: Error) => report(error);
  const onEnd = () => report(undefined);
  socket.on('error', onError).on('end', onEnd).on('close', onEnd);
  // it may have happened between two phases
  if (socket.destroyed) report(socket.errored ?? undefined);
  return () => socket.off('error', onError).off('end', onEnd).off('close', onEnd);
}

/**
 * Waits for a connected socket to finish the TLS handshake with a server that it trusts; resolves with the
 * milliseconds.
 */
export function shakeHands(
  socket: TLSSocket,
  limit: Limit,
  explain: Explain,
  onTimeout: () => Fault,
): Promise<Step<number>> {
  const start = monotonicMs();
  return within<number>(
    limit,
    () => failed(onTimeout()),
    (done) => {
      const secured = () => done(passed(monotonicMs() - start));
      socket.once('secureConnect', secured);
      const stopListening = onHangUp(socket, (error) => done(failed(explain(error))));
      return () => {
        socket.off('secureConnect', secured);
        stopListening();
      };
    },
  );
}

/**
 * Listens without sending: in TLS 1.3 a server judges the client certificate only after the client's handshake is done
 * (RFC 8446, 4.4.2.4), and reports the result at least one round trip later. Nothing is written, because some brokers
 * drop their alert when data arrives, and nothing is closed. Passes when the time is over without an event.
 */
export function settle(socket: TLSSocket, limit: Limit, explain: Explain): Promise<Step<undefined>> {
  return within<undefined>(
    limit,
    () => passed(undefined),
    (done) => {
      // alerts are noticed only on a socket that is being read; what a server sends unasked is dropped
      socket.resume();
      return onHangUp(socket, (error) => done(failed(explain(error))));
    },
  );
}

/**
 * Closes a connection cleanly: last bytes if any, close_notify, FIN, and at most `limit` for the server to do the same.
 * A destroyed connection would appear in the broker's log as an error every minute.
 */
export async function takeLeave(socket: TLSSocket, limit: Limit, lastWords?: Buffer): Promise<void> {
  await within<undefined>(
    limit,
    () => passed(undefined),
    (done) => {
      const closed = () => done(passed(undefined));
      socket.once('close', closed).resume();
      if (lastWords === undefined) socket.end();
      else socket.end(lastWords);
      return () => socket.off('close', closed);
    },
  );
  socket.destroy();
}
