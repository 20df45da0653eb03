/** RELOAD_STRATEGY=sighup on the real engine: a listener that a signal moves, and a bridge that it does not. */

import { connect } from 'mqtt';
import { expect } from 'vitest';
import { presentedLeaf } from '../../src/adapters/listener-certificate.ts';
import { createAuthority } from '../support/certificates.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { startMosquitto } from '../support/real-servers.ts';
import { type CertificateFiles, nothingFollows, type Stage, test } from '../support/stage.ts';
import { closedPort } from '../support/tls-servers.ts';
import { until } from '../support/until.ts';

const authority = await createAuthority({ cn: 'Edge CA' });
const another = await createAuthority({ cn: 'Next CA' });
let serial = 0;

async function setOf(issuer = authority): Promise<CertificateFiles> {
  serial += 1;
  const { chainPem, keyPem } = await issuer.issue({
    cn: `edge-${serial}`,
    sans: ['127.0.0.1'],
    key: 'rsa-2048',
  });
  return { ca: issuer.certPem, cert: chainPem, key: keyPem };
}

/** A broker with this configuration, and a watcher that signals before it restarts. */
async function signalled(stage: Stage, url: string, lines: readonly string[]) {
  await stage.certs.install(await setOf());
  const broker = await stage.broker({ network: { hosts: [] }, started: false });
  await broker.configure('mosquitto.conf', `${['user root', 'allow_anonymous true', ...lines].join('\n')}\n`);
  await broker.start();
  const daemon = stage.watch(broker, {
    BROKER_URL: url,
    RELOAD_STRATEGY: 'sighup',
    RESTART_VERIFY_TIMEOUT: '4s',
  });
  await daemon.says('broker_already_current');
  return { broker, daemon };
}

const tlsListener = (port: number) => [
  `listener ${port} 127.0.0.1`,
  'certfile /certs/client.crt',
  'keyfile /certs/client.key',
];

/** A client of the broker that stays, and counts how often it was cut off. */
async function guest(stage: Stage, port: number) {
  const client = connect({
    protocol: 'mqtts',
    host: '127.0.0.1',
    port,
    ca: authority.certPem,
    reconnectPeriod: 200,
  });
  let cuts = 0;
  client.on('close', () => {
    cuts += 1;
  });
  client.on('error', () => undefined);
  stage.onEnd(() => client.endAsync(true));
  await until('the client to be connected', () => client.connected);
  return { cuts: () => cuts };
}

describeWith(ENGINE, 'a reload by signal', () => {
  test('moves a listener to the new certificate, and keeps its clients connected', async ({ stage }) => {
    const port = await closedPort();
    const { broker, daemon } = await signalled(stage, `mqtts://127.0.0.1:${port}`, tlsListener(port));
    const url = { tls: true, host: '127.0.0.1', port };
    const [before, client] = [await presentedLeaf(url), await guest(stage, port)];
    await stage.certs.install(await setOf());
    const { details } = await daemon.says('reload_completed');
    expect(details).toMatchObject({ container: broker.name, proof: 'listener' });
    const after = await presentedLeaf(url);
    expect([typeof before, after === before]).toEqual(['string', false]);
    await nothingFollows();
    expect([client.cuts(), broker.restarts(), broker.events.count('kill')]).toEqual([0, 0, 1]);
    await stage.certs.install(await setOf());
    await daemon.says('reload_completed', { skip: 1 });
    expect([client.cuts(), broker.restarts()]).toEqual([0, 0]);
  });

  test('is not tried for a listener where the CA has changed: one restart', async ({ stage }) => {
    const port = await closedPort();
    const { broker, daemon } = await signalled(stage, `mqtts://127.0.0.1:${port}`, tlsListener(port));
    await stage.certs.install(await setOf(another));
    await daemon.says('restart_completed');
    await nothingFollows();
    expect([daemon.count('mosquitto_reload_triggered'), broker.restarts()]).toEqual([0, 1]);
  });

  test('does not move the bridge of this Mosquitto: one restart follows, and the bridge is back', async ({
    stage,
  }) => {
    const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
    const upstream = await startMosquitto({ identity, trusted: authority.certPem, version: 'TLSv1.3' });
    stage.onEnd(upstream.close);
    const port = await closedPort();
    const { broker, daemon } = await signalled(stage, `mqtt://127.0.0.1:${port}`, [
      `listener ${port} 127.0.0.1`,
      'connection cloud',
      `address 127.0.0.1:${upstream.port}`,
      'topic # out 0',
      'restart_timeout 1 1',
      'bridge_cafile /certs/ca.crt',
      'bridge_certfile /certs/client.crt',
      'bridge_keyfile /certs/client.key',
    ]);
    await daemon.says('bridge_connected');
    await stage.certs.install(await setOf());
    const { details } = await daemon.says('reload_insufficient');
    expect(details).toMatchObject({ error: 'its bridge keeps the connection that it has' });
    await daemon.says('restart_completed');
    await daemon.says('bridge_connected', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });
});
