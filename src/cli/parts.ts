/** Adapters as the settings want them: what several commands need in the same way. */

import { resolve } from 'node:path';
import { type CertFiles, createCertFiles } from '../adapters/cert-files.ts';
import { systemClock } from '../adapters/clock.ts';
import { createEngine } from '../adapters/engine.ts';
import { createTlsProbe, type TlsProbe } from '../adapters/tls-probe.ts';
import type { HostPort, Settings } from '../core/settings.ts';
import { createRestart } from '../restart.ts';
import type { Brokers } from '../watcher.ts';

export function certFilesOf(settings: Settings): CertFiles {
  return createCertFiles({ ...settings, certDir: resolve(settings.certDir) });
}

/** The probe of the upstream. It does not ask whether the daemon's probes are enabled. */
export function tlsProbeOf(settings: Settings, upstream: HostPort): TlsProbe {
  const { certDir } = settings;
  return createTlsProbe({
    caFile: resolve(certDir, settings.caCertFile),
    certFile: resolve(certDir, settings.clientCertFile),
    keyFile: resolve(certDir, settings.clientKeyFile),
    host: upstream.host,
    port: upstream.port,
    serverName: settings.tlsSni,
    timeoutMs: settings.tlsTimeoutMs,
    mode: settings.probeMode,
  });
}

/** The brokers that the settings name. */
export function brokersOf(settings: Settings): Brokers {
  const { target } = settings;
  const names = target.kind === 'containers' ? target.names : [settings.container];
  return {
    first: names,
    list: async () => ({ ok: true, value: names }),
    of(container) {
      const engine = createEngine(settings.engine, container);
      return { engine, restart: createRestart(engine, systemClock, settings) };
    },
  };
}
