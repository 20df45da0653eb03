/** Everything that is served over HTTP: connects the history, its renderings and the server. */

import type { Moment } from '../../core/model/files.ts';
import type { Settings } from '../../core/model/settings.ts';
import type { Announcement } from '../../core/news/events.ts';
import type { Publication } from '../../core/status/cycle.ts';
import { createHistory, record } from '../../core/status/history.ts';
import { isAlive } from '../../core/status/liveness.ts';
import { formatDuration } from '../../core/text/duration.ts';
import { type Answer, text } from './answer.ts';
import { createMetrics } from './metrics.ts';
import { type CreateGuard, type HttpServer, type Route, startHttpServer } from './server.ts';

export interface WebOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly now: () => Moment;
  /** called when the server has something to report: that it listens, or cannot */
  readonly say: (announcement: Announcement) => void;
  readonly createGuard?: CreateGuard | undefined;
}

export interface Web extends HttpServer {
  /** Records what the loop has published. */
  show(publication: Publication): void;
}

/** How old an answer that is shared between clients may be: its times, and the process metrics, keep changing. */
const SHARED_MS = 250;

/** Starts the server and its history. What renders for people is loaded when somebody looks: most read only metrics. */
export function startWeb({ settings, version, now, say, createGuard }: WebOptions): Web {
  let history = createHistory(settings, now());
  const read = () => history.snapshot;
  const metrics = createMetrics(read, version);

  const sinceLastCycleMs = () => now().monoMs - (read().cycle?.at ?? read().started).monoMs;
  const alive = (): Answer =>
    isAlive(read(), now().monoMs)
      ? text(200, 'ok')
      : text(503, `the watcher is stuck: its last cycle ended ${formatDuration(sinceLastCycleMs())} ago`);
  // the page itself shows the passing of time, but not for how long a loop has been stuck
  const silence = () => (isAlive(read(), now().monoMs) ? '' : Math.floor(sinceLastCycleMs() / 1_000));
  const ready = (): Answer =>
    read().cycle === undefined ? text(503, 'the first cycle has not ended yet') : text(200, 'ok');
  const state = () => `${read().started.wallMs}-${read().revision}-${silence()}`;
  const shared = (make: () => Answer | Promise<Answer>) => shareRendering(make, state, now);
  const page: Route = {
    etag: () => `"${state()}"`,
    answer: shared(async () => {
      const { CONTENT_SECURITY_POLICY, statusPage } = await import('./page/page.ts');
      return {
        contentType: 'text/html; charset=utf-8',
        headers: { 'Content-Security-Policy': CONTENT_SECURITY_POLICY },
        body: statusPage(read(), version, now()),
      };
    }),
  };
  const metricsText: Route = {
    answer: shared(async () => ({ contentType: metrics.contentType, body: await metrics.expose() })),
  };
  const json: Route = {
    answer: shared(async () => {
      const { statusJson } = await import('./status-json.ts');
      return { contentType: 'application/json', body: statusJson(read(), version, now()) };
    }),
  };
  const routes = new Map<string, Route>([
    ['/', page],
    ['/metrics', metricsText],
    ['/status.json', json],
    ['/healthz', { answer: alive }],
    ['/readyz', { answer: ready }],
    ['/-/healthy', { answer: alive }],
    ['/-/ready', { answer: ready }],
  ]);

  function show(publication: Publication) {
    history = record(history, publication);
    if (publication.fact !== undefined) metrics.observe(publication.fact);
  }

  const server = startHttpServer({
    host: settings.metricsHost,
    port: settings.metricsPort,
    routes,
    createGuard,
    say: (announcement) => {
      show({ wallMs: now().wallMs, say: [announcement] });
      say(announcement);
    },
  });
  return { show, troubles: server.troubles, close: server.close };
}

/**
 * Renders an answer again only if `state` has changed or {@link SHARED_MS} are over. All clients in between share its
 * bytes: whatever they request, and however slowly they read it, it is rendered, and stored, once.
 */
function shareRendering(
  make: () => Answer | Promise<Answer>,
  state: () => string,
  now: () => Moment,
): () => Promise<Answer> {
  let last: { readonly of: string; readonly atMs: number; readonly answer: Answer } | undefined;
  return async () => {
    const [of, atMs] = [state(), now().monoMs];
    if (last?.of === of && atMs - last.atMs < SHARED_MS) return last.answer;
    const answer = await make();
    last = { of, atMs, answer: { ...answer, body: Buffer.from(answer.body) } };
    return last.answer;
  };
}
