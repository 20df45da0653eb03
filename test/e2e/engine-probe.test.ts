/** The probe of the upstream and the restart of the broker together: a real engine, and Mosquitto at both ends. */

import { expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import type { TlsVersion } from '../../lab/real-servers.ts';
import { authority, setOf, stranger, upstream } from '../support/demanding-upstream.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { type Broker, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

/** A broker that has a good set, and a watcher that probes the upstream on this port, every second. */
async function watched(
  stage: Stage,
  port: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ readonly broker: Broker; readonly daemon: Daemon }> {
  await stage.certs.install(await setOf(authority));
  const broker = await stage.broker();
  const daemon = stage.watch(broker, {
    ENABLE_TLS_PROBE: 'true',
    UPSTREAM_ADDR: `127.0.0.1:${port}`,
    TLS_PROBE_INTERVAL: '1s',
    ...settings,
  });
  await daemon.says('broker_already_current');
  return { broker, daemon };
}

describeWith(ENGINE, 'a client certificate that the upstream refuses', () => {
  test.for<TlsVersion>(['TLSv1.2', 'TLSv1.3'])(
    'with %s is not restarted into, and is told once; the next good set is, once',
    async (version, { stage }) => {
      const { port } = await upstream(stage, { version });
      const { broker, daemon } = await watched(stage, port);
      await stage.certs.install(await setOf(stranger));
      const held = await daemon.says('restart_held');
      await nothingFollows();
      expect(broker.restarts()).toBe(0);
      expect(held.details).toMatchObject({ cause: 'client_cert_rejected' });
      expect([daemon.count('restart_held'), daemon.count('tls_probe_failure')]).toEqual([1, 1]);
      await stage.certs.install(await setOf(authority));
      await settled(daemon);
      expect(broker.restarts()).toBe(1);
    },
  );

  test('is restarted into as soon as the upstream accepts it, without anybody touching the files', async ({
    stage,
  }) => {
    const refusing = await upstream(stage);
    const { broker, daemon } = await watched(stage, refusing.port);
    await stage.certs.install(await setOf(stranger));
    await daemon.says('restart_held');
    await refusing.close();
    await upstream(stage, { port: refusing.port, trusted: authority.certPem + stranger.certPem });
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('is restarted into all the same with TLS_PROBE_GATE=off', async ({ stage }) => {
    const { port } = await upstream(stage);
    const { broker, daemon } = await watched(stage, port, { TLS_PROBE_GATE: 'off' });
    await stage.certs.install(await setOf(stranger));
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'an upstream that is down', () => {
  test('keeps no rotation back: one restart, and one message with the cause', async ({ stage }) => {
    const { port, close } = await upstream(stage);
    const { broker, daemon } = await watched(stage, port);
    await close();
    await stage.certs.install(await setOf(authority));
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
    const failures = daemon.lines.filter(({ event }) => event === 'tls_probe_failure');
    expect(failures.at(-1)?.details).toMatchObject({ cause: 'tcp', phase: 'tcp' });
  });

  test('causes no restart, however often it is probed', async ({ stage }) => {
    const { port, close } = await upstream(stage);
    const { broker, daemon } = await watched(stage, port, { TLS_PROBE_INTERVAL: '100ms' });
    await daemon.says('tls_probe_success');
    await close();
    await daemon.says('tls_probe_failure');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    // a probe that was under way is hung up on, the next ones are not let in: each cause is told once
    const causes = daemon.lines.flatMap(({ event, details }) =>
      event === 'tls_probe_failure' ? [details['cause']] : [],
    );
    expect(causes).toEqual([...new Set(causes)]);
    expect(causes.at(-1)).toBe('tcp');
  });

  test('that comes back is told as well again', async ({ stage }) => {
    const before = await upstream(stage);
    const { daemon } = await watched(stage, before.port);
    await daemon.says('tls_probe_success');
    await before.close();
    await daemon.says('tls_probe_failure');
    await upstream(stage, { port: before.port });
    await daemon.says('tls_probe_success', { skip: 1 });
    expect(daemon.count('tls_probe_success')).toBe(2);
  });

  test('holds the restart with TLS_PROBE_GATE=any, until it is back', async ({ stage }) => {
    const before = await upstream(stage);
    const { broker, daemon } = await watched(stage, before.port, { TLS_PROBE_GATE: 'any' });
    await before.close();
    await stage.certs.install(await setOf(authority));
    await daemon.says('restart_held');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await upstream(stage, { port: before.port });
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'a renewal in two halves', () => {
  test('is held while the key belongs to the old certificate: one message, then one restart', async ({
    stage,
  }) => {
    const { port } = await upstream(stage);
    const { broker, daemon } = await watched(stage, port);
    const [before, after] = [await setOf(authority), await setOf(authority)];
    await stage.certs.install({ ...after, key: before.key });
    await daemon.says('cert_key_mismatch');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await stage.certs.install(after);
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
    expect(daemon.count('cert_key_mismatch')).toBe(1);
  });
});

describeWith(ENGINE, 'a rotation with TLS_PROBE_MODE=mqtt', () => {
  test('logs in as a client of its own, and then restarts the broker once', async ({ stage }) => {
    const server = await upstream(stage);
    const { broker, daemon } = await watched(stage, server.port, { TLS_PROBE_MODE: 'mqtt' });
    await stage.certs.install(await setOf(authority));
    await settled(daemon);
    const success = await daemon.says('tls_probe_success');
    expect(success.details).toMatchObject({ proof: 'connack' });
    expect(await server.log()).toMatch(/as mosquitto-cert-watcher-probe-[0-9a-f]{12} /);
    expect(broker.restarts()).toBe(1);
  });
});
