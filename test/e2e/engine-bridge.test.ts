/** A real bridge to a real upstream that demands client certificates, and what the watcher tells of it. */

import { writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Daemon } from '../support/daemon.ts';
import { authority, setOf, stranger, upstream } from '../support/demanding-upstream.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { type Broker, nothingFollows, type Stage, test } from '../support/stage.ts';
import { closedPort } from '../support/tls-servers.ts';
import { until } from '../support/until.ts';

interface Edge {
  readonly broker: Broker;
  readonly daemon: Daemon;
  readonly metricsPort: number;
}

/** A broker with these lines and a listener, and a watcher that asks it for its bridges. */
async function edge(
  stage: Stage,
  lines: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Edge> {
  await stage.certs.install(await setOf(authority));
  const [port, metricsPort] = [await closedPort(), await closedPort()];
  const broker = await stage.broker({ network: { hosts: [] }, started: false });
  const listener = ['user root', 'allow_anonymous true', `listener ${port} 127.0.0.1`];
  await broker.configure('mosquitto.conf', `${[...listener, ...lines].join('\n')}\n`);
  await broker.start();
  const daemon = stage.watch(broker, {
    BROKER_URL: `mqtt://127.0.0.1:${port}`,
    ENABLE_METRICS: 'true',
    METRICS_HOST: '127.0.0.1',
    METRICS_PORT: String(metricsPort),
    ...settings,
  });
  await daemon.says('broker_already_current');
  return { broker, daemon, metricsPort };
}

const bridgeTo = (port: number) => [
  'connection cloud',
  'remote_clientid edge.cloud',
  `address 127.0.0.1:${port}`,
  'topic # out 0',
  'restart_timeout 1 1',
  'bridge_cafile /certs/ca.crt',
  'bridge_certfile /certs/client.crt',
  'bridge_keyfile /certs/client.key',
];

const probing = (port: number) => ({
  ENABLE_TLS_PROBE: 'true',
  UPSTREAM_ADDR: `127.0.0.1:${port}`,
  TLS_PROBE_INTERVAL: '1s',
});

async function metricsOf({ metricsPort }: Edge): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}

const gauge = (value: 0 | 1) => `mosquitto_cert_watcher_bridge_connected{connection="edge.cloud"} ${value}`;

describeWith(ENGINE, 'a bridge', () => {
  test('is told of as connected at the start, after a rotation, and on every surface', async ({ stage }) => {
    const { port } = await upstream(stage);
    const at = await edge(stage, bridgeTo(port), probing(port));
    const { details } = await at.daemon.says('bridge_connected');
    expect(details).toMatchObject({ container: at.broker.name, connection: 'edge.cloud' });
    await stage.certs.install(await setOf(authority));
    await at.daemon.says('restart_completed');
    await at.daemon.says('bridge_connected', { skip: 1 });
    expect(await metricsOf(at)).toContain(gauge(1));
    const page = await (await fetch(`http://127.0.0.1:${at.metricsPort}/`)).text();
    expect(page).toMatch(/Bridge <span class="mono">edge\.cloud<\/span>: <span class="tone-ok">connected</);
    const status = await (await fetch(`http://127.0.0.1:${at.metricsPort}/status.json`)).json();
    expect(status).toMatchObject({ brokers: [{ bridges: [{ connection: 'edge.cloud', up: true }] }] });
    expect(at.broker.restarts()).toBe(1);
    expect(at.daemon.count('bridge_down')).toBe(0);
  });

  test('that goes down with the upstream is told with the cause, restarts nothing, and is told when back', async ({
    stage,
  }) => {
    const before = await upstream(stage);
    const at = await edge(stage, bridgeTo(before.port), probing(before.port));
    await at.daemon.says('bridge_connected');
    await before.close();
    await at.daemon.says('bridge_down');
    const told = await until('the cause', () =>
      at.daemon.lines.find(({ event, details }) => event === 'bridge_down' && details['cause'] === 'tcp'),
    );
    expect(told.details).toMatchObject({
      connection: 'edge.cloud',
      message: expect.stringContaining('cannot be reached'),
    });
    expect(await metricsOf(at)).toContain(gauge(0));
    await nothingFollows();
    await upstream(stage, { port: before.port });
    await at.daemon.says('bridge_connected', { skip: 1 });
    expect(at.broker.restarts()).toBe(0);
  });

  test('whose certificate the upstream refuses is told with that cause, and when it is accepted', async ({
    stage,
  }) => {
    const before = await upstream(stage);
    const settings = { ...probing(before.port), TLS_PROBE_GATE: 'off', RESTART_VERIFY_TIMEOUT: '4s' };
    const at = await edge(stage, bridgeTo(before.port), settings);
    await at.daemon.says('bridge_connected');
    await stage.certs.install(await setOf(stranger));
    await at.daemon.says('restart_completed');
    const { details } = await at.daemon.says('bridge_down');
    expect(details).toMatchObject({ cause: 'client_cert_rejected', connection: 'edge.cloud' });
    expect(String(details['message'])).toMatch(/is down: the upstream refuses the client certificate$/);
    await before.close();
    await upstream(stage, { port: before.port, trusted: authority.certPem + stranger.certPem });
    await at.daemon.says('bridge_connected', { skip: 1 });
    expect(at.broker.restarts()).toBe(1);
  });

  test('is asked for with a password that stands in a file, and in no log', async ({ stage }) => {
    const { port } = await upstream(stage);
    const credentials = `${stage.directory}/credentials`;
    await writeFile(credentials, 'watcher:open-sesame\n');
    const at = await edge(stage, bridgeTo(port), {
      BROKER_CREDENTIALS_FILE: credentials,
      LOG_LEVEL: 'debug',
    });
    await at.daemon.says('bridge_connected');
    expect(JSON.stringify(at.daemon.lines)).not.toContain('open-sesame');
  });

  test('that the broker does not know by this name is told as down', async ({ stage }) => {
    const { port } = await upstream(stage);
    const settings = { BRIDGE_NAME: 'another', RESTART_VERIFY_TIMEOUT: '2s' };
    const at = await edge(stage, bridgeTo(port), settings);
    const { details } = await at.daemon.says('bridge_down');
    expect(details).toMatchObject({
      connection: 'another',
      message: expect.stringContaining('knows no bridge'),
    });
  });

  test('of a broker that cannot be asked is told as unknown, and has no gauge', async ({ stage }) => {
    const at = await edge(stage, [], {
      BROKER_URL: `mqtt://127.0.0.1:${await closedPort()}`,
      RESTART_VERIFY_TIMEOUT: '2s',
    });
    const { details } = await at.daemon.says('watch_degraded');
    expect(details).toMatchObject({ part: 'bridges', message: expect.stringContaining('ECONNREFUSED') });
    expect(await metricsOf(at)).not.toMatch(/^mosquitto_cert_watcher_bridge_connected\{/m);
  });
});
