/**
 * Calls an address that somebody else serves, and that is a secret: a webhook, or the address of a heartbeat. Every
 * failure is a value, every call ends, and its texts contain nothing of the address but the host.
 */

import {
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
  request as requestHttp,
} from 'node:http';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import type { Delivery, DeliveryFailure, Payload } from '../../core/model/delivery.ts';
import type { SecretUrl } from '../../core/model/settings.ts';
import { printable } from '../../core/text/printable.ts';
import { BadAnswer, boundPreamble } from '../../system/http-answer.ts';
import { shownUrl, withoutUrl } from '../../system/secret-url.ts';
import { startDeadline } from '../../system/timer.ts';
import { failure, lost, outOfTime } from './failure.ts';
import type { Resolve } from './resolve.ts';
import type { Trust } from './trust.ts';
import { findUrl, type UrlFound } from './url.ts';

export interface WebhookOptions {
  readonly url: SecretUrl;
  /** the setting of the address, for people */
  readonly setting: 'NOTIFY_URL' | 'HEARTBEAT_URL';
  readonly resolve: Resolve;
  readonly trust: Trust;
  readonly userAgent: string;
  /** for the whole call; 10 s by default */
  readonly timeoutMs?: number;
}

export interface Webhook {
  post(payload: Payload, signal: AbortSignal): Promise<Delivery>;
  get(signal: AbortSignal): Promise<Delivery>;
  /** The address for people: scheme and host, or the file that contains it. */
  shown(): Promise<string>;
}

const TIMEOUT_MS = 10_000;

/** An answer is `ok`, or a reason; the rest is not read. */
const MAX_ANSWER_BYTES = 4_096;
const MAX_HEADER_BYTES = 16 * 1_024;
/** The status shows whether the message has arrived; the rest of the answer may take this long. */
const ANSWER_MS = 1_000;

export function createWebhook(options: WebhookOptions): Webhook {
  const { url: source, setting } = options;

  async function call(method: 'GET' | 'POST', payload: Payload | undefined, signal: AbortSignal) {
    const url = await findUrl(source, setting);
    if (!url.ok) return url;
    return converse(addressed(url.value, payload?.endpoint), method, payload, signal, options);
  }

  return {
    post: (payload, signal) => call('POST', payload, signal),
    get: (signal) => call('GET', undefined, signal),
    async shown() {
      const url: UrlFound = await findUrl(source, setting);
      return url.ok ? shownUrl(url.value) : source.kind === 'file' ? `what ${source.path} says` : setting;
    },
  };
}

/** The address with the path of this kind of receiver, unless it already has it. */
function addressed(url: URL, endpoint = ''): URL {
  const path = url.pathname.replace(/\/+$/, '');
  if (endpoint === '' || path.endsWith(endpoint)) return url;
  const whole = new URL(url);
  whole.pathname = `${path}${endpoint}`;
  return whole;
}

async function converse(
  url: URL,
  method: 'GET' | 'POST',
  payload: Payload | undefined,
  signal: AbortSignal,
  options: WebhookOptions,
): Promise<Delivery> {
  const { setting, trust, timeoutMs = TIMEOUT_MS } = options;
  const security = url.protocol === 'https:' ? await trust() : undefined;
  if (security?.ok === false) return security;
  const request: RequestOptions = {
    method,
    headers: { ...payload?.headers, 'User-Agent': options.userAgent },
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    lookup: options.resolve,
  };
  const outgoing =
    security === undefined ? requestHttp(url, request) : await secure(url, request, security.value);
  try {
    const { incoming, said } = await exchange(outgoing, payload?.body, timeoutMs, signal);
    return judge(incoming, printable(withoutUrl(said, url)), url, setting);
  } catch (error) {
    if (error instanceof OutOfTime) return outOfTime(url, timeoutMs, setting);
    if (error instanceof BadAnswer) return failure('bad_answer', error.message, setting);
    return lost(error, url, setting);
  }
}

/** The TLS code is loaded only if it is needed. */
async function secure(url: URL, request: RequestOptions, context: SecureContext): Promise<ClientRequest> {
  const { request: requestHttps } = await import('node:https');
  // an environment variable may have switched verification off
  const security: ConnectionOptions = { secureContext: context, rejectUnauthorized: true };
  return requestHttps(url, { ...request, ...security });
}

class OutOfTime extends Error {}

interface Answer {
  readonly incoming: IncomingMessage;
  /** the beginning of its body */
  readonly said: string;
}

/** Sends the request and awaits its answer, within its time; rejects with what ended it before. */
function exchange(
  outgoing: ClientRequest,
  body: string | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const abandon = () => outgoing.destroy(new Error('given up'));
    const deadline = startDeadline(() => outgoing.destroy(new OutOfTime()), timeoutMs);
    signal.addEventListener('abort', abandon, { once: true });
    outgoing.on('close', () => {
      deadline.end();
      signal.removeEventListener('abort', abandon);
    });
    outgoing.on('error', reject);
    boundPreamble(outgoing, reject);
    outgoing.on('response', (incoming) => {
      readAnswer(incoming, (said) => {
        resolve({ incoming, said });
        outgoing.destroy();
      });
    });
    if (signal.aborted) abandon();
    else outgoing.end(body);
  });
}

/** Calls `done` once, with the part of the body received by its end, its size limit or its timeout. */
function readAnswer(incoming: IncomingMessage, done: (said: string) => void): void {
  let said = Buffer.alloc(0);
  const end = () => {
    deadline.end();
    incoming.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close');
    done(said.toString('utf8'));
  };
  const deadline = startDeadline(end, ANSWER_MS);
  incoming.on('data', (chunk: Buffer) => {
    said = Buffer.concat([said, chunk.subarray(0, MAX_ANSWER_BYTES - said.length)]);
    if (said.length >= MAX_ANSWER_BYTES) end();
  });
  incoming.once('end', end).once('close', end);
  // what was received is enough: the status is known
  incoming.on('error', () => undefined);
}

/** The meaning of a status. A redirect is never followed: its target is not the address that was trusted. */
function judge(
  { statusCode: status = 0, headers }: IncomingMessage,
  said: string,
  url: URL,
  setting: WebhookOptions['setting'],
): Delivery {
  if (status >= 200 && status < 300) return { ok: true, status, said };
  const answer = `${shownUrl(url)} answers with HTTP ${status}${said === '' ? '' : `: ${said}`}`;
  if (status >= 300 && status < 400) return redirected(status, headers.location, url, setting);
  // they ask for a retry later, and get it
  const isBusy = status === 408 || status === 425 || status === 429;
  return failure(status >= 500 || isBusy ? 'receiver_error' : 'refused', answer, setting);
}

function redirected(
  status: number,
  location: string | undefined,
  url: URL,
  setting: WebhookOptions['setting'],
): DeliveryFailure {
  const to = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  const where = to === undefined ? '' : ` to ${shownUrl(to)}`;
  return failure('redirected', `${shownUrl(url)} redirects (HTTP ${status})${where}`, setting);
}
