/**
 * Probes the upstream over TLS with the client certificate and returns the result as one value. Under TLS 1.3 a
 * finished handshake proves nothing yet: the server judges the client certificate afterwards, so the probe keeps
 * listening for a while, or logs in.
 */

import type { Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { ProbeCause, ProbePhase, ProbeVerdict } from '../../core/model/probe.ts';
import { hostPort } from '../../core/text/address.ts';
import { errorLine } from '../../system/openssl-error.ts';
import { afterHandshakeFault, handshakeFault, handshakeTimeout, type Scene } from './classify.ts';
import { type Connection, connectInTurn, ignoreLateErrors } from './connect.ts';
import { type Course, type OnPhase, startCourse } from './course.ts';
import { type CredentialPaths, type Credentials, createCredentials } from './credentials.ts';
import { settle, shakeHands, stopFlood, takeLeave } from './handshake.ts';
import { createResolver, needsResolver, type Resolve, systemResolve } from './resolve.ts';
import { verifyServerIdentity } from './server-identity.ts';
import { hasShownCertificate, sightServer } from './sighting.ts';
import { type FailedStep, type Fault, type Limit, passed } from './step.ts';
import { type ProbeTarget, type Upstream, upstreamOf } from './target.ts';

export type { ProbeTarget } from './target.ts';

export interface ProbeRun {
  /** aborting it ends the probe at once, without a verdict */
  readonly signal: AbortSignal;
  /** wall clock, milliseconds since the epoch: compared with the dates of certificates */
  readonly nowMs: number;
  readonly onPhase?: OnPhase;
}

export interface TlsProbe {
  /** One probe. Never rejects, always ends, and leaves no socket, timer or listener behind. */
  run(options: ProbeRun): Promise<ProbeVerdict | undefined>;
}

/** What tests replace; not user settings. */
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

/** Shorter waits have shown false successes on lossy links: a lost alert is retransmitted after a second. */
const SETTLE_MIN_MS = 2_000;
const SETTLE_ROUND_TRIPS = 5;
/** How long a server may take to close its side of a connection that we have ended. */
const LEAVE_MS = 1_000;

/** A probe of one upstream with one set of files; between runs it keeps only the SecureContext of an unchanged set. */
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

/**
 * The first phase alone, for a set that has no upstream: its files can be used together, or what is wrong with them. A
 * success proves nothing else.
 */
export function createPairProbe(
  target: CredentialPaths & Pick<ProbeTarget, 'timeoutMs'>,
): Pick<TlsProbe, 'run'> {
  const openCredentials = createCredentials(target);
  return {
    async run({ signal, nowMs, onPhase }) {
      const course = startCourse(onPhase);
      try {
        const files = await course.during('files', () =>
          openCredentials({ ms: target.timeoutMs, signal }, nowMs),
        );
        return files.ok ? course.succeed('pair') : verdictOf(course, files);
      } catch (error) {
        return course.fail(unforeseen(course.phase, error));
      }
    },
  };
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
    // no known error gets here; if one does, it is a verdict too, and does not end the daemon
    return course.fail(unforeseen(course.phase, error));
  } finally {
    owned?.destroy();
  }
}

/**
 * The phases in order; each one ends the probe if it fails. The caller destroys the last socket that was passed to
 * `own`.
 */
async function probe(
  parts: Parts,
  { signal, nowMs }: ProbeRun,
  course: Course,
  own: (socket: Socket) => void,
): Promise<ProbeVerdict | undefined> {
  const { target, upstream } = parts;
  const mqtt = await mqttOf(target);
  const left = (): Limit => ({ ms: target.timeoutMs - course.elapsedMs(), signal });

  const credentials = await course.during('files', () => parts.openCredentials(left(), nowMs));
  if (!credentials.ok) return verdictOf(course, credentials);

  const addresses = needsResolver(upstream)
    ? await course.during('dns', () => parts.resolve(left()))
    : passed([upstream.host]);
  if (!addresses.ok) return verdictOf(course, addresses);

  const onAttempt = (address: string, socket: Socket) => {
    course.note({ address: hostPort({ host: address, port: upstream.port }) });
    own(socket);
  };
  const connection = await course.during('tcp', () =>
    connectInTurn(addresses.value, upstream.port, left(), onAttempt),
  );
  if (!connection.ok) return verdictOf(course, connection);

  const tcp = connection.value.socket;
  const socket = secure(tcp, upstream, credentials.value.context);
  // it owns the TCP socket; destroying that one first, right after the handshake, crashes Node 24
  own(socket);
  const talk = { left, nowMs, signal, course, mqtt, credentials: credentials.value };
  const stopLooking = stopFlood(tcp, socket);
  try {
    return await probeConnection(parts, connection.value, socket, talk);
  } finally {
    stopLooking();
  }
}

type Mqtt = typeof import('./mqtt.ts');

/** Loaded only if it is needed: its library takes half as much memory as everything else. */
async function mqttOf({ mode }: ProbeTarget): Promise<Mqtt | undefined> {
  return mode === 'mqtt' ? import('./mqtt.ts') : undefined;
}

interface Talk {
  readonly course: Course;
  readonly credentials: Credentials;
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
  const { course, credentials, nowMs, signal, mqtt } = talk;
  let serverUsages: readonly string[] | undefined;
  let isSighted = false;
  const scene = (): Scene => {
    // once is enough: the certificate does not change, and Node parses all of it each time
    if (!isSighted) {
      const sighting = sightServer(socket, nowMs);
      isSighted = hasShownCertificate(sighting);
      course.note(sighting);
      serverUsages = socket.getPeerCertificate()?.ext_key_usage;
    }
    const hasAnswered = connection.socket.bytesRead > 0;
    return { target, upstream, address, hasAnswered, seen: course.seen, serverUsages, nowMs, credentials };
  };
  // Node destroys an untrusted connection before it reports it: the server's data is collected just before that
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

/** Begins the handshake on a TCP connection. It trusts nothing but the CA file, regardless of the environment. */
function secure(
  tcp: Socket,
  { sni, identity, alpn, insecure }: Upstream,
  secureContext: SecureContext,
): TLSSocket {
  const socket = connect({
    socket: tcp,
    secureContext,
    servername: sni,
    ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
    rejectUnauthorized: true,
    checkServerIdentity: (_name, certificate) =>
      insecure ? undefined : verifyServerIdentity(identity, certificate),
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
