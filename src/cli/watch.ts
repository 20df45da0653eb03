/** The watch: connects the parts, and stops them on request. */

import { randomUUID } from 'node:crypto';
import { systemClock } from '../adapters/clock.ts';
import { isGuarded, type Settings } from '../core/model/settings.ts';
import type { Announcement } from '../core/news/events.ts';
import type { Publication } from '../core/status/cycle.ts';
import type { Log } from '../surfaces/log.ts';
import type { Notifier } from '../surfaces/notify/notify.ts';
import type { Reporter } from '../surfaces/service-manager.ts';
import type { CreateGuard } from '../surfaces/web/server.ts';
import type { Web } from '../surfaces/web/web.ts';
import { keepCompiledCode } from '../system/process/compiled-code.ts';
import type { ServiceManager } from '../system/process/service-manager.ts';
import { VERSION } from '../system/process/version.ts';
import { startTimer } from '../system/timer.ts';
import type { Listen } from '../watcher/requests.ts';
import { startWatcher } from '../watcher/watcher.ts';
import { findWatchersOf, liveSetsOf, sourcesOf, stateFileOf } from '../wiring/adapters.ts';
import { bridgeListenersOf, brokersOf, watchedFor } from '../wiring/brokers.ts';
import type { Speaker } from '../wiring/status-topic.ts';
import { tellAccess } from './tell-access.ts';

/**
 * Between two steps the watcher stops at once; anything that hangs longer than this (a dead NFS server) is abandoned.
 */
const STOP_MS = 900;

export interface Watch {
  readonly settings: Settings;
  /** ends the watch, after a restart that is in progress */
  readonly stop: AbortSignal;
  /** where the operator's requests come from */
  readonly onRequest: Listen;
  readonly log: Log;
  /** what the log began with: the pages show it too */
  readonly started: Announcement;
  readonly serviceManager: ServiceManager;
}

/** Watches until `stop` aborts. */
export async function watch({
  settings,
  stop,
  onRequest,
  log,
  started,
  serviceManager,
}: Watch): Promise<void> {
  keepCompiledCode(stop);
  const sources = await sourcesOf(settings);
  const web = settings.metricsEnabled ? await serve(settings, log) : undefined;
  web?.show({ wallMs: Date.now(), say: [started] });
  const say = (announcement: Announcement) => {
    const wallMs = Date.now();
    log(announcement, wallMs);
    web?.show({ wallMs, say: [announcement] });
  };
  const notifier = await notify(settings, say);
  const reporter = await report(settings, serviceManager, say);
  const speaker = await speak(settings);
  const bridgeListeners = await bridgeListenersOf(settings, speaker?.voice);
  const [firstListener] = bridgeListeners;
  const listeners = [web, notifier, reporter, firstListener && speaker?.start(firstListener)];
  const watcher = startWatcher(
    {
      settings,
      clock: systemClock,
      certFiles: sources.certFiles,
      liveSets: await liveSetsOf(settings),
      createFileEvents: sources.createFileEvents,
      onRequest,
      brokers: await brokersOf(settings, systemClock, bridgeListeners),
      bridgeListeners: watchedFor(settings, bridgeListeners),
      runProbe: sources.runProbe,
      findWatchers: settings.restartEnabled ? findWatchersOf(settings) : undefined,
      lot: randomUUID(),
      stateFile: stateFileOf(settings),
      pagesTroubles: web?.troubles,
      statusTrouble: speaker?.voice.trouble,
      publish: (publication) => {
        logPublication(log, publication);
        for (const listener of listeners) listener?.show(publication);
      },
    },
    stop,
  );
  // separate: the watch neither waits for what the socket grants, nor ends because that cannot be determined
  if (settings.target.kind !== 'unit') tellAccess(settings, systemClock, stop, say).catch(() => undefined);
  await Promise.race([watcher.ended, stopped(stop, watcher.isRestarting)]);
  for (const listener of listeners) listener?.close();
  log({ event: 'stopped', details: { reason: String(stop.reason) } }, Date.now());
}

/** Metrics and status page. Their code is loaded only if it is needed: a gateway has little memory. */
async function serve(settings: Settings, log: Log): Promise<Web> {
  const { startWeb } = await import('../surfaces/web/web.ts');
  const say = (announcement: Announcement) => log(announcement, Date.now());
  const createGuard = isGuarded(settings) ? await guardOf(settings) : undefined;
  return startWeb({ settings, version: VERSION, now: systemClock.now, say, createGuard });
}

/** TLS and passwords for the pages. Their code is loaded only if it is needed, too. */
async function guardOf(settings: Settings): Promise<CreateGuard> {
  const { createGuard } = await import('../surfaces/web/guard/guard.ts');
  return (turns) => createGuard(settings, turns);
}

/** Notifications and heartbeat, also loaded only if needed. */
async function notify(
  settings: Settings,
  say: (announcement: Announcement) => void,
): Promise<Notifier | undefined> {
  if (settings.notifyUrl === undefined && settings.heartbeatUrl === undefined) return undefined;
  const { notifierOf } = await import('../wiring/notify.ts');
  return notifierOf(settings, say);
}

/** To systemd, also loaded only if needed. */
async function report(
  settings: Settings,
  { listens, watchdogMs }: ServiceManager,
  say: (announcement: Announcement) => void,
): Promise<Reporter | undefined> {
  if (!listens) return undefined;
  const { reporterOf } = await import('../wiring/service-manager.ts');
  return reporterOf(settings, watchdogMs, say);
}

/** What is published over MQTT, also loaded only if needed. */
async function speak(settings: Settings): Promise<Speaker | undefined> {
  if (settings.statusTopic === undefined) return undefined;
  const { speakerOf } = await import('../wiring/status-topic.ts');
  return speakerOf(settings, settings.statusTopic);
}

function logPublication(log: Log, { say, wallMs, cycle }: Publication) {
  for (const announcement of say) log(announcement, wallMs);
  if (cycle === undefined) return;
  const { path, reason, sentence } = cycle.decision;
  log({ event: 'state_path', details: { path, reason, message: sentence } }, wallMs);
}

/** Resolves a moment after `stop`, unless a restart is in progress: the watcher then ends after it. */
function stopped(stop: AbortSignal, isRestarting: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const wait = () => {
      startTimer(() => {
        if (!isRestarting()) resolve();
      }, STOP_MS).unref();
    };
    if (stop.aborted) wait();
    else stop.addEventListener('abort', wait, { once: true });
  });
}
