/** `healthcheck`: asks the daemon of the same settings whether it is alive, for a container without a shell. */

import { request } from 'node:http';
import type { Settings } from '../core/model/settings.ts';
import { printable } from '../core/text/printable.ts';
import { messageOf } from '../system/errors.ts';

/** Docker's own default is 30 s; a daemon that is alive answers within milliseconds. */
const TIMEOUT_MS = 3_000;
/** How much of an answer is read, in characters. */
const LONGEST_ANSWER = 1_000;

/**
 * Asks `/healthz` once. Resolves with 0 if the daemon is alive, and otherwise with 1 after reporting why. A daemon that
 * serves nothing cannot be asked: that is reported too, but does not count as unhealthy, because a supervisor might
 * then restart it without end.
 */
export async function healthcheck(settings: Settings, complain: (problem: string) => void): Promise<number> {
  if (!settings.metricsEnabled) {
    complain(
      'ENABLE_METRICS is false, so there is no server to ask: set it to true to use this health check',
    );
    return 0;
  }
  const host = localAddress(settings.metricsHost);
  const port = settings.metricsPort;
  try {
    const { status, body } = await ask(host, port, settings.metricsTls !== undefined);
    if (status === 200) return 0;
    complain(`the watcher is not well: ${printable(body) || `HTTP status ${status}`}`);
  } catch (error) {
    complain(`the watcher does not answer at ${host} port ${port}: ${messageOf(error)}`);
  }
  return 1;
}

/** A server on all addresses is asked at the loopback address. */
function localAddress(host: string | undefined): string {
  if (host === '::') return '::1';
  return host === undefined || host === '0.0.0.0' ? '127.0.0.1' : host;
}

async function ask(
  host: string,
  port: number,
  isTls: boolean,
): Promise<{ readonly status: number; readonly body: string }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  // Not verified: nothing secret is sent, anybody who could forge the answer here can stop the daemon as well, and a
  // certificate that was just renewed, or has expired, is no reason to restart it.
  const line = isTls ? await unverified(host, port) : { agent: false as const };
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path: '/healthz', ...line, signal }, (incoming) => {
      const status = incoming.statusCode ?? 0;
      let body = '';
      const end = () => {
        resolve({ status, body: body.slice(0, LONGEST_ANSWER) });
        outgoing.destroy();
      };
      // 200 is enough, whatever follows it
      if (status === 200) return end();
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        body += chunk;
        if (body.length >= LONGEST_ANSWER) end();
      });
      incoming.on('end', end);
      incoming.on('error', reject);
    });
    outgoing.on('error', (error) =>
      reject(signal.aborted ? new Error(`no answer within ${TIMEOUT_MS / 1_000} s`) : error),
    );
    outgoing.end();
  });
}

/** Loaded only if it is needed: this command is given every minute. */
async function unverified(host: string, port: number) {
  const { connect } = await import('node:tls');
  return { createConnection: () => connect({ host, port, rejectUnauthorized: false }) };
}
