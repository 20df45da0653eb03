/** The tcp phase: tries the addresses of the upstream one by one, each with a share of the remaining time. */

import { connect, isIP, type Socket } from 'node:net';
import { hostPort } from '../../core/text/address.ts';
import { codeOf, messageOf } from '../../system/errors.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import { type FailedStep, type Fault, failed, type Limit, passed, type Step, within } from './step.ts';

export interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** how long the TCP handshake took, in milliseconds: one round trip, more if a packet was lost */
  readonly roundTripMs: number;
}

/**
 * How many addresses of each family are tried: a name may have thousands, and each attempt gets its share of the time.
 */
const MOST_OF_A_FAMILY = 8;

/** Called for each attempt as it begins. */
export type OnAttempt = (address: string, socket: Socket) => void;

interface Attempt {
  readonly address: string;
  readonly port: number;
}

/**
 * The first address that accepts, of the first {@link MOST_OF_A_FAMILY} of IPv4 and as many of IPv6. If none does, the
 * fault names the outcome of each one. Sockets that fail are destroyed; the successful one belongs to the caller.
 *
 * Node's own implementation (`autoSelectFamily`) gives up good addresses after 250 ms: too soon for slow links.
 */
export async function connectInTurn(
  addresses: readonly string[],
  port: number,
  limit: Limit,
  onAttempt: OnAttempt,
): Promise<Step<Connection>> {
  const deadline = monotonicMs() + limit.ms;
  const faults: Fault[] = [];
  const tried = firstOfEachFamily(addresses);
  for (const [index, address] of tried.entries()) {
    const share = (deadline - monotonicMs()) / (tried.length - index);
    const step = await connectTo({ address, port }, { ms: share, signal: limit.signal }, onAttempt);
    if (step.ok || step.fault === undefined) return step;
    faults.push(step.fault);
  }
  return noneAccepts(faults, addresses.length - tried.length);
}

/** In their original order. */
function firstOfEachFamily(addresses: readonly string[]): readonly string[] {
  const seen = { 0: 0, 4: 0, 6: 0 };
  return addresses.filter((address) => {
    const family = isIP(address) as 0 | 4 | 6;
    seen[family] += 1;
    return seen[family] <= MOST_OF_A_FAMILY;
  });
}

async function connectTo(attempt: Attempt, limit: Limit, onAttempt: OnAttempt): Promise<Step<Connection>> {
  const start = monotonicMs();
  const socket = ignoreLateErrors(connect({ host: attempt.address, port: attempt.port }));
  onAttempt(attempt.address, socket);
  const step = await within<Connection>(
    limit,
    () => timedOut(attempt, limit.ms),
    (done) => {
      const accepted = () =>
        done(passed({ socket, address: attempt.address, roundTripMs: monotonicMs() - start }));
      const refused = (error: Error) => done(failed(refusal(attempt, error)));
      socket.once('connect', accepted);
      socket.once('error', refused);
      return () => socket.off('connect', accepted).off('error', refused);
    },
  );
  if (!step.ok) socket.destroy();
  return step;
}

/** A late error, for which nobody waits, does not matter, but without a listener it would end the process. */
export function ignoreLateErrors<S extends Socket>(socket: S): S {
  socket.on('error', () => undefined);
  return socket;
}

function refusal({ address, port }: Attempt, error: Error): Fault {
  return {
    cause: 'tcp',
    hint: hintFor(codeOf(error), hostPort({ host: address, port })),
    error: messageOf(error),
  };
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
    case 'EINVAL':
      return `${where} cannot be reached as it stands: a link-local address (fe80::) needs its interface, as in fe80::1%eth0`;
    default:
      return `no connection to ${where}: check network, firewall and port`;
  }
}

function timedOut({ address, port }: Attempt, ms: number): Step<never> {
  const where = hostPort({ host: address, port });
  return failed({
    cause: 'timeout',
    hint: `${where} does not answer: does a firewall drop the packets, is the host up, is the port right?`,
    error: `no TCP connection to ${where} within ${Math.round(ms)} ms`,
  });
}

/** A refusal is more specific than silence, so it determines the cause if addresses behave differently. */
function noneAccepts(faults: readonly Fault[], untried: number): FailedStep {
  const telling = faults.findLast(({ cause }) => cause === 'tcp') ?? faults.at(-1);
  if (telling === undefined) throw new Error('no address to connect to');
  const errors = faults.map(({ error }) => error);
  if (untried > 0) errors.push(`${untried} more addresses were not tried`);
  return failed({ ...telling, error: errors.join('; ') });
}
