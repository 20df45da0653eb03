/** The tls and settle phases: the handshake, and the time afterwards in which TLS 1.3 brings the refusal. */

import type { TLSSocket } from 'node:tls';
import { type Fault, failed, type Limit, passed, type Step, within } from './step.ts';

/** Turns the end of a connection (without an error: the other side closed it) into a fault. */
export type Explain = (error: Error | undefined) => Fault;

/** Reports the first error, end or close of a socket; the function that it returns stops listening. */
export function onHangUp(socket: TLSSocket, report: (error: Error | undefined) => void): () => void {
  const onError = (error: Error) => report(error);
  const onEnd = () => report(undefined);
  socket.on('error', onError).on('end', onEnd).on('close', onEnd);
  // it may have happened between two phases
  if (socket.destroyed) report(socket.errored ?? undefined);
  return () => socket.off('error', onError).off('end', onEnd).off('close', onEnd);
}

/** Waits for a connected socket to finish the TLS handshake with a server that it trusts; milliseconds that it took. */
export function shakeHands(
  socket: TLSSocket,
  limit: Limit,
  explain: Explain,
  onTimeout: () => Fault,
): Promise<Step<number>> {
  const start = performance.now();
  return within<number>(
    limit,
    () => failed(onTimeout()),
    (done) => {
      const secured = () => done(passed(performance.now() - start));
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
 * Keeps still and listens: in TLS 1.3 a server judges the client certificate only after the client's handshake is
 * done (RFC 8446, 4.4.2.4), and says so at least one round trip later. Nothing is written, because some brokers
 * drop their alert when something arrives, and nothing is closed. Passes when the time has passed quietly.
 */
export function settle(socket: TLSSocket, limit: Limit, explain: Explain): Promise<Step<undefined>> {
  return within<undefined>(
    limit,
    () => passed(undefined),
    (done) => {
      // alerts are noticed only by a socket that is read from; what a server says unasked is dropped
      socket.resume();
      return onHangUp(socket, (error) => done(failed(explain(error))));
    },
  );
}

/**
 * Ends a connection in good order: last words if any, close_notify, FIN, and at most `limit` for the other side to
 * do the same. A destroyed connection would show up in the broker's log as an error every minute.
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
