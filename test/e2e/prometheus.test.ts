/** Metrics, alert rules and dashboard as a real Prometheus takes them. */

import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { describe, expect } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import type { Daemon } from '../support/daemon.ts';
import { all, program } from '../support/needs.ts';
import { type Prometheus, promtool, startPrometheus } from '../support/prometheus.ts';
import { http, inspection, json, startScriptedEngine } from '../support/scripted-engine.ts';
import { SHORT, type Stage, test } from '../support/stage.ts';
import { closedPort, startTlsServer } from '../support/tls-servers.ts';
import { until } from '../support/until.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const RULES = join(DEPLOY, 'prometheus');
const NEEDS = all(program('prometheus'), program('promtool'));

const DASHBOARD = v.object({
  panels: v.array(v.object({ title: v.string(), targets: v.array(v.object({ expr: v.string() })) })),
});

/** The queries of the dashboard as Grafana asks them, for one gateway. */
const QUERIES = v
  .parse(DASHBOARD, JSON.parse(readFileSync(join(DEPLOY, 'grafana', 'dashboard.json'), 'utf8')))
  .panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({
      title,
      expression: expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m'),
    })),
  );

/** Panels that rightly show nothing while nothing goes wrong. */
const ONLY_IN_TROUBLE = /> 0$|probe_failing/;

const ALERTS = [...readFileSync(join(RULES, 'alerts.yml'), 'utf8').matchAll(/^ {8}expr: (.*)$/gm)].map(
  ([, expression = '']) => expression,
);

/** A watcher through one whole rotation: a scripted engine that does what it is told, and an upstream. */
async function rotated(stage: Stage): Promise<{ readonly daemon: Daemon; readonly port: number }> {
  const authority = await createAuthority({ cn: 'Example CA' });
  const server = await authority.issue({ cn: 'broker', sans: ['127.0.0.1'] });
  const upstream = await startTlsServer(server, authority.certPem);
  stage.onEnd(upstream.close);
  let startedAt = new Date(Date.now() - 3_600_000).toISOString();
  const engine = await startScriptedEngine({
    inspect: (socket) => json(inspection({ State: { StartedAt: startedAt } }))(socket),
    restart: (socket) => {
      startedAt = new Date().toISOString();
      http(204)(socket);
    },
  });
  const client = await authority.issue({ cn: 'edge-1' });
  await stage.certs.install({ ca: authority.certPem, cert: client.chainPem, key: client.keyPem });
  const port = await closedPort();
  const daemon = stage.daemon({
    ...SHORT,
    CERT_DIR: stage.certs.path,
    DOCKER_SOCK: engine.endpoint.kind === 'unix' ? engine.endpoint.path : '',
    ENABLE_TLS_PROBE: 'true',
    TLS_PROBE_INTERVAL: '1s',
    UPSTREAM_ADDR: `127.0.0.1:${upstream.port}`,
    ENABLE_METRICS: 'true',
    METRICS_PORT: String(port),
  });
  await daemon.says('restart_completed');
  await daemon.says('tls_probe_success');
  return { daemon, port };
}

/** Prometheus as shipped, but with this target and a shorter interval. */
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
  const scrapes = 'count_over_time(up{job="mosquitto-cert-watcher"}[1m]) >= 3 and up == 1';
  await until('three scrapes', async () => (await prometheus.query(scrapes)).length > 0);
  return prometheus;
}

describe.skipIf(!NEEDS.ok)(`Prometheus${NEEDS.ok ? '' : ` [skipped: ${NEEDS.reason}]`}`, () => {
  test('objects to nothing in the metrics but the unit in a name that is a contract', async ({ stage }) => {
    const { port } = await rotated(stage);
    const input = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const { said } = await promtool(['check', 'metrics'], { input });
    expect(said).toBe('cert_days_remaining use base unit "seconds" instead of "days"\n');
  });

  test('accepts the scrape configuration and the rules', async () => {
    expect(await promtool(['check', 'config', 'prometheus.yml'], { cwd: RULES })).toMatchObject({ code: 0 });
    expect(await promtool(['check', 'rules', 'alerts.yml'], { cwd: RULES })).toMatchObject({ code: 0 });
  });

  test('finds that every alert fires when it should, and only then', async () => {
    const { code, said } = await promtool(['test', 'rules', 'alerts.test.yml'], { cwd: RULES });
    expect({ code, said }).toMatchObject({ code: 0, said: expect.stringContaining('SUCCESS') });
  });

  test('has a test for every alert', async () => {
    const rules = await readFile(join(RULES, 'alerts.yml'), 'utf8');
    const tests = await readFile(join(RULES, 'alerts.test.yml'), 'utf8');
    const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !tests.includes(`alertname: ${name}\n`))).toEqual([]);
  });

  test('scrapes a watcher, and can answer every query of the dashboard and every alert', async ({
    stage,
  }) => {
    const { port } = await rotated(stage);
    const prometheus = await scraping(stage, port);
    const empty: string[] = [];
    for (const { title, expression } of QUERIES) {
      const series = await prometheus.query(expression);
      if (series.length === 0 && !ONLY_IN_TROUBLE.test(expression)) empty.push(`${title}: ${expression}`);
    }
    expect(empty).toEqual([]);
    expect(ALERTS.length).toBeGreaterThan(10);
    for (const expression of ALERTS)
      expect([expression, await prometheus.query(expression)]).toEqual([expression, []]);
  });

  test('knows every metric that the dashboard and the alerts ask for', async ({ stage }) => {
    const { port } = await rotated(stage);
    const names = await (await scraping(stage, port)).names();
    const asked = [...QUERIES.map(({ expression }) => expression), ...ALERTS].flatMap(
      (expression) => expression.match(/\b(mosquitto_|process_|cert_|tls_|restart_)[a-z_]+\b/g) ?? [],
    );
    expect([...new Set(asked)].filter((name) => !names.includes(name))).toEqual([]);
  });
});
