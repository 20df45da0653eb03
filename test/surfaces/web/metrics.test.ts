import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { situation } from '../../../lab/situations.ts';
import { ENGINE_CAUSES } from '../../../src/core/model/broker.ts';
import { PROBE_CAUSES } from '../../../src/core/model/probe.ts';
import { RELOAD_RESULTS, SUPPRESSION_REASONS } from '../../../src/core/status/snapshot.ts';
import { createMetrics } from '../../../src/surfaces/web/metrics.ts';

const PREFIX = 'mosquitto_cert_watcher_';

/** The exposition text of a situation. */
async function expose(name: string): Promise<string> {
  const { snapshot, publications } = await situation(name);
  const metrics = createMetrics(() => snapshot, '1.2.3');
  for (const { fact } of publications) if (fact !== undefined) metrics.observe(fact);
  return metrics.expose();
}

/** The value of one series; undefined if it is absent. */
function value(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

describe('the five metrics of old', () => {
  it.each([
    ['cert_days_remaining', 'gauge', 'Number of days until certificate expires'],
    ['tls_probe_success_total', 'counter', 'Total number of successful TLS handshake probes'],
    ['tls_probe_failure_total', 'counter', 'Total number of failed TLS handshake probes'],
    ['mosquitto_restarts_total', 'counter', 'Total number of Mosquitto container restarts triggered'],
    [
      'restart_suppressed_total',
      'counter',
      'Total number of restarts suppressed due to cooldown or stability window',
    ],
  ])('%s keeps its name, type and help', async (name, type, help) => {
    const text = await expose('well');
    expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} `);
  });
});

describe('promotions_total', () => {
  const promotions = (text: string) =>
    ['promoted', 'failed', 'rolled_back'].map((result) =>
      value(text, `${PREFIX}promotions_total{result="${result}"}`),
    );

  it.each([
    ['starting', [0, 0, 0]],
    ['incoming_refused', [0, 0, 0]],
    ['two_phases', [1, 0, 0]],
  ])('of a gateway that is %s is %j: promoted, failed, rolled back', async (name, expected) => {
    expect(promotions(await expose(name))).toEqual(expected);
  });

  it('counts every try that fails', async () => {
    const [promoted, failed] = promotions(await expose('promotion_failed'));
    expect(promoted).toBe(0);
    expect(failed).toBeGreaterThan(1);
  });

  it('counts a roll-back', async () => {
    expect(promotions(await expose('rolled_back'))).toEqual([1, 0, 1]);
  });
});

describe('before anything has happened', () => {
  it.each([
    'tls_probe_success_total',
    'tls_probe_failure_total',
    'mosquitto_restarts_total',
    'restart_suppressed_total',
    ...PROBE_CAUSES.map((cause) => `${PREFIX}probe_failures_total{cause="${cause}"}`),
    ...[...ENGINE_CAUSES, 'broker_unhealthy'].map(
      (cause) => `${PREFIX}restart_failures_total{cause="${cause}"}`,
    ),
    ...RELOAD_RESULTS.map((result) => `${PREFIX}reloads_total{result="${result}"}`),
    ...SUPPRESSION_REASONS.map((reason) => `${PREFIX}restarts_suppressed_total{reason="${reason}"}`),
    `${PREFIX}probe_duration_seconds_count`,
    `${PREFIX}restart_duration_seconds_count`,
  ])('%s is there, and 0', async (series) => {
    expect(value(await expose('starting'), series)).toBe(0);
  });

  it.each([
    'cert_days_remaining',
    `${PREFIX}certificate_not_after_timestamp_seconds`,
    `${PREFIX}probe_success`,
    `${PREFIX}probe_failing`,
    `${PREFIX}rotation_pending`,
    `${PREFIX}rotation_scheduled_timestamp_seconds`,
    `${PREFIX}last_check_timestamp_seconds`,
    `${PREFIX}last_restart_timestamp_seconds`,
    `${PREFIX}last_restart_success`,
    `${PREFIX}broker_well`,
    `${PREFIX}broker_current`,
    `${PREFIX}bridge_connected`,
  ])('%s is absent: there is no truth to tell', async (name) => {
    expect(await expose('starting')).not.toMatch(new RegExp(`^${name}[ {]`, 'm'));
  });
});

describe('a gauge', () => {
  it('tells the days that remain, also negative ones', async () => {
    expect(value(await expose('well'), 'cert_days_remaining')).toBe(89);
    expect(value(await expose('expired'), 'cert_days_remaining')).toBe(-4);
  });

  it('goes away with the certificate: 0 days would be a false alarm', async () => {
    expect(await expose('unparsable')).not.toMatch(/^cert_days_remaining /m);
  });

  it('tells the dates of certificates by file and role', async () => {
    const text = await expose('well');
    const notAfter = `${PREFIX}certificate_not_after_timestamp_seconds`;
    expect(value(text, `${notAfter}{file="client.crt",role="client"}`)).toBe(
      (fix.EPOCH_MS + 90 * fix.DAY_MS) / 1_000,
    );
    expect(value(text, `${notAfter}{file="ca.crt",role="ca"}`)).toBe(
      (fix.EPOCH_MS + 900 * fix.DAY_MS) / 1_000,
    );
  });

  it('tells from when a certificate counts as expiring', async () => {
    const expiring = `${PREFIX}certificate_expiring_timestamp_seconds{file="client.crt",role="client"}`;
    expect(value(await expose('well'), expiring)).toBe((fix.EPOCH_MS + 76 * fix.DAY_MS) / 1_000);
  });

  it.each([
    ['well', 1, 0],
    ['rejected', 0, 1],
  ])('%s: tells the last probe, and its cause', async (name, success, failing) => {
    const text = await expose(name);
    expect(value(text, `${PREFIX}probe_success`)).toBe(success);
    expect(value(text, `${PREFIX}probe_failing{cause="client_cert_rejected"}`)).toBe(failing);
    expect(value(text, `${PREFIX}probe_failing{cause="dns"}`)).toBe(0);
  });

  it('is absent while probes are switched off', async () => {
    expect(await expose('probe_off')).not.toMatch(/^[a-z_]+_probe_(success|failing)[ {]/m);
  });

  it.each([
    ['well', 0],
    ['rejected', 1],
    ['cooldown', 1],
    ['disabled', 1],
  ])('%s: tells whether a rotation is pending', async (name, pending) => {
    expect(value(await expose(name), `${PREFIX}rotation_pending`)).toBe(pending);
  });

  it.each([
    ['outside_window', '2026-03-02T01:00:00Z'],
    ['cooldown', undefined],
    ['engine_down', undefined],
  ])('%s: tells for when a restart is scheduled, if that is a plan', async (name, at) => {
    const scheduled = value(await expose(name), `${PREFIX}rotation_scheduled_timestamp_seconds`);
    expect(scheduled).toBe(at && Date.parse(at) / 1_000);
  });

  it.each([
    ['well', 1],
    ['unhealthy', 0],
    ['uncertain', 0],
    ['refused', 0],
  ])('%s: tells whether the last restart was a success', async (name, success) => {
    expect(value(await expose(name), `${PREFIX}last_restart_success`)).toBe(success);
  });

  it('tells when the broker was last restarted, but not of tries that never reached it', async () => {
    expect(value(await expose('well'), `${PREFIX}last_restart_timestamp_seconds`)).toBeGreaterThan(
      fix.EPOCH_MS / 1_000,
    );
    expect(await expose('refused')).not.toMatch(/last_restart_timestamp_seconds \d/);
  });
});

describe('a gauge of each broker', () => {
  it.each([
    ['well', 'eclipse-mosquitto', 1, 1],
    ['crashed', 'eclipse-mosquitto', 0, 1],
    ['several', 'standby', 1, 1],
    ['roll_stopped', 'eclipse-mosquitto', 0, 1],
    ['roll_stopped', 'standby', 1, 0],
    ['service_updating', 'eclipse-mosquitto', 1, 0],
  ])('%s: tells whether %s is well, and has the set on disk', async (name, container, well, current) => {
    const text = await expose(name);
    expect(value(text, `${PREFIX}broker_well{container="${container}"}`)).toBe(well);
    expect(value(text, `${PREFIX}broker_current{container="${container}"}`)).toBe(current);
  });

  it('shows a name as it is read, without what cannot be seen', async () => {
    const { snapshot } = await situation('bridge_up');
    const bridges = fix.sight([fix.bridge({ connection: '\u202egnp\u009b31m', up: true })]);
    const brokers = snapshot.brokers.map((broker) => ({ ...broker, bridges }));
    const text = await createMetrics(() => ({ ...snapshot, brokers }), '1.2.3').expose();
    expect(
      value(text, `${PREFIX}bridge_connected{connection="\uFFFDgnp\uFFFD31m",container="eclipse-mosquitto"}`),
    ).toBe(1);
  });

  it('goes away while the engine cannot be asked', async () => {
    expect(await expose('engine_down')).not.toMatch(/^mosquitto_cert_watcher_broker_well\{/m);
  });

  it.each([
    ['bridge_up', 1],
    ['bridge_down', 0],
    ['bridge_unknown', undefined],
  ])('%s: tells whether the bridge is connected, where that is known', async (name, connected) => {
    const labels = '{connection="edge.cloud",container="eclipse-mosquitto"}';
    expect(value(await expose(name), `${PREFIX}bridge_connected${labels}`)).toBe(connected);
  });

  it.each([
    ['reloaded', 1, 0, 0],
    ['reload_insufficient', 0, 1, 1],
  ])('%s: counts reloads by result, and restarts apart', async (name, proven, insufficient, restarts) => {
    const text = await expose(name);
    expect(value(text, `${PREFIX}reloads_total{result="proven"}`)).toBe(proven);
    expect(value(text, `${PREFIX}reloads_total{result="insufficient"}`)).toBe(insufficient);
    expect(value(text, 'mosquitto_restarts_total')).toBe(restarts);
  });
});

describe('the rest', () => {
  it('keeps how long things took', async () => {
    const text = await expose('well');
    expect(value(text, `${PREFIX}restart_duration_seconds_count`)).toBe(1);
    expect(value(text, `${PREFIX}restart_duration_seconds_sum`)).toBeCloseTo(2.3);
    expect(value(text, `${PREFIX}probe_duration_seconds_bucket{le="2.5"}`)).toBe(
      value(text, 'tls_probe_success_total'),
    );
  });

  it('tells the version and the usual facts about the process', async () => {
    const text = await expose('well');
    expect(value(text, `${PREFIX}build_info{version="1.2.3"}`)).toBe(1);
    for (const name of [
      'cpu_seconds_total',
      'start_time_seconds',
      'resident_memory_bytes',
      'open_fds',
      'max_fds',
    ]) {
      expect(value(text, `process_${name}`), name).toBeGreaterThan(0);
    }
  });

  it('is the same however often it is asked', async () => {
    const { snapshot } = await situation('rejected');
    const metrics = createMetrics(() => snapshot, '1.2.3');
    const withoutProcess = (text: string) => text.replace(/^.*process_.*$/gm, '');
    expect(withoutProcess(await metrics.expose())).toBe(withoutProcess(await metrics.expose()));
  });
});
