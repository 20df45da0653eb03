/** What `check` reports about the TLS and the passwords of the HTTP server; it reads their files as the daemon does. */

import { isGuarded, type Settings } from '../core/model/settings.ts';
import type { Level } from '../core/status/assess.ts';
import { timestamp } from '../core/text/timestamp.ts';
import type { Row } from '../surfaces/terminal/row.ts';

/** No rows if neither is configured, or nothing is served. A certificate that has expired does not stop the server. */
export async function lookAtPages(settings: Settings): Promise<readonly Row[]> {
  if (!settings.metricsEnabled || !isGuarded(settings)) return [];
  const { expiryOf, readersOf } = await import('../surfaces/web/guard/files.ts');
  const readers = readersOf(settings);
  const [tls, auth] = await Promise.all([readers.tls?.(), readers.auth?.()]);
  for (const fault of [tls, auth]) {
    if (fault?.ok === false) return [row('warning', fault.problem, fault.hint)];
  }
  const expiry = tls?.ok === true ? expiryOf(tls.value) : undefined;
  if (expiry !== undefined) return [row('warning', expiry.problem, expiry.hint)];
  if (tls === undefined && !isLoopback(settings.metricsHost)) {
    return [
      row(
        'warning',
        'METRICS_AUTH_FILE is set without TLS: passwords cross the network in the clear',
        'set METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE, or METRICS_HOST=127.0.0.1 behind a proxy that speaks TLS',
      ),
    ];
  }
  const parts = [
    tls?.ok === true && `TLS as ${tls.value.subject}, valid until ${timestamp(tls.value.notAfterMs)}`,
    settings.metricsTls?.clientCaFile !== undefined && 'client certificates',
    auth?.ok === true && `passwords of ${auth.value.size} ${auth.value.size === 1 ? 'user' : 'users'}`,
  ];
  return [row('ok', parts.filter(Boolean).join('; '))];
}

function row(level: Level, message: string, hint?: string): Row {
  return { name: 'pages', level, message, hint };
}

function isLoopback(host: string | undefined): boolean {
  return host === 'localhost' || host === '::1' || host?.startsWith('127.') === true;
}
