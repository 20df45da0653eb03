/** `healthcheck`: asks the daemon of the same settings whether it is alive, for a container without a shell. */

import { request } from 'node:http';
import type { Settings } from '../core/settings.ts';
import { messageOf } from '../system/errors.ts';

/** Docker's own default is 30 s; a daemon that is alive answers within milliseconds. */
const TIMEOUT_MS = 3_000;
const LONGEST_ANSWER = 1_000;

/**
 * Asks `/healthz` once. Resolves with 0 if the daemon is alive, and otherwise with 1, having said why. A daemon that
 * serves nothing cannot be asked: that is said too, but is no illness, for which somebody might restart it for ever.
 */
export async function healthcheck(settings: Settings, complain: (problem: string) => void): Promise<number> {
  if (!settings.metricsEnabled) {
    complain(
      'there is nothing to ask while ENABLE_METRICS is false: set it to true for a health check that knows',
    );
    return 0;
  }
  const host = localAddress(settings.metricsHost);
  const port = settings.metricsPort;
  try {
    const { status, body } = await ask(host, port);
    if (status === 200) return 0;
    complain(`the watcher is not well: ${body.trim() || `HTTP status ${status}`}`);
  } catch (error) {
    complain(`the watcher does not answer at ${host} port ${port}: ${messageOf(error)}`);
  }
  return 1;
}

/** A server on all addresses is asked at the nearest. */
function localAddress(host: string | undefined): string {
  if (host === '::') return '::1';
  return host === undefined || host === '0.0.0.0' ? '127.0.0.1' : host;
}

function ask(host: string, port: number): Promise<{ readonly status: number; readonly body: string }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path: '/healthz', agent: false, signal }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        body = (body + chunk).slice(0, LONGEST_ANSWER);
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body }));
      incoming.on('error', reject);
    });
    outgoing.on('error', (error) =>
      reject(signal.aborted ? new Error(`no answer within ${TIMEOUT_MS / 1_000} s`) : error),
    );
    outgoing.end();
  });
}
