/** The daemon: joins the parts, and ends them when it is told to. */

import { resolve } from 'node:path';
import { systemClock } from '../adapters/clock.ts';
import { createFileEvents } from '../adapters/file-events.ts';
import { createStateFile } from '../adapters/state-file.ts';
import { bridgeSourcesOf, brokersOf } from '../brokers.ts';
import type { Announcement } from '../core/events.ts';
import type { Settings } from '../core/settings.ts';
import { createLog, type Log } from '../surfaces/log.ts';
import type { Web } from '../surfaces/web.ts';
import { VERSION } from '../version.ts';
import { type Publication, type RunProbe, startWatcher } from '../watcher.ts';
import { certFilesOf, tlsProbeOf } from './parts.ts';
import { tellAccess } from './tell-access.ts';

/** Between two steps the watcher stops at once; what hangs longer than this (a dead NFS server) is left. */
const STOP_MS = 900;

/** Watches until `stop` aborts. A restart under way is finished first. Resolves with the exit code. */
export async function run(
  settings: Settings,
  stop: AbortSignal,
  write: (line: string) => void,
): Promise<number> {
  const log = createLog(settings.logLevel, write);
  const started: Announcement = { event: 'started', details: startedDetails(settings) };
  log(started, Date.now());
  const certDir = resolve(settings.certDir);
  const web = settings.metricsEnabled ? await serve(settings, log) : undefined;
  web?.show({ wallMs: Date.now(), say: [started] });
  const watcher = startWatcher(
    {
      settings,
      clock: systemClock,
      certFiles: certFilesOf(settings),
      createFileEvents: (onHint) => createFileEvents(certDir, onHint),
      brokers: brokersOf(settings),
      bridgeSources: bridgeSourcesOf(settings),
      runProbe: probeOf(settings),
      stateFile: settings.stateFile === undefined ? undefined : createStateFile(resolve(settings.stateFile)),
      publish: (publication) => {
        logPublication(log, publication);
        web?.show(publication);
      },
    },
    stop,
  );
  const say = (announcement: Announcement) => {
    const wallMs = Date.now();
    log(announcement, wallMs);
    web?.show({ wallMs, say: [announcement] });
  };
  // on its own: the watch neither waits for what the socket grants, nor ends because that cannot be told
  tellAccess(settings, systemClock, stop, say).catch(() => undefined);
  await Promise.race([watcher.ended, stopped(stop, watcher.isRestarting)]);
  web?.close();
  log({ event: 'stopped', details: { reason: String(stop.reason) } }, Date.now());
  return 0;
}

function probeOf(settings: Settings): RunProbe | undefined {
  const { probeEnabled, upstream } = settings;
  return probeEnabled && upstream !== undefined ? tlsProbeOf(settings, upstream).run : undefined;
}

/** Metrics and status page. Their code is loaded only where they are wanted: a gateway has little memory. */
async function serve(settings: Settings, log: Log): Promise<Web> {
  const { startWeb } = await import('../surfaces/web.ts');
  const say = (announcement: Announcement) => log(announcement, Date.now());
  return startWeb({ settings, version: VERSION, now: systemClock.now, say });
}

function logPublication(log: Log, { say, wallMs, cycle }: Publication) {
  for (const announcement of say) log(announcement, wallMs);
  if (cycle === undefined) return;
  const { path, reason, sentence } = cycle.decision;
  log({ event: 'state_path', details: { path, reason, message: sentence } }, wallMs);
}

/** Resolves a moment after `stop`, unless a restart is under way: that ends by itself. */
function stopped(stop: AbortSignal, isRestarting: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const wait = () => {
      setTimeout(() => {
        if (!isRestarting()) resolve();
      }, STOP_MS).unref();
    };
    if (stop.aborted) wait();
    else stop.addEventListener('abort', wait, { once: true });
  });
}

function startedDetails(settings: Settings) {
  const { engine, upstream } = settings;
  return {
    version: VERSION,
    cert_dir: settings.certDir,
    container: settings.container,
    engine: engine.kind === 'unix' ? engine.path : `tcp://${engine.host}:${engine.port}`,
    upstream: settings.probeEnabled && upstream ? `${upstream.host}:${upstream.port}` : undefined,
    tls_probe: settings.probeEnabled,
    restart: settings.restartEnabled,
    state_file: settings.stateFile,
  };
}
