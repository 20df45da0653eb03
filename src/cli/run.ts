/** The daemon: its first line, and then the watch. */

import { userText } from '../core/judgements/readable.ts';
import type { EngineEndpoint, Settings } from '../core/model/settings.ts';
import type { Announcement } from '../core/news/events.ts';
import { hostPort } from '../core/text/address.ts';
import { createLog } from '../surfaces/log.ts';
import type { ServiceManager } from '../system/process/service-manager.ts';
import { VERSION } from '../system/process/version.ts';
import type { Listen } from '../watcher/requests.ts';

/**
 * Watches until `stop` aborts, and accepts the operator's requests. A restart in progress is finished first. Resolves
 * with the exit code.
 */
export async function run(
  settings: Settings,
  stop: AbortSignal,
  onRequest: Listen,
  write: (line: string) => void,
  serviceManager: ServiceManager,
): Promise<number> {
  const log = createLog(settings.logLevel, write, serviceManager.readsLog);
  const started: Announcement = { event: 'started', details: startedDetails(settings) };
  log(started, Date.now());
  // most of the program: no command that only asks for something has to wait for it
  const { watch } = await import('./watch.ts');
  await watch({ settings, stop, onRequest, log, started, serviceManager });
  return 0;
}

function engineName(engine: EngineEndpoint): string {
  return engine.kind === 'unix' ? engine.path : `tcp://${hostPort(engine)}`;
}

function startedDetails(settings: Settings) {
  const { engine, upstream, restartWindow } = settings;
  return {
    version: VERSION,
    cert_dir: settings.mosquittoConf === undefined ? settings.certDir : undefined,
    conf: settings.mosquittoConf,
    cert_role: settings.certRole === 'listener' ? settings.certRole : undefined,
    incoming_dir: settings.incomingDir,
    container: settings.targetLabel,
    engine: settings.target.kind === 'unit' ? 'systemd' : engineName(engine),
    broker_user: settings.brokerUser && userText(settings.brokerUser),
    upstream: settings.probeEnabled && upstream ? hostPort(upstream) : undefined,
    tls_probe: settings.probeEnabled,
    restart: settings.restartEnabled,
    state_file: settings.stateFile,
    restart_window: restartWindow && `${restartWindow.text} (${restartWindow.timeZone})`,
    status_topic: settings.statusTopic,
  };
}
