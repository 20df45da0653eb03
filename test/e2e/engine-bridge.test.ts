/** A real bridge to a real upstream that demands client certificates, and what the watcher says about it. */

import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'mqtt';
import { expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import { authority, setOf, stranger, upstream } from '../support/demanding-upstream.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { bridgeTo } from '../support/signalled.ts';
import { type Broker, nothingFollows, type Stage, test } from '../support/stage.ts';

interface Edge {
  readonly port: number;
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
  return { port, broker, daemon, metricsPort };
}

const probing = (port: number) => ({
  ENABLE_TLS_PROBE: 'true',
  UPSTREAM_ADDR: `127.0.0.1:${port}`,
  TLS_PROBE_INTERVAL: '1s',
});

async function metricsOf({ metricsPort }: Edge): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}

const gauge = (value: 0 | 1) =>
  new RegExp(
    `^mosquitto_cert_watcher_bridge_connected\\{connection="edge\\.cloud",container="[^"]+"\\} ${value}$`,
    'm',
  );

const MEGABYTE = 2 ** 20;

/** Any client of the broker, as no ACL forbids it to publish below `$SYS`. */
async function anybody(stage: Stage, { port }: Edge) {
  const client = connect({ protocol: 'mqtt', host: '127.0.0.1', port });
  stage.onEnd(() => client.endAsync(true));
  await until('the client to be connected', () => client.connected);
  return (name: string, payload: string | Buffer, qos: 0 | 1 = 1) =>
    client.publishAsync(`$SYS/broker/connection/${name}/state`, payload, { qos, retain: true });
}

async function residentBytes({ daemon }: Edge): Promise<number> {
  const status = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

/** A restart that nothing has held up has come by then, also beside watchers that go first, and on a busy machine. */
const ON_TIME_MS = 6_000;

/** How long a rotation takes from the files to the restart. */
async function rotationMs(stage: Stage, { daemon }: Edge): Promise<number> {
  await stage.certs.install(await setOf(authority));
  const began = performance.now();
  await daemon.says('mosquitto_restart_triggered');
  const tookMs = performance.now() - began;
  await daemon.says('restart_completed');
  return tookMs;
}

describeWith(ENGINE, 'whoever may publish on the topics of bridges', () => {
  test('does not end the watcher by a retained message of 60 MB, nor blind it, nor hold a restart up', async ({
    stage,
  }) => {
    const { port } = await upstream(stage);
    // since 2.1 Mosquitto has a limit of its own, which can be lifted
    const at = await edge(stage, [`max_packet_size ${100 * MEGABYTE}`, ...bridgeTo(port)]);
    await at.daemon.says('bridge_connected');
    const before = await residentBytes(at);
    const publish = await anybody(stage, at);
    await publish('x', Buffer.alloc(60 * MEGABYTE));
    const { details } = await at.daemon.says('watch_degraded');
    expect(details).toMatchObject({ part: 'bridges', message: expect.stringContaining('too long') });
    expect((await residentBytes(at)) - before).toBeLessThan(40 * MEGABYTE);
    // a broker that goes on retaining it sends it again at each login
    expect(await rotationMs(stage, at)).toBeLessThan(ON_TIME_MS);
    await at.daemon.says('bridge_connected', { skip: 1 });
    expect(at.daemon.hasEnded()).toBe(false);
  });

  test('makes up 30,000 bridges: the restart is on time, log and metrics stay small', async ({ stage }) => {
    const { port } = await upstream(stage);
    const at = await edge(stage, bridgeTo(port));
    await at.daemon.says('bridge_connected');
    const publish = await anybody(stage, at);
    // one by one: all at once would hold up the tests beside this one
    for (let made = 0; made < 30_000; made += 1) await publish(`made-up-${made}`, '1', 0);
    await publish('the-last', '1');
    await at.daemon.says('watch_degraded');
    expect(await rotationMs(stage, at)).toBeLessThan(ON_TIME_MS);
    await nothingFollows();
    expect(at.daemon.lines.length).toBeLessThan(200);
    expect((await metricsOf(at)).length).toBeLessThan(60_000);
  });

  test('with BRIDGE_NAME is not listened to, unless it is about that bridge', async ({ stage }) => {
    const { port } = await upstream(stage);
    const at = await edge(stage, bridgeTo(port), { BRIDGE_NAME: 'edge.cloud' });
    await at.daemon.says('bridge_connected');
    const publish = await anybody(stage, at);
    await publish('x', Buffer.alloc(MEGABYTE));
    await publish('y', '0');
    await nothingFollows();
    expect(at.daemon.count('watch_degraded')).toBe(0);
    expect((await metricsOf(at)).match(/bridge_connected\{/g)).toHaveLength(1);
  });

  test('makes a bridge flap, and its lines are few', async ({ stage }) => {
    const { port } = await upstream(stage);
    const at = await edge(stage, bridgeTo(port));
    await at.daemon.says('bridge_connected');
    const publish = await anybody(stage, at);
    const name = 'n'.repeat(200);
    for (let time = 0; time < 150; time += 1) {
      await publish(name, String(time % 2) === '0' ? '0' : '1');
      await quietly(100, 'nine times a second, or so');
    }
    await at.daemon.says('watch_degraded');
    const lines = at.daemon.lines.filter(({ details }) => details['connection'] === name);
    expect(lines.length).toBeLessThan(12);
  });
});

describeWith(ENGINE, 'a bridge', () => {
  test('is reported as connected at the start, after a rotation, and on every surface', async ({ stage }) => {
    const { port } = await upstream(stage);
    const at = await edge(stage, bridgeTo(port), probing(port));
    const { details } = await at.daemon.says('bridge_connected');
    expect(details).toMatchObject({ container: at.broker.name, connection: 'edge.cloud' });
    await stage.certs.install(await setOf(authority));
    await at.daemon.says('restart_completed');
    await at.daemon.says('bridge_connected', { skip: 1 });
    expect(await metricsOf(at)).toMatch(gauge(1));
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
    expect(await metricsOf(at)).toMatch(gauge(0));
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
