/**
 * The Prometheus metrics: a rendering of the snapshot with the official client. A gauge is absent while its value is
 * unknown; a counter is present, for each value of its label, from the first scrape.
 */

import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { Reason } from '../../core/decision/diagram.ts';
import { conditionOf } from '../../core/model/broker.ts';
import { PROBE_CAUSES } from '../../core/model/probe.ts';
import type { Fact } from '../../core/status/cycle.ts';
import { type BrokerStatus, leafOf, probeFailures, type Snapshot } from '../../core/status/snapshot.ts';
import { visible } from '../../core/text/printable.ts';
import { registerCertificateMetrics } from './certificate-metrics.ts';
import { PREFIX } from './metric-prefix.ts';
import { registerProcessMetrics } from './process-metrics.ts';

export interface Metrics {
  readonly contentType: string;
  /** Records how long something took: a distribution is the only thing that the snapshot does not contain. */
  observe(fact: Fact): void;
  /** All current metrics, in the text format. */
  expose(): Promise<string>;
}

/** A probe that succeeds takes two seconds or more: it waits that long for a refusal. */
const PROBE_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 3, 5, 10, 20];
const RESTART_BUCKETS_S = [0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 120];

/** Metrics in a separate registry, read from `read()` at each scrape. */
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

/** The seed's five metrics, with unchanged names and help texts. */
function registerSeedMetrics(registry: Registry, read: () => Snapshot): void {
  gauge(registry, 'cert_days_remaining', 'Number of days until certificate expires', () => {
    return leafOf(read().cycle?.certificates ?? [])?.daysRemaining;
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

/** Reasons to wait that the operator has scheduled. */
const SCHEDULED: readonly Reason[] = ['outside_window', 'restart_splayed'];

function registerRestartMetrics(registry: Registry, read: () => Snapshot): void {
  labelled(
    registry,
    'restart_failures_total',
    'cause',
    'Restarts that failed or did not help, by cause; attempts that never reached the engine count too',
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
    'Signals to reload the certificates: proven to be enough, or insufficient and followed by a restart',
    () => read().totals.reloads,
  );
  labelled(
    registry,
    'promotions_total',
    'result',
    'Changes of the live directory in a two-phase rotation (INCOMING_DIR): sets promoted, failed to be, or rolled back',
    () => read().totals.promotions,
  );
  gauge(registry, `${PREFIX}rotation_pending`, 'Whether a changed set waits to be applied', () =>
    flag(read().cycle?.pending),
  );
  gauge(
    registry,
    `${PREFIX}rotation_scheduled_timestamp_seconds`,
    'Earliest time of a restart that waits for RESTART_WINDOW or RESTART_SPLAY',
    () => {
      const { cycle } = read();
      return cycle && SCHEDULED.includes(cycle.reason) ? seconds(cycle.waitsUntilMs) : undefined;
    },
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
    'Whether the last restart was verified: started again, up, healthy',
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
          if (truth !== undefined) this.set({ container: visible(broker.container) }, truth);
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
      for (const { container, bridges } of read().brokers) {
        for (const { connection, up } of bridges?.ok === true ? bridges.bridges : []) {
          this.set({ connection: visible(connection), container: visible(container) }, Number(up));
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
  return (fact) => {
    if (fact.kind === 'probe_ended') probes.observe(fact.verdict.durationMs / 1_000);
    if (fact.kind === 'restart_ended' && fact.outcome.kind !== 'not_done') {
      restarts.observe(fact.outcome.tookMs / 1_000);
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
