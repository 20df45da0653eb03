/** Everything that is served over HTTP: joins the history, its renderings and the server. */

import { formatDuration } from '../core/duration.ts';
import type { Announcement } from '../core/events.ts';
import type { Moment } from '../core/observation.ts';
import type { Publication } from '../core/publication.ts';
import type { Settings } from '../core/settings.ts';
import { createHistory, isAlive, remember } from '../core/snapshot.ts';
import { type Answer, type HttpServer, type Route, startHttpServer, text } from './http.ts';
import { createMetrics } from './metrics.ts';
import { statusJson } from './status-json.ts';
import { CONTENT_SECURITY_POLICY, statusPage } from './status-page.ts';

export interface WebOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly now: () => Moment;
  /** the server has something to tell: that it listens, or cannot */
  readonly say: (announcement: Announcement) => void;
}

export interface Web extends HttpServer {
  /** Takes in what the loop has published. */
  show(publication: Publication): void;
}

/** Starts the server and its history. */
export function startWeb({ settings, version, now, say }: WebOptions): Web {
  let history = createHistory(settings, now());
  const read = () => history.snapshot;
  const metrics = createMetrics(read, version);

  const sinceLastCycleMs = () => now().monoMs - (read().cycle?.at ?? read().started).monoMs;
  const alive = (): Answer =>
    isAlive(read(), now().monoMs)
      ? text(200, 'ok')
      : text(503, `the watcher is stuck: its last cycle ended ${formatDuration(sinceLastCycleMs())} ago`);
  // the page shows the passing of time by itself, but not for how long a loop has been stuck
  const silence = () => (isAlive(read(), now().monoMs) ? '' : Math.floor(sinceLastCycleMs() / 1_000));
  const ready = (): Answer =>
    read().cycle === undefined ? text(503, 'the first cycle has not ended yet') : text(200, 'ok');
  const page: Route = {
    etag: () => `"${read().started.wallMs}-${read().revision}-${silence()}"`,
    answer: () => ({
      contentType: 'text/html; charset=utf-8',
      headers: { 'Content-Security-Policy': CONTENT_SECURITY_POLICY },
      body: statusPage(read(), version, now()),
    }),
  };
  const routes = new Map<string, Route>([
    ['/', page],
    [
      '/metrics',
      { answer: async () => ({ contentType: metrics.contentType, body: await metrics.expose() }) },
    ],
    [
      '/status.json',
      { answer: () => ({ contentType: 'application/json', body: statusJson(read(), version, now()) }) },
    ],
    ['/healthz', { answer: alive }],
    ['/readyz', { answer: ready }],
    ['/-/healthy', { answer: alive }],
    ['/-/ready', { answer: ready }],
  ]);

  function show(publication: Publication) {
    history = remember(history, publication);
    if (publication.deed !== undefined) metrics.observe(publication.deed);
  }

  const server = startHttpServer({
    host: settings.metricsHost,
    port: settings.metricsPort,
    routes,
    say: (announcement) => {
      show({ wallMs: now().wallMs, say: [announcement] });
      say(announcement);
    },
  });
  return { show, close: server.close };
}
