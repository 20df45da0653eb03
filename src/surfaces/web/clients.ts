/**
 * The connections of the HTTP server. Each gets one answer, to the first request on it, and is closed: anything that a
 * client sends after that is never parsed. So what a client can occupy is known: a head, an answer, and both for a
 * limited time (docs/decisions/0019-one-connection-one-answer.md).
 */

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { startTimer } from '../../system/timer.ts';
import { type Answer, text } from './answer.ts';
import { createGreeting } from './greeting.ts';
import type { Guard, Peer, TlsFront } from './guard.ts';
import { createRequestReader, type HttpRequest, type Question } from './request.ts';
import type { Turns } from './turns.ts';

export interface Clients {
  /** Accepts a new connection; another one may be dropped for it. */
  admit(socket: Socket): void;
  /** Ends every connection and every timer, at once. */
  close(): void;
}

/** When more connections are open, one of them is dropped. */
const MOST_CONNECTIONS = 100;

/** Limit of all answers together that clients have not read yet, in bytes; a single one may be longer. */
const MOST_OWED = 2 * 1_024 ** 2;

/** For the head of the request, from the beginning of the connection. */
const REQUEST_MS = 5_000;

/** From the request until the client has its answer and has hung up: a phone on a slow link needs some seconds. */
const ANSWER_MS = 30_000;

/**
 * How much of what a client sends after its request is read and discarded. A connection that is closed with unread
 * bytes is reset, and the answer may be lost in transit: RFC 9112, section 9.6.
 */
const LINGER_BYTES = 16 * 1_024;

const COMMON_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
  Connection: 'close',
} as const;

/**
 * The phase of a client, in the order in which clients are dropped. One that waits for its turn has sent its request,
 * and will soon be gone.
 */
const PHASES = ['leaving', 'taking', 'asking', 'waiting'] as const;

/** For a client that has sent its request, possibly with its password, in the clear. */
const NO_TLS: Question = { kind: 'refused', status: 400, why: 'this port speaks TLS: ask for https://' };

interface Client {
  /** the plain socket */
  readonly raw: Socket;
  /** the socket for reading and writing: the same, or TLS on top of it */
  socket: Socket;
  peer: Peer;
  phase: (typeof PHASES)[number];
  /** part of its request has arrived */
  hasBegun: boolean;
  /** Stops reading. */
  unfollow?: () => void;
  /** fires if the client does nothing */
  deadline: NodeJS.Timeout;
  /** bytes of its answer, until it has hung up */
  owed: number;
}

export interface ClientsOptions {
  /** Must not wait for anything external, and does not reject. */
  readonly respond: (request: HttpRequest) => Promise<Answer>;
  readonly turns: Turns;
  /** undefined: every client may have every answer */
  readonly guard: Guard | undefined;
}

/** The state that serving clients needs. */
interface Desk extends ClientsOptions {
  /** in the order in which they connected */
  readonly clients: Set<Client>;
  /** Ends the connection, if there is one. */
  readonly drop: (client: Client | undefined) => void;
}

/** Has every request answered by `respond`, if `guard` allows it. */
export function createClients(options: ClientsOptions): Clients {
  const { turns, guard } = options;
  /** in the order in which they connected */
  const clients = new Set<Client>();
  const desk: Desk = { ...options, clients, drop };

  function admit(raw: Socket): void {
    const peer = { address: raw.remoteAddress ?? '', isLocal: isLocal(raw), tls: undefined };
    const deadline = startTimer(() => expire(desk, client), REQUEST_MS);
    const client: Client = { raw, socket: raw, peer, phase: 'asking', hasBegun: false, deadline, owed: 0 };
    clients.add(client);
    // 'close' follows, and the error itself does not matter
    raw.on('error', () => undefined);
    raw.on('close', () => drop(client));
    if (guard?.tls === undefined) listen(desk, client, queue);
    else greet(desk, client, guard.tls);
    if (clients.size > MOST_CONNECTIONS) drop(leastWorthy([...clients]));
  }

  function drop(client: Client | undefined): void {
    if (client === undefined) return;
    clearTimeout(client.deadline);
    clients.delete(client);
    // otherwise the system would keep the answer for minutes, for a client that does not read it
    if (client.owed > 0 && !client.raw.destroyed) client.raw.resetAndDestroy();
    client.socket.destroy();
    client.raw.destroy();
  }

  return {
    admit,
    close() {
      turns.close();
      for (const { deadline, socket, raw } of clients) {
        clearTimeout(deadline);
        socket.destroy();
        raw.destroy();
      }
    },
  };
}

/** A browser opens connections that it may need later, and expects no answer on them. */
function expire(desk: Desk, client: Client): void {
  if (!client.hasBegun) desk.drop(client);
  else queue(desk, client, { kind: 'refused', status: 408, why: 'this request took too long' });
}

/** Passes on every chunk that arrives; returns a function that stops that. */
function follow(desk: Desk, client: Client, take: (chunk: Buffer) => void): () => void {
  const { socket } = client;
  const hangUp = () => desk.drop(client);
  socket.on('data', take);
  socket.on('end', hangUp);
  client.unfollow = () => {
    socket.pause();
    socket.off('data', take);
    socket.off('end', hangUp);
  };
  return client.unfollow;
}

/** With TLS, the first bytes show whether the client uses it. The handshake, which costs work, waits for its turn. */
function greet(desk: Desk, client: Client, tls: TlsFront): void {
  const greeting = createGreeting();
  const unfollow = follow(desk, client, (chunk) => {
    const opening = greeting.take(chunk);
    if (opening === undefined) return;
    unfollow();
    if (opening.kind === 'hello') desk.turns.add(() => secure(desk, client, tls, opening.bytes));
    else listen(desk, client, () => queue(desk, client, NO_TLS), opening.bytes);
  });
}

async function secure(desk: Desk, client: Client, tls: TlsFront, hello: Buffer): Promise<void> {
  if (!desk.clients.has(client)) return;
  await tls.begin(client.raw, hello, (socket) => {
    if (!desk.clients.has(client)) return;
    client.socket = socket;
    client.peer = { ...client.peer, tls: socket };
    listen(desk, client, queue);
  });
}

/** Reads one request, of which `first` has been read already. */
function listen(
  desk: Desk,
  client: Client,
  then: (desk: Desk, client: Client, question: Question) => void,
  first?: Buffer,
): void {
  const reader = createRequestReader();
  const take = (chunk: Buffer) => {
    client.hasBegun = true;
    const question = reader.take(chunk);
    if (question !== undefined) then(desk, client, question);
  };
  follow(desk, client, take);
  client.socket.resume();
  if (first !== undefined) take(first);
}

/** Nothing more is read. */
function queue(desk: Desk, client: Client, question: Question): void {
  client.phase = 'waiting';
  client.unfollow?.();
  clearTimeout(client.deadline);
  client.deadline = startTimer(() => desk.drop(client), ANSWER_MS);
  const answer = (refusal?: Answer) => desk.turns.add(() => answerTo(desk, client, question, refusal));
  const refusal =
    question.kind === 'request' ? desk.guard?.refusalOf(question.request, client.peer) : undefined;
  if (refusal === undefined) answer();
  else void refusal.then(answer);
}

async function answerTo(
  desk: Desk,
  client: Client,
  question: Question,
  refusal: Answer | undefined,
): Promise<void> {
  if (!desk.clients.has(client)) return;
  const isRefused = question.kind === 'refused';
  const answer = isRefused
    ? text(question.status, question.why)
    : (refusal ?? (await desk.respond(question.request)));
  if (desk.clients.has(client)) send(desk, client, answer, !isRefused && question.request.method === 'HEAD');
}

function send(desk: Desk, client: Client, answer: Answer, isHead: boolean): void {
  const { socket } = client;
  const parts = partsOf(answer, isHead);
  client.phase = 'taking';
  client.owed = parts.reduce((sum, { length }) => sum + length, 0);
  for (const victim of tooMuchBeside(client, desk.clients)) desk.drop(victim);
  socket.once('finish', () => {
    client.phase = 'leaving';
    linger(socket, () => desk.drop(client));
  });
  // in one packet if it fits
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.end();
}

/** Whether the client is on this machine: its address equals the one that it connected to, or is a loopback address. */
function isLocal({ remoteAddress, localAddress }: Socket): boolean {
  if (remoteAddress === undefined) return false;
  return remoteAddress === localAddress || /^(?:::ffff:)?127\.|^::1$/.test(remoteAddress);
}

/** The head of an answer, and its body where it has one. */
function partsOf({ status = 200, contentType, body, headers }: Answer, isHead: boolean): readonly Buffer[] {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const head = headOf(status, {
    ...COMMON_HEADERS,
    ...(status !== 304 && { 'Content-Type': contentType, 'Content-Length': String(bytes.length) }),
    ...headers,
  });
  return isHead || status === 304 ? [head] : [head, bytes];
}

/** The clients to drop so that no more than {@link MOST_OWED} is owed with this answer, which itself may be longer. */
function tooMuchBeside(client: Client, clients: ReadonlySet<Client>): readonly Client[] {
  let others = [...clients].filter((other) => other !== client && other.owed > 0);
  let owed = others.reduce((sum, other) => sum + other.owed, client.owed);
  const victims: Client[] = [];
  while (owed > MOST_OWED) {
    const victim = leastWorthy(others);
    if (victim === undefined) break;
    victims.push(victim);
    others = others.filter((other) => other !== victim);
    owed -= victim.owed;
  }
  return victims;
}

/** The answer has been sent, but may not have arrived: waits for the client to hang up. */
function linger(socket: Socket, onTooMuch: () => void): void {
  let rest = LINGER_BYTES;
  socket.on('data', (chunk) => {
    rest -= chunk.length;
    if (rest < 0) onTooMuch();
  });
  socket.resume();
}

/**
 * Selects the client to drop: from the address with the most connections, so that a client that opens many pays for it;
 * then by phase, then by age.
 */
function leastWorthy(clients: readonly Client[]): Client | undefined {
  const counts = new Map<string, number>();
  for (const { peer } of clients) counts.set(peer.address, (counts.get(peer.address) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const greedy = clients.filter(({ peer }) => counts.get(peer.address) === most);
  const first = Math.min(...greedy.map(({ phase }) => PHASES.indexOf(phase)));
  return greedy.find(({ phase }) => PHASES.indexOf(phase) === first);
}

function headOf(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries({ ...headers, Date: new Date().toUTCString() });
  const fields = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields}\r\n`);
}
