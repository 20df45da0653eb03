/** Metrics, alert rules and dashboard as a real Prometheus takes them. */

import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { describe, expect } from 'vitest';
import { type Authority, createAuthority } from '../../lab/certificates.ts';
import { closedPort, plainAlert, startSecondFlightRelay, startTlsServer } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { PROBE_CAUSES } from '../../src/core/model/probe.ts';
import { RESTART_FAILURE_CAUSES } from '../../src/core/status/snapshot.ts';
import { all, describeWith, program } from '../support/needs.ts';
import { type Prometheus, promtool, startPrometheus } from '../support/prometheus.ts';
import { startObedientEngine } from '../support/scripted-engine.ts';
import { SHORT, type Stage, test } from '../support/stage.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const RULES = join(DEPLOY, 'prometheus');
const RULES_TEXT = readFileSync(join(RULES, 'alerts.yml'), 'utf8');
const METRICS_PAGE = readFileSync(join(DEPLOY, '..', 'docs', 'metrics.md'), 'utf8');
const RULE_TESTS = readFileSync(join(RULES, 'alerts.test.yml'), 'utf8');

const DATASOURCE = v.object({ uid: v.string() });
const DASHBOARD = v.object({
  templating: v.object({ list: v.array(v.object({ name: v.string(), definition: v.optional(v.string()) })) }),
  annotations: v.object({ list: v.array(v.object({ name: v.string(), expr: v.optional(v.string()) })) }),
  panels: v.array(
    v.object({
      title: v.string(),
      datasource: DATASOURCE,
      targets: v.array(v.object({ expr: v.string(), datasource: DATASOURCE })),
    }),
  ),
});

const { panels, annotations, templating } = v.parse(
  DASHBOARD,
  JSON.parse(readFileSync(join(DEPLOY, 'grafana', 'dashboard.json'), 'utf8')),
);

/** Everything that the dashboard asks, as it is written. */
const EXPRESSIONS = [
  ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...annotations.list.flatMap(({ expr }) => expr ?? []),
];

/** The same as Grafana asks it, for every gateway. */
const QUERIES = EXPRESSIONS.map((expression) =>
  expression.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m'),
);

/** What rightly answers nothing while nothing goes wrong. */
const isOfTrouble = (query: string) => /probe_failing|failures_total/.test(query);

/** The names that are a contract (SPEC: the seed's five, then our own). */
const PROMISED = [
  'cert_days_remaining',
  'tls_probe_success_total',
  'tls_probe_failure_total',
  'mosquitto_restarts_total',
  'restart_suppressed_total',
  'mosquitto_cert_watcher_build_info',
  'mosquitto_cert_watcher_certificate_not_after_timestamp_seconds',
  'mosquitto_cert_watcher_certificate_not_before_timestamp_seconds',
  'mosquitto_cert_watcher_probe_success',
  'mosquitto_cert_watcher_probe_failures_total',
  'mosquitto_cert_watcher_probe_duration_seconds_bucket',
  'mosquitto_cert_watcher_restart_failures_total',
  'mosquitto_cert_watcher_restart_duration_seconds_bucket',
  'mosquitto_cert_watcher_last_restart_timestamp_seconds',
  'mosquitto_cert_watcher_last_restart_success',
  'mosquitto_cert_watcher_restarts_suppressed_total',
  'mosquitto_cert_watcher_rotation_pending',
  'mosquitto_cert_watcher_last_check_timestamp_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_start_time_seconds',
];

interface Watched {
  readonly port: number;
  readonly prometheus: Prometheus;
}

/** A watcher that Prometheus scrapes from its first moment on, an engine that does what it is told, and an upstream. */
async function watched(stage: Stage, trouble: 'well' | 'in trouble'): Promise<Watched> {
  const authority = await createAuthority({ cn: 'Example CA' });
  const upstreamPort = await startUpstream(stage, authority, trouble);
  const port = await closedPort();
  const engine =
    trouble === 'well'
      ? (await startObedientEngine(stage.onEnd)).settings
      : { DOCKER_HOST: `unix://${stage.directory}/nobody.sock` };
  const daemon = stage.daemon({
    ...SHORT,
    CERT_DIR: stage.certs.path,
    ...engine,
    ENABLE_TLS_PROBE: 'true',
    TLS_PROBE_GATE: 'off',
    TLS_PROBE_INTERVAL: '1s',
    UPSTREAM_ADDR: `127.0.0.1:${upstreamPort}`,
    ENABLE_METRICS: 'true',
    METRICS_PORT: String(port),
  });
  await daemon.says('server_started');
  const prometheus = await scraping(stage, port);
  const client = await authority.issue({ cn: 'edge-1' });
  await stage.certs.install({ ca: authority.certPem, cert: client.chainPem, key: client.keyPem });
  return { port, prometheus };
}

/** An upstream that accepts every client of this authority, or refuses every client with alert 48; its port. */
async function startUpstream(
  stage: Stage,
  authority: Authority,
  trouble: 'well' | 'in trouble',
): Promise<number> {
  const identity = await authority.issue({ cn: 'broker', sans: ['127.0.0.1'] });
  const server = await startTlsServer(identity, authority.certPem, { maxVersion: 'TLSv1.2' });
  stage.onEnd(server.close);
  if (trouble === 'well') return server.port;
  const relay = await startSecondFlightRelay(server.port, (socket) => socket.end(plainAlert(48)));
  stage.onEnd(relay.close);
  return relay.port;
}

/** Prometheus as shipped, but with this target and a shorter interval; resolves when it has scraped. */
async function scraping(stage: Stage, port: number): Promise<Prometheus> {
  const directory = join(stage.directory, 'prometheus');
  await mkdir(directory);
  await cp(join(RULES, 'alerts.yml'), join(directory, 'alerts.yml'));
  const shipped = await readFile(join(RULES, 'prometheus.yml'), 'utf8');
  const adapted = shipped
    .replace('mosquitto-cert-watcher:9090', `127.0.0.1:${port}`)
    .replaceAll('_interval: 15s', '_interval: 1s');
  await writeFile(join(directory, 'prometheus.yml'), adapted);
  const prometheus = await startPrometheus(join(directory, 'prometheus.yml'));
  stage.onEnd(prometheus.close);
  await answered(prometheus, 'up{job="mosquitto-cert-watcher"} == 1');
  return prometheus;
}

/** Waits until this has an answer. */
async function answered({ query }: Prometheus, expression: string): Promise<void> {
  await until(`an answer to ${expression}`, async () => (await query(expression)).length > 0);
}

/** Waits until every query has an answer that is a number. */
async function allAnswered({ query }: Prometheus, queries: readonly string[]): Promise<void> {
  let left = queries;
  const look = async () => {
    const answers = await Promise.all(left.map((expression) => query(expression)));
    left = left.filter((_, index) => !answers[index]?.some(({ value }) => !Number.isNaN(value)));
    return left.length === 0;
  };
  await until('an answer to every query', look, { otherwise: () => left.join('\n') });
}

/** The causes that the expressions of the alerts name beside a metric. */
function causesOf(metric: string): readonly string[] {
  const matchers = RULES_TEXT.matchAll(new RegExp(`${metric}\\{cause=~?"([a-z_|]+)"`, 'g'));
  return [...new Set([...matchers].flatMap(([, causes = '']) => causes.split('|')))].toSorted();
}

const ALERT_NAMES = [...RULES_TEXT.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);

/** The metrics that the alerts ask for. */
const ALERTED = [...RULES_TEXT.matchAll(/^ +expr: (.*(?:\n {10}.*)*)$/gm)].flatMap(
  ([, expression = '']) =>
    // a label's value may look like one: the cause tls_failed
    expression.replace(/"[^"]*"/g, '').match(/\b(?:mosquitto|cert|tls|restart|process)_[a-z_]+/g) ?? [],
);

/** Metrics that only BROKER_URL brings, and a rotation that waits for RESTART_WINDOW. */
const ELSEWHERE = [
  'mosquitto_cert_watcher_bridge_connected',
  'mosquitto_cert_watcher_rotation_scheduled_timestamp_seconds',
];

describe('the alert rules', () => {
  test.each(ALERT_NAMES)('have a test in which %s fires, and one in which it does not', (name) => {
    expect(RULE_TESTS).toContain(`alertname: ${name}\n`);
    expect(RULE_TESTS).toContain(`alertname: ${name}, exp_alerts: [] }`);
  });

  test.each(ALERT_NAMES)('tell of %s in docs/metrics.md, with its severity', (name) => {
    const severity = new RegExp(`alert: ${name}\\n(?: {8}.*\\n)*? +severity: (\\w+)`).exec(RULES_TEXT)?.[1];
    expect(METRICS_PAGE).toMatch(new RegExp(`^\\| ${severity} \\| \`${name}\` \\| \\S`, 'm'));
  });

  test('have one for every cause of a failed probe, and for no other', () => {
    expect(causesOf('probe_failing')).toEqual(PROBE_CAUSES.toSorted());
  });

  test('have one for every cause of a failed restart, and for no other', () => {
    expect(causesOf('restart_failures_total')).toEqual(RESTART_FAILURE_CAUSES.toSorted());
  });
});

describe('the dashboard', () => {
  test('asks the data source that is chosen, and no other', () => {
    const sources = panels.flatMap(({ datasource, targets }) => [
      datasource,
      ...targets.map((t) => t.datasource),
    ]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder is Grafana's
    expect(new Set(sources.map(({ uid }) => uid))).toEqual(new Set(['${DS_PROMETHEUS}']));
    expect(templating.list.map(({ name }) => name)).toEqual(['DS_PROMETHEUS', 'instance']);
  });

  test.each(EXPRESSIONS)('asks for the chosen gateways alone: %s', (expression) => {
    const selectors = expression.match(/[a-z_]+_[a-z_]+\{/g) ?? [];
    expect(expression.match(/\{instance=~"\$instance"\}/g)).toHaveLength(selectors.length);
  });
});

describeWith(all(program('prometheus'), program('promtool')), 'Prometheus', () => {
  test('objects to nothing in the metrics but the unit in a name that is a contract', async ({ stage }) => {
    const { port, prometheus } = await watched(stage, 'well');
    await answered(prometheus, 'mosquitto_cert_watcher_last_restart_success == 1');
    const input = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const { said } = await promtool(['check', 'metrics'], { input });
    expect(said).toBe('cert_days_remaining use base unit "seconds" instead of "days"\n');
  });

  test('accepts the scrape configuration and the rules', async () => {
    expect(await promtool(['check', 'config', 'prometheus.yml'], { cwd: RULES })).toMatchObject({ code: 0 });
    expect(await promtool(['check', 'rules', 'alerts.yml'], { cwd: RULES })).toMatchObject({ code: 0 });
  });

  test('understands every example in docs/metrics.md', async ({ stage }) => {
    const examples = [...METRICS_PAGE.matchAll(/\| `([^`|]+)` \|$/gm)].map(([, example = '']) => example);
    expect(examples.length).toBeGreaterThanOrEqual(PROMISED.filter((name) => !/^process_/.test(name)).length);
    const file = join(stage.directory, 'examples.yml');
    const rules = examples.map((expr, index) => ({ record: `example_${index}`, expr }));
    await writeFile(file, JSON.stringify({ groups: [{ name: 'examples', rules }] }));
    expect(await promtool(['check', 'rules', file])).toMatchObject({ code: 0 });
  });

  test('finds that every alert fires when it should, and only then', async () => {
    const { code, said } = await promtool(['test', 'rules', 'alerts.test.yml'], { cwd: RULES });
    expect({ code, said }).toMatchObject({ code: 0, said: expect.stringContaining('SUCCESS') });
  });

  test('stores every metric that is promised, and every one that an alert asks for', async ({ stage }) => {
    const { prometheus } = await watched(stage, 'well');
    await answered(prometheus, 'mosquitto_cert_watcher_last_restart_success');
    const names = await prometheus.names();
    expect(ALERTED.length).toBeGreaterThanOrEqual(ALERT_NAMES.length);
    const expected = [...PROMISED, ...ALERTED].filter((name) => !ELSEWHERE.includes(name));
    expect(expected.filter((name) => !names.includes(name))).toEqual([]);
  });

  test('has an answer to everything that the dashboard asks about a rotation', async ({ stage }) => {
    const { prometheus } = await watched(stage, 'well');
    await answered(prometheus, 'rate(mosquitto_restarts_total[1m]) > 0');
    const queries = QUERIES.filter((query) => !isOfTrouble(query));
    expect(queries.length).toBeGreaterThan(10);
    await allAnswered(prometheus, queries);
  });

  test('raises no alert about a watcher whose certificates are well', async ({ stage }) => {
    const { prometheus } = await watched(stage, 'well');
    await answered(prometheus, 'rate(mosquitto_restarts_total[1m]) > 0');
    await until('an evaluation without alerts', async () => (await prometheus.alerts()).length === 0);
    const rules = await prometheus.rules();
    expect(rules.map(({ name }) => name)).toEqual(ALERT_NAMES);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  test('raises the alarm when the upstream refuses the certificate, and waits with what may pass', async ({
    stage,
  }) => {
    const { prometheus } = await watched(stage, 'in trouble');
    const expected = [
      'MosquittoEngineUnreachable pending',
      'MosquittoRotationPending pending',
      'MosquittoUpstreamRejectsCertificate firing',
    ];
    let seen: readonly string[] = [];
    // an alert that a slow start has made pending goes before it fires
    await until(
      'these alerts and no other',
      async () => {
        seen = (await prometheus.alerts()).map(({ name, state }) => `${name} ${state}`).toSorted();
        return isDeepStrictEqual(seen, expected);
      },
      { otherwise: () => seen.join('\n') },
    );
  });

  test('has an answer to everything that the dashboard asks about trouble', async ({ stage }) => {
    const { prometheus } = await watched(stage, 'in trouble');
    const queries = QUERIES.filter(isOfTrouble);
    expect(queries.length).toBeGreaterThan(1);
    await allAnswered(prometheus, queries);
  });
});
