/** Adapters according to the settings: what several commands need in the same way. */

import { resolve } from 'node:path';
import { type CertFiles, namesOf } from '../adapters/cert-files.ts';
import { createFileEvents, type FileEvents } from '../adapters/file-events.ts';
import type { LiveSets } from '../adapters/live-directory/live-directory.ts';
import { createStateFile, type StateFile } from '../adapters/state-file.ts';
import { createPairProbe, createTlsProbe, type TlsProbe } from '../adapters/tls-probe/probe.ts';
import { agentsDirectory, DEFAULT_CONTAINER, type HostPort, type Settings } from '../core/model/settings.ts';
import type { FindWatchers } from '../watcher/looking-around.ts';
import type { RunProbe } from '../watcher/probing.ts';
import { createFindWatchers } from './find-watchers.ts';
import { setReaderOf } from './set-reader.ts';

/** Where the sets come from, and how they are probed. */
export interface Sources {
  readonly certFiles: CertFiles;
  /** undefined: probes are disabled */
  readonly runProbe: RunProbe | undefined;
  createFileEvents(onHint: () => void): FileEvents;
}

/** The one set of a directory, or those that the broker's configuration names. */
export async function sourcesOf(settings: Settings): Promise<Sources> {
  const { mosquittoConf, probeEnabled } = settings;
  if (mosquittoConf !== undefined) {
    const { createNamedSets } = await import('./named-sets.ts');
    const sets = await createNamedSets(settings, mosquittoConf);
    return { ...sets, runProbe: probeEnabled ? sets.probe.run : undefined };
  }
  const { path, setting } = agentsDirectory(settings);
  const certDir = resolve(path);
  return {
    certFiles: (await setReaderOf(settings))(certDir, setting),
    runProbe: probeOf(settings),
    createFileEvents: (onHint) => createFileEvents(certDir, onHint),
  };
}

function probeOf(settings: Settings): RunProbe | undefined {
  const { probeEnabled, upstream } = settings;
  if (!probeEnabled) return undefined;
  if (upstream === undefined) return pairProbeOf(settings).run;
  const probe = tlsProbeOf(settings, upstream);
  if (settings.incomingDir === undefined) return probe.run;
  const ofLiveSet = tlsProbeOf(settings, upstream, resolve(settings.certDir));
  return (options) => (options.ofLive ? ofLiveSet : probe).run(options);
}

/**
 * The live directory of a two-phase rotation; undefined if the agent writes to CERT_DIR itself. Its code is loaded only
 * if it is needed: a gateway has little memory.
 */
export async function liveSetsOf(settings: Settings): Promise<LiveSets | undefined> {
  const { incomingDir } = settings;
  if (incomingDir === undefined) return undefined;
  const { createLiveDirectory } = await import('../adapters/live-directory/live-directory.ts');
  return createLiveDirectory({
    certDir: resolve(settings.certDir),
    incomingDir: resolve(incomingDir),
    names: namesOf(settings),
    readSet: await setReaderOf(settings),
  });
}

/**
 * Where a watcher remembers what brokers have loaded: the configured file or, in a two-phase rotation, one next to the
 * sets.
 */
export function stateFileOf(settings: Settings): StateFile | undefined {
  const path = stateFilePath(settings);
  return path === undefined ? undefined : createStateFile(path);
}

/** The path of that file; undefined: nothing outlives the process. */
export function stateFilePath({ stateFile, incomingDir, certDir }: Settings): string | undefined {
  if (stateFile !== undefined) return resolve(stateFile);
  return incomingDir === undefined ? undefined : resolve(certDir, '..state.json');
}

/**
 * The probe of the upstream, with the set that the agent has written or another one. It ignores whether the daemon's
 * probes are enabled.
 */
export function tlsProbeOf(
  settings: Settings,
  upstream: HostPort,
  certDir: string = agentsDirectory(settings).path,
): TlsProbe {
  return createTlsProbe({
    ...pathsIn(settings, certDir),
    // only the set of a listener has none, and that has no upstream
    caFile: resolve(certDir, settings.caCertFile ?? ''),
    host: upstream.host,
    port: upstream.port,
    serverName: settings.tlsSni,
    alpn: settings.tlsAlpn,
    timeoutMs: settings.tlsTimeoutMs,
    mode: settings.probeMode,
  });
}

/** The part of the probe that needs no upstream: whether key and certificate belong together. */
function pairProbeOf(settings: Settings): Pick<TlsProbe, 'run'> {
  return createPairProbe({
    ...pathsIn(settings, agentsDirectory(settings).path),
    timeoutMs: settings.tlsTimeoutMs,
  });
}

function pathsIn({ caCertFile, clientCertFile, clientKeyFile }: Settings, certDir: string) {
  return {
    caFile: caCertFile === undefined ? undefined : resolve(certDir, caCertFile),
    certFile: resolve(certDir, clientCertFile),
    keyFile: resolve(certDir, clientKeyFile),
  };
}

/** The search for other watchers, which are started like this program. */
export function findWatchersOf(settings: Settings): FindWatchers {
  return createFindWatchers(settings, process.argv[1], DEFAULT_CONTAINER);
}
