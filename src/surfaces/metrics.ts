/**
 * The Prometheus metrics: a rendering of the snapshot with the official client. A gauge is absent while there
 * is no truth to tell; a counter is there, for every value of its label, from the first scrape.
 */

import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { conditionOf } from '../core/broker.ts';
import { PROBE_CAUSES } from '../core/probe.ts';
import type { Deed } from '../core/publication.ts';
import { type BrokerStatus, type CertificateStatus, probeFailures, type Snapshot } from '../core/snapshot.ts';
import { registerProcessMetrics } from './process-metrics.ts';

export interface Metrics {
  readonly contentType: string;
  /** Takes in how long something took: a distribution is the one thing that no snapshot holds. */
  observe(deed: Deed): void;
  /** All metrics as they are now, in the text format. */
  expose(): Promise<string>;
}

const PREFIX = 'mosquitto_cert_watcher_';

/** A probe that succeeds takes two seconds or more: it listens for objections that long. */
const PROBE_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 3, 5, 10, 20];
const RESTART_BUCKETS_S = [0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 120];

/** Metrics in a registry of their own, read off `read()` at each scrape. */
export function createMetrics(read: () => Snapshot, version: string): Metrics {
  const registry = new Registry();
  registerSeedMetrics(registry, read);
  registerCertificateMetrics(registry, read);
  registerProbeMetrics(registry, read);
  registerRestartMetrics(registry, read);
  registerBrokerMetrics(registry, read);
  gauge(registry, `${PREFIX}last_check_timestamp_seconds`, 'When the last cycle ended', () =>
    seconds(read().cycle?.at.wallMs),
  );
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the version is in its label',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1);
  const observe = registerDurations(registry);
  registerProcessMetrics(registry);
  return { contentType: registry.contentType, observe, expose: () => registry.metrics() };
}

/** The five with the names and help texts that they have always had. */
function registerSeedMetrics(registry: Registry, read: () => Snapshot): void {
  gauge(registry, 'cert_days_remaining', 'Number of days until certificate expires', () => {
    return read().cycle?.certificates.find(({ role }) => role === 'client')?.daysRemaining;
  });
  counter(
    registry,
    'tls_probe_success_total',
    'Total number of successful TLS handshake probes',
    () => read().totals.probeSuccesses,
  );
  counter(registry, 'tls_probe_failure_total', 'Total number of failed TLS handshake probes', () =>
    probeFailures(read().totals),
  );
  counter(
    registry,
    'mosquitto_restarts_total',
    'Total number of Mosquitto container restarts triggered',
    () => read().totals.restarts,
  );
  counter(
    registry,
    'restart_suppressed_total',
    'Total number of restarts suppressed due to cooldown or stability window',
    () => read().totals.suppressed.cooldown + read().totals.suppressed.stability_window,
  );
}

function registerCertificateMetrics(registry: Registry, read: () => Snapshot): void {
  const date = (name: string, help: string, dateMs: (certificate: CertificateStatus) => number) =>
    new Gauge({
      name: `${PREFIX}certificate_${name}_timestamp_seconds`,
      help: `${help} of the client certificate, and of the CA certificate that expires first`,
      labelNames: ['file'],
      registers: [registry],
      collect() {
        this.reset();
        for (const certificate of read().cycle?.certificates ?? []) {
          this.set({ file: certificate.file }, dateMs(certificate) / 1_000);
        }
      },
    });
  date('not_before', 'Begin of validity', ({ notBeforeMs }) => notBeforeMs);
  date('not_after', 'End of validity', ({ notAfterMs }) => notAfterMs);
}

function registerProbeMetrics(registry: Registry, read: () => Snapshot): void {
  const verdict = () => read().lastProbe?.verdict;
  gauge(registry, `${PREFIX}probe_success`, 'Whether the last probe of the upstream succeeded', () =>
    flag(verdict()?.ok),
  );
  new Gauge({
    name: `${PREFIX}probe_failing`,
    help: 'Whether the last probe failed with this cause',
    labelNames: ['cause'],
    registers: [registry],
    collect() {
      this.reset();
      const last = verdict();
      if (last === undefined) return;
      for (const cause of PROBE_CAUSES) this.set({ cause }, !last.ok && last.cause === cause ? 1 : 0);
    },
  });
  labelled(
    registry,
    'probe_failures_total',
    'cause',
    'Failed probes of the upstream by cause',
    () => read().totals.probeFailures,
  );
}

function registerRestartMetrics(registry: Registry, read: () => Snapshot): void {
  labelled(
    registry,
    'restart_failures_total',
    'cause',
    'Restarts that failed or were in vain by cause; tries that never reached the engine count too',
    () => read().totals.restartFailures,
  );
  labelled(
    registry,
    'restarts_suppressed_total',
    'reason',
    'Changed sets that had to wait by reason, each counted once',
    () => read().totals.suppressed,
  );
  labelled(
    registry,
    'reloads_total',
    'result',
    'Signals to take up new certificates: proven to be enough, or insufficient and followed by a restart',
    () => read().totals.reloads,
  );
  gauge(registry, `${PREFIX}rotation_pending`, 'Whether a changed set waits to be applied', () =>
    flag(read().cycle?.pending),
  );
  gauge(
    registry,
    `${PREFIX}last_restart_timestamp_seconds`,
    'When the last restart ended that may have reached the broker',
    () => seconds(read().lastRestartAtMs),
  );
  gauge(
    registry,
    `${PREFIX}last_restart_success`,
    'Whether the last restart was verified: started anew, up, healthy',
    () => {
      const last = read().restarts.at(-1);
      return last && flag(last.result === 'verified');
    },
  );
}

function registerBrokerMetrics(registry: Registry, read: () => Snapshot): void {
  const each = (name: string, help: string, value: (broker: BrokerStatus) => boolean | undefined) =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      labelNames: ['container'],
      registers: [registry],
      collect() {
        this.reset();
        for (const broker of read().brokers) {
          const truth = flag(value(broker));
          if (truth !== undefined) this.set({ container: broker.container }, truth);
        }
      },
    });
  each('broker_well', 'Whether the broker was up and healthy when the engine was last asked', (broker) =>
    broker.engineFailure === undefined ? broker.seen && conditionOf(broker.seen.state) === 'well' : undefined,
  );
  new Gauge({
    name: `${PREFIX}bridge_connected`,
    help: 'Whether the bridge connection is up, as its broker says',
    labelNames: ['connection', 'container'],
    registers: [registry],
    collect() {
      this.reset();
      const { brokers } = read();
      for (const { container, bridges } of brokers) {
        for (const { connection, up } of bridges?.ok === true ? bridges.bridges : []) {
          this.set({ connection, ...(brokers.length > 1 && { container }) }, Number(up));
        }
      }
    },
  });
  each('broker_current', 'Whether the broker is known to have the set on disk', ({ isCurrent }) => isCurrent);
}

function registerDurations(registry: Registry): Metrics['observe'] {
  const probes = new Histogram({
    name: `${PREFIX}probe_duration_seconds`,
    help: 'How long probes of the upstream took, successful or not',
    buckets: PROBE_BUCKETS_S,
    registers: [registry],
  });
  const restarts = new Histogram({
    name: `${PREFIX}restart_duration_seconds`,
    help: 'How long restarts took from the call to the end of their verification',
    buckets: RESTART_BUCKETS_S,
    registers: [registry],
  });
  return (deed) => {
    if (deed.kind === 'probe_ended') probes.observe(deed.verdict.durationMs / 1_000);
    if (deed.kind === 'restart_ended' && deed.outcome.kind !== 'not_done') {
      restarts.observe(deed.outcome.tookMs / 1_000);
    }
  };
}

function gauge(registry: Registry, name: string, help: string, read: () => number | undefined): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      const value = read();
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

function counter(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** A counter with one label whose values are a closed list. */
function labelled(
  registry: Registry,
  name: string,
  label: string,
  help: string,
  read: () => Readonly<Record<string, number>>,
): void {
  new Counter({
    name: `${PREFIX}${name}`,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
    },
  });
}

function seconds(wallMs: number | undefined): number | undefined {
  return wallMs === undefined ? undefined : wallMs / 1_000;
}

function flag(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
