/** The checks between a connection and an answer: TLS, client certificates, a password. */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Answer } from './answer.ts';
import type { HttpRequest } from './request.ts';

/** The client of a request. */
export interface Peer {
  /** its address, as the system reports it */
  readonly address: string;
  /** it runs on this machine (or in this container) */
  readonly isLocal: boolean;
  /** undefined: plain HTTP */
  readonly tls: TLSSocket | undefined;
}

/** A problem, and what to try. */
export interface GuardProblem {
  readonly problem: string;
  readonly hint: string;
}

/** A problem that does not stop the server: it continues with what it had. */
export interface GuardTrouble extends GuardProblem {
  readonly part: 'metrics_tls' | 'metrics_auth';
}

export interface Guard {
  /** what is reported when the server is up: only what is on */
  readonly summary: Readonly<Record<'tls' | 'client_certificates' | 'passwords', true | undefined>>;
  /** undefined: plain HTTP */
  readonly tls: TlsFront | undefined;
  /** Reads the files. Without them there is no server: it never falls back to less protection than was configured. */
  open(): Promise<GuardProblem | undefined>;
  /** The answer that replaces the requested one; undefined: the client may have what it requested. */
  refusalOf(request: HttpRequest, peer: Peer): Promise<Answer | undefined> | undefined;
  /** What is wrong with the files since the server was opened. */
  troubles(): readonly GuardTrouble[];
  /** Ends every timer. */
  close(): void;
}

export interface TlsFront {
  /**
   * Begins TLS on a connection whose first bytes, `hello`, have been read. Resolves when they have been answered, with
   * the server's signature. `onSecure` is called once the handshake is done; if it fails, the connection is closed.
   */
  begin(raw: Socket, hello: Buffer, onSecure: (socket: TLSSocket) => void): Promise<void>;
}
