/** A two-phase rotation with a real engine, a real broker, its bridge, and a real upstream that demands client certificates. */

import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { createCertDirectory } from '../../lab/cert-directory.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { authority, setOf, stranger, upstream } from '../support/demanding-upstream.ts';
import { all, describeWith, ENGINE, NAME_SPACES } from '../support/needs.ts';
import { bridgeTo } from '../support/signalled.ts';
import { type CertificateFiles, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

interface Options {
  /** ports of the upstream: where the bridge connects, and where the watcher probes */
  readonly bridge: number;
  readonly probe?: number;
  /** the agent writes to the live directory itself */
  readonly inOnePhase?: true;
  /** lines for the broker's configuration */
  readonly lines?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
}

/** A broker whose bridge is up with the first set, and a watcher that has found it so. */
async function edge(stage: Stage, { bridge, probe = bridge, inOnePhase, lines = [], settings }: Options) {
  await stage.certs.install(await setOf(authority));
  const incoming = inOnePhase ? stage.certs : await createCertDirectory(join(stage.directory, 'incoming'));
  const port = await closedPort();
  const broker = await stage.broker({ network: { hosts: [] }, started: false });
  const listener = ['user root', 'allow_anonymous true', `listener ${port} 127.0.0.1`];
  await broker.configure('mosquitto.conf', `${[...listener, ...lines, ...bridgeTo(bridge)].join('\n')}\n`);
  await broker.start();
  const all = {
    ENABLE_TLS_PROBE: 'true',
    UPSTREAM_ADDR: `127.0.0.1:${probe}`,
    TLS_PROBE_INTERVAL: '1s',
    RESTART_VERIFY_TIMEOUT: '8s',
    BROKER_URL: `mqtt://127.0.0.1:${port}`,
    ...(!inOnePhase && { INCOMING_DIR: incoming.path }),
    ...settings,
  };
  const daemon = stage.watch(broker, all);
  await daemon.says('bridge_connected');
  await daemon.says('broker_already_current');
  return { broker, daemon, incoming, watchAgain: () => stage.watch(broker, all) };
}

/** What the broker reads. */
async function liveKey(stage: Stage): Promise<string> {
  return readFile(join(stage.certs.path, 'client.key'), 'utf8');
}

const data = (stage: Stage) => readlink(join(stage.certs.path, '..data'));

/** The upstream goes away and comes back: every bridge has to connect again. */
async function cutLink(stage: Stage, server: Awaited<ReturnType<typeof upstream>>) {
  await server.close();
  return upstream(stage, { port: server.port });
}

const gone = (daemon: { count(event: string): number }) => daemon.count('bridge_down');

describeWith(ENGINE, 'a refused set', () => {
  test('in INCOMING_DIR leaves a bridge whose link is cut its certificate, and the good set that follows costs one restart', async ({
    stage,
  }) => {
    const server = await upstream(stage);
    const { broker, daemon, incoming } = await edge(stage, { bridge: server.port });
    const before = await liveKey(stage);
    await incoming.install(await setOf(stranger));
    await daemon.says('restart_held');
    await cutLink(stage, server);
    await until('the bridge to be cut', () => gone(daemon) > 0);
    await daemon.says('bridge_connected', { skip: 1, withinMs: 30_000 });
    expect(await liveKey(stage)).toBe(before);
    expect(broker.restarts()).toBe(0);
    const good = await setOf(authority);
    await incoming.install(good);
    await settled(daemon);
    expect(daemon.count('set_promoted')).toBe(1);
    expect(await liveKey(stage)).toBe(good.key);
    expect(broker.restarts()).toBe(1);
    await daemon.says('bridge_connected', { skip: 2, withinMs: 30_000 });
  });

  test('in CERT_DIR takes the bridge down as soon as its link is cut', async ({ stage }) => {
    const server = await upstream(stage);
    const { daemon, incoming } = await edge(stage, { bridge: server.port, inOnePhase: true });
    await incoming.install(await setOf(stranger));
    await daemon.says('restart_held');
    await cutLink(stage, server);
    await until('the bridge to be refused', () =>
      daemon.lines.some(
        ({ event, details }) => event === 'bridge_down' && details['cause'] === 'client_cert_rejected',
      ),
    );
    await nothingFollows();
    expect(daemon.count('bridge_connected')).toBe(1);
  });
});

describeWith(ENGINE, 'a live directory', () => {
  test('of plain files is taken over, which restarts nothing, also where a new watcher comes', async ({
    stage,
  }) => {
    const server = await upstream(stage);
    const { broker, daemon, watchAgain } = await edge(stage, { bridge: server.port });
    await until('the take-over', () => data(stage).then(Boolean, () => false));
    expect(await readlink(join(stage.certs.path, 'client.key'))).toBe('..data/client.key');
    await nothingFollows();
    await daemon.kill();
    const after = watchAgain();
    await after.says('started');
    await nothingFollows();
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    expect(after.count('mosquitto_restart_triggered')).toBe(0);
  });
});

describeWith(all(ENGINE, NAME_SPACES), 'a live directory that is mounted', () => {
  test('read-only while the watcher runs is told, and gets the set when it may be written again', async ({
    stage,
  }) => {
    const mount = (...args: readonly string[]) => promisify(execFile)('mount', [...args, stage.certs.path]);
    await mount('-t', 'tmpfs', 'certs');
    stage.onEnd(async () => void (await promisify(execFile)('umount', ['--lazy', stage.certs.path])));
    const server = await upstream(stage);
    const { broker, daemon, incoming } = await edge(stage, { bridge: server.port });
    await until('the take-over', () => data(stage).then(Boolean, () => false));
    const before = await liveKey(stage);
    await mount('-o', 'remount,ro');
    const good = await setOf(authority);
    await incoming.install(good);
    const { details } = await daemon.says('promotion_failed');
    expect(details).toMatchObject({ cause: 'read_only', hint: expect.stringContaining('read-write') });
    await nothingFollows();
    expect(await liveKey(stage)).toBe(before);
    expect(broker.restarts()).toBe(0);
    await mount('-o', 'remount,rw');
    await daemon.says('set_promoted');
    await settled(daemon);
    expect(await liveKey(stage)).toBe(good.key);
    expect(broker.restarts()).toBe(1);
    expect(daemon.count('promotion_failed')).toBe(1);
  });
});

describeWith(ENGINE, 'a roll-back', () => {
  test('follows where the bridge is refused and so is a new probe; it is told once and no watcher tries the set again', async ({
    stage,
  }) => {
    const both = authority.certPem + stranger.certPem;
    const [probed, bridged] = [await upstream(stage, { trusted: both }), await upstream(stage)];
    const { broker, daemon, watchAgain, incoming } = await edge(stage, {
      bridge: bridged.port,
      probe: probed.port,
    });
    const before = await liveKey(stage);
    await incoming.install(await setOf(stranger));
    await daemon.says('set_promoted');
    await probed.close();
    await upstream(stage, { port: probed.port });
    const { details } = await daemon.says('set_rolled_back', { withinMs: 30_000 });
    expect(details).toMatchObject({
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      restored_fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      message: expect.stringContaining('refuses'),
    });
    expect(await liveKey(stage)).toBe(before);
    await daemon.says('bridge_connected', { skip: 1, withinMs: 30_000 });
    const restarts = broker.restarts();
    await daemon.kill();
    const after = watchAgain();
    await after.says('bridge_connected');
    await nothingFollows();
    await nothingFollows();
    expect(after.count('set_promoted')).toBe(0);
    expect(await liveKey(stage)).toBe(before);
    expect(broker.restarts() - restarts).toBeLessThanOrEqual(1);
    expect(daemon.count('set_rolled_back') + after.count('set_rolled_back')).toBe(1);
  });

  test('does not follow where the upstream merely cannot be reached', async ({ stage }) => {
    const server = await upstream(stage);
    const { daemon, incoming } = await edge(stage, { bridge: server.port });
    const set = await setOf(authority);
    await incoming.install(set);
    await daemon.says('set_promoted');
    await server.close();
    await daemon.says('restart_completed');
    await until('the bridge to be told as down', () => gone(daemon) > 0, { withinMs: 30_000 });
    await nothingFollows();
    await nothingFollows();
    expect(daemon.count('set_rolled_back')).toBe(0);
    expect(await liveKey(stage)).toBe(set.key);
  });

  test('follows where the broker cannot be started with the new files, and starts it once', async ({
    stage,
  }) => {
    const server = await upstream(stage);
    const tls = [
      `listener ${await closedPort()} 127.0.0.1`,
      'certfile /certs/client.crt',
      'keyfile /certs/client.key',
    ];
    // without a probe nobody sees that key and certificate do not belong together
    const { broker, daemon, incoming } = await edge(stage, {
      bridge: server.port,
      lines: tls,
      settings: { ENABLE_TLS_PROBE: 'false', RESTART_COOLDOWN: '60s' },
    });
    const before = await liveKey(stage);
    const [one, other] = [await setOf(authority), await setOf(authority)];
    const mixed: CertificateFiles = { ...one, key: other.key };
    await incoming.install(mixed);
    await daemon.says('set_rolled_back', { withinMs: 30_000 });
    await daemon.says('restart_completed', { withinMs: 30_000 });
    expect(await liveKey(stage)).toBe(before);
    expect((await broker.inspect()).running).toBe(true);
    await nothingFollows();
    expect(broker.restarts()).toBe(2);
  });
});
