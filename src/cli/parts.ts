/** Adapters as the settings want them: what several commands need in the same way. */

import { resolve } from 'node:path';
import { type CertFiles, createCertFiles } from '../adapters/cert-files.ts';
import { createTlsProbe, type TlsProbe } from '../adapters/tls-probe.ts';
import type { HostPort, Settings } from '../core/settings.ts';

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
