/**
 * Probes the upstream over TLS with the client certificate and says what happened, as one value. Under TLS 1.3 a
 * finished handshake proves nothing yet: the server judges the client certificate afterwards, so the probe keeps
 * listening for a while, or logs in.
 */

import type { Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { ProbeCause, ProbePhase, ProbeVerdict } from '../core/probe.ts';
import { endpoint } from '../system/endpoint.ts';
import { errorLine } from '../system/openssl-error.ts';
import { afterHandshakeFault, handshakeFault, handshakeTimeout, type Scene } from './tls-probe/classify.ts';
import { type Connection, connectInTurn, ignoreLateErrors } from './tls-probe/connect.ts';
import { type Course, type OnPhase, startCourse } from './tls-probe/course.ts';
import { createCredentials } from './tls-probe/credentials.ts';
import { settle, shakeHands, takeLeave } from './tls-probe/handshake.ts';
import { createResolver, needsResolver, type Resolve, systemResolve } from './tls-probe/resolve.ts';
import { verifyServerIdentity } from './tls-probe/server-identity.ts';
import { sightServer } from './tls-probe/sighting.ts';
import { type FailedStep, type Fault, type Limit, passed } from './tls-probe/step.ts';
import { type ProbeTarget, type Upstream, upstreamOf } from './tls-probe/target.ts';

export type { ProbeTarget } from './tls-probe/target.ts';

export interface ProbeRun {
  /** aborting it ends the probe at once, without a verdict */
  readonly signal: AbortSignal;
  /** wall clock, milliseconds since the epoch: what certificates' dates are compared with */
  readonly nowMs: number;
  readonly onPhase?: OnPhase;
}

export interface TlsProbe {
  /** One probe. Never rejects, always ends, and leaves no socket, timer or listener behind. */
  run(options: ProbeRun): Promise<ProbeVerdict | undefined>;
}

/** What tests replace; no user settings. */
export interface ProbeInternals {
  readonly resolve?: Resolve;
  readonly settleMinMs?: number;
}

interface Parts {
  readonly target: ProbeTarget;
  readonly upstream: Upstream;
  readonly openCredentials: ReturnType<typeof createCredentials>;
  readonly resolve: ReturnType<typeof createResolver>;
  readonly settleMinMs: number;
}

/** Waiting less than this has shown false successes on lossy links: a lost alert is sent again after a second. */
const SETTLE_MIN_MS = 2_000;
const SETTLE_ROUND_TRIPS = 5;
/** How long a server may take to close its side of a connection that we have ended. */
const LEAVE_MS = 1_000;

/** A probe of one upstream with one set of files; what it keeps between runs is the SecureContext of an unchanged set. */
export function createTlsProbe(target: ProbeTarget, internals: ProbeInternals = {}): TlsProbe {
  const upstream = upstreamOf(target);
  const parts: Parts = {
    target,
    upstream,
    openCredentials: createCredentials(target),
    resolve: createResolver(upstream, internals.resolve ?? systemResolve),
    settleMinMs: internals.settleMinMs ?? SETTLE_MIN_MS,
  };
  return { run: (options) => run(parts, options) };
}

async function run(parts: Parts, options: ProbeRun): Promise<ProbeVerdict | undefined> {
  const course = startCourse(options.onPhase);
  let owned: Socket | undefined;
  const own = (socket: Socket) => {
    owned = socket;
  };
  try {
    return await probe(parts, options, course, own);
  } catch (error) {
    // nothing is known to end here; should something, it is a verdict too, and not the end of the daemon
    return course.fail(unforeseen(course.phase, error));
  } finally {
    owned?.destroy();
  }
}

/** The phases in their order; each one ends the probe when it fails. The caller destroys the last socket to `own`. */
async function probe(
  parts: Parts,
  { signal, nowMs }: ProbeRun,
  course: Course,
  own: (socket: Socket) => void,
): Promise<ProbeVerdict | undefined> {
  const { target, upstream } = parts;
  const mqtt = await mqttOf(target);
  const left = (): Limit => ({ ms: target.timeoutMs - course.elapsedMs(), signal });

  const context = await course.during('files', () => parts.openCredentials(left(), nowMs));
  if (!context.ok) return verdictOf(course, context);

  const addresses = needsResolver(upstream)
    ? await course.during('dns', () => parts.resolve(left()))
    : passed([upstream.host]);
  if (!addresses.ok) return verdictOf(course, addresses);

  const onAttempt = (address: string, socket: Socket) => {
    course.note({ address: endpoint(address, upstream.port) });
    own(socket);
  };
  const connection = await course.during('tcp', () =>
    connectInTurn(addresses.value, upstream.port, left(), onAttempt),
  );
  if (!connection.ok) return verdictOf(course, connection);

  const socket = secure(connection.value.socket, upstream, context.value);
  // it takes the TCP socket with it; destroying that one first, right after the handshake, crashes Node 24
  own(socket);
  return await probeConnection(parts, connection.value, socket, { left, nowMs, signal, course, mqtt });
}

type Mqtt = typeof import('./tls-probe/mqtt.ts');

/** Loaded only where it is wanted: its library takes half as much memory as all the rest. */
async function mqttOf({ mode }: ProbeTarget): Promise<Mqtt | undefined> {
  return mode === 'mqtt' ? import('./tls-probe/mqtt.ts') : undefined;
}

interface Talk {
  readonly course: Course;
  /** undefined: no login, only a handshake */
  readonly mqtt: Mqtt | undefined;
  readonly signal: AbortSignal;
  readonly nowMs: number;
  left(): Limit;
}

/** From a TCP connection on: handshake, then proof that the server accepts the client certificate. */
async function probeConnection(
  parts: Parts,
  connection: Connection,
  socket: TLSSocket,
  talk: Talk,
): Promise<ProbeVerdict | undefined> {
  const { target, upstream } = parts;
  const { address, roundTripMs } = connection;
  const { course, nowMs, signal, mqtt } = talk;
  const scene = (): Scene => {
    course.note(sightServer(socket, nowMs));
    const hasAnswered = connection.socket.bytesRead > 0;
    return { target, upstream, address, hasAnswered, seen: course.seen, nowMs };
  };
  // Node destroys a connection that it does not trust before it says so: the server is looked at just before
  socket.prependListener('secure', scene).prependListener('end', scene);

  const handshake = await course.during('tls', () =>
    shakeHands(
      socket,
      talk.left(),
      (error) => handshakeFault(error, socket, scene()),
      () => handshakeTimeout(target.timeoutMs, scene()),
    ),
  );
  if (!handshake.ok) return verdictOf(course, handshake);

  const explain = (error: Error | undefined) => afterHandshakeFault(error, scene());
  const settleMs = Math.max(parts.settleMinMs, SETTLE_ROUND_TRIPS * Math.max(roundTripMs, handshake.value));
  const proof = mqtt
    ? await course.during('mqtt', () =>
        mqtt.logIn(socket, { ms: Math.max(settleMs, target.timeoutMs), signal }, explain),
      )
    : await course.during('settle', () => settle(socket, { ms: settleMs, signal }, explain));
  if (!proof.ok) return verdictOf(course, proof);

  const verdict = course.succeed(mqtt ? 'connack' : 'settled');
  await takeLeave(socket, { ms: LEAVE_MS, signal }, mqtt?.FAREWELL);
  return verdict;
}

/** Begins the handshake on a TCP connection. It trusts nothing but the CA file, whatever the environment says. */
function secure(tcp: Socket, { sni, identity }: Upstream, secureContext: SecureContext): TLSSocket {
  const socket = connect({
    socket: tcp,
    secureContext,
    servername: sni,
    rejectUnauthorized: true,
    checkServerIdentity: (_name, certificate) => verifyServerIdentity(identity, certificate),
  });
  return ignoreLateErrors(socket);
}

function unforeseen(phase: ProbePhase, error: unknown): Fault {
  const causes: Partial<Record<ProbePhase, ProbeCause>> = { files: 'local_file', dns: 'dns', tcp: 'tcp' };
  const hint = 'the probe itself failed; this is worth a bug report';
  return { cause: causes[phase] ?? 'protocol', hint, error: errorLine(error) };
}

function verdictOf(course: Course, { fault }: FailedStep): ProbeVerdict | undefined {
  return fault === undefined ? undefined : course.fail(fault);
}
