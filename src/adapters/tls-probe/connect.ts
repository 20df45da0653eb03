/** The tcp phase: the addresses of the upstream one by one, each with a share of the time that is left. */

import { connect, type Socket } from 'node:net';
import { endpoint } from '../../system/endpoint.ts';
import { codeOf, messageOf } from '../../system/errors.ts';
import { type FailedStep, type Fault, failed, type Limit, passed, type Step, within } from './step.ts';

export interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** how long the TCP handshake took, in milliseconds: one round trip, more where a packet was lost */
  readonly roundTripMs: number;
}

/** Told of every attempt as it begins. */
export type OnAttempt = (address: string, socket: Socket) => void;

interface Attempt {
  readonly address: string;
  readonly port: number;
}

/**
 * The first address that accepts. Where none does, the fault names what each one did. Sockets that come to nothing
 * are destroyed, the other one is the caller's.
 *
 * Node's own attempt at this (`autoSelectFamily`) gives up good addresses after 250 ms: too soon for slow links.
 */
export async function connectInTurn(
  addresses: readonly string[],
  port: number,
  limit: Limit,
  onAttempt: OnAttempt,
): Promise<Step<Connection>> {
  const deadline = performance.now() + limit.ms;
  const faults: Fault[] = [];
  for (const [index, address] of addresses.entries()) {
    const share = (deadline - performance.now()) / (addresses.length - index);
    const step = await connectTo({ address, port }, { ms: share, signal: limit.signal }, onAttempt);
    if (step.ok || step.fault === undefined) return step;
    faults.push(step.fault);
  }
  return noneAccepts(faults);
}

async function connectTo(attempt: Attempt, limit: Limit, onAttempt: OnAttempt): Promise<Step<Connection>> {
  const start = performance.now();
  const socket = ignoreLateErrors(connect({ host: attempt.address, port: attempt.port }));
  onAttempt(attempt.address, socket);
  const step = await within<Connection>(
    limit,
    () => timedOut(attempt, limit.ms),
    (done) => {
      const accepted = () =>
        done(passed({ socket, address: attempt.address, roundTripMs: performance.now() - start }));
      const refused = (error: Error) => done(failed(refusal(attempt, error)));
      socket.once('connect', accepted);
      socket.once('error', refused);
      return () => socket.off('connect', accepted).off('error', refused);
    },
  );
  if (!step.ok) socket.destroy();
  return step;
}

/** An error that comes when nobody waits for it any more is of no interest, but unheard it would end the process. */
export function ignoreLateErrors<S extends Socket>(socket: S): S {
  socket.on('error', () => undefined);
  return socket;
}

function refusal({ address, port }: Attempt, error: Error): Fault {
  return { cause: 'tcp', hint: hintFor(codeOf(error), endpoint(address, port)), error: messageOf(error) };
}

function hintFor(code: string | undefined, where: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${where}: is the upstream broker up, and is this its TLS port (8883)?`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return `there is no way to ${where} from here: check network, routes and whether this site has IPv6`;
    case 'ECONNRESET':
      return `${where} resets connections at once: a firewall, or a proxy without a broker behind it`;
    case 'ETIMEDOUT':
      return `${where} does not answer: does a firewall drop the packets, is the host up?`;
    default:
      return `no connection to ${where}: check network, firewall and port`;
  }
}

function timedOut({ address, port }: Attempt, ms: number): Step<never> {
  const where = endpoint(address, port);
  return failed({
    cause: 'timeout',
    hint: `${where} does not answer: does a firewall drop the packets, is the host up, is the port right?`,
    error: `no TCP connection to ${where} within ${Math.round(ms)} ms`,
  });
}

/** A refusal says more than silence, so it decides the cause where addresses behave differently. */
function noneAccepts(faults: readonly Fault[]): FailedStep {
  const telling = faults.findLast(({ cause }) => cause === 'tcp') ?? faults.at(-1);
  if (telling === undefined) throw new Error('no address to connect to');
  return failed({ ...telling, error: faults.map(({ error }) => error).join('; ') });
}
