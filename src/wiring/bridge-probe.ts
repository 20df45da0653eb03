/** The probe of one set that the broker's configuration names. */

import { createPairProbe, createTlsProbe } from '../adapters/tls-probe/probe.ts';
import type { SetSource } from '../core/model/named-set.ts';
import { type ProbeVerdict, verdictAt } from '../core/model/probe.ts';
import type { Settings } from '../core/model/settings.ts';
import { hostPort } from '../core/text/address.ts';
import type { RunProbe } from '../watcher/probing.ts';

export type SetProbe = (options: Parameters<RunProbe>[0]) => Promise<ProbeVerdict | undefined>;

/** Of a bridge, at each of its addresses, all at the same time; of a listener, key and certificate are compared. */
export function probeOf(
  source: SetSource,
  { tlsTimeoutMs: timeoutMs, probeMode: mode }: Pick<Settings, 'tlsTimeoutMs' | 'probeMode'>,
): SetProbe {
  const { caFile, certFile, keyFile, upstreams, alpn, oldestTls, insecure } = source;
  // at the addresses of a listener there is nobody to ask, and it does not mind what its capath holds
  if (upstreams.length === 0)
    return createPairProbe({ caFile, certFile, keyFile, timeoutMs, isOfConf: true }).run;
  const { caPath } = source;
  const files = { caFile, caPath, certFile, keyFile, isOfConf: true };
  const probes = upstreams.map(({ host, port }) => ({
    upstream: hostPort({ host, port }),
    run: createTlsProbe({
      ...files,
      host,
      port,
      serverName: undefined,
      alpn,
      oldestTls,
      insecure,
      timeoutMs,
      mode,
    }).run,
  }));
  return async (options) => {
    const verdicts = await Promise.all(
      probes.map(async ({ upstream, run }) => ({ upstream, verdict: await run(options) })),
    );
    return verdictAt(
      verdicts.flatMap(({ upstream, verdict }) => (verdict === undefined ? [] : [{ upstream, verdict }])),
    );
  };
}
