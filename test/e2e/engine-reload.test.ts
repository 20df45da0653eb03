/** RELOAD_STRATEGY=sighup on the real engine: a listener that a signal moves, and a bridge that it does not. */

import { expect } from 'vitest';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { presentedLeaf } from '../../src/adapters/broker-listener/certificate.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import {
  another,
  anybody,
  authority,
  bridged,
  bridgeTo,
  forServers,
  guest,
  setOf,
  signalled,
  startUpstream,
  tlsListener,
} from '../support/signalled.ts';
import { nothingFollows, test } from '../support/stage.ts';

describeWith(ENGINE, 'a reload by signal', () => {
  test('moves a listener to the new certificate, and keeps its clients connected', async ({ stage }) => {
    const port = await closedPort();
    const { broker, daemon } = await signalled(
      stage,
      `mqtts://127.0.0.1:${port}`,
      tlsListener(port),
      forServers(),
    );
    const url = { tls: true, host: '127.0.0.1', port };
    const [before, client] = [await presentedLeaf(url), await guest(stage, port)];
    await stage.certs.install(await forServers());
    const { details } = await daemon.says('reload_completed');
    expect(details).toMatchObject({ container: broker.name, proof: 'listener' });
    const after = await presentedLeaf(url);
    expect([typeof before, after === before]).toEqual(['string', false]);
    await nothingFollows();
    expect([client.cuts(), broker.restarts(), broker.events.count('kill')]).toEqual([0, 0, 1]);
    await stage.certs.install(await forServers());
    await daemon.says('reload_completed', { skip: 1 });
    expect([client.cuts(), broker.restarts()]).toEqual([0, 0]);
  });

  test('is not tried for a listener where the CA has changed: one restart', async ({ stage }) => {
    const port = await closedPort();
    const { broker, daemon } = await signalled(
      stage,
      `mqtts://127.0.0.1:${port}`,
      tlsListener(port),
      forServers(),
    );
    await stage.certs.install(await setOf(another, ['server']));
    await daemon.says('restart_completed');
    await nothingFollows();
    expect([daemon.count('mosquitto_reload_triggered'), broker.restarts()]).toEqual([0, 1]);
  });

  test('does not move the bridge of this Mosquitto: one restart follows, and the bridge is back', async ({
    stage,
  }) => {
    const { broker, daemon } = await bridged(stage);
    await stage.certs.install(await setOf());
    const { details } = await daemon.says('reload_insufficient');
    expect(details).toMatchObject({ error: 'its bridge keeps its old connection' });
    await daemon.says('restart_completed');
    await daemon.says('bridge_connected', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('is not proved by a client that says that the bridge is up: one restart', async ({ stage }) => {
    const { broker, daemon, port } = await bridged(stage);
    const say = await anybody(stage, port);
    await stage.certs.install(await setOf());
    await daemon.says('mosquitto_reload_triggered');
    for (let time = 0; time < 10; time += 1) await say('1');
    await daemon.says('reload_insufficient');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect([daemon.count('reload_completed'), broker.restarts()]).toEqual([0, 1]);
  });

  test('is not tried where a client has made the bridge come and go before: one restart', async ({
    stage,
  }) => {
    const { broker, daemon, port } = await bridged(stage);
    const say = await anybody(stage, port);
    await say('0');
    await say('1');
    await stage.certs.install(await setOf());
    const { details } = await daemon.says('mosquitto_restart_triggered');
    expect(details['no_signal']).toMatch(/have just gone down and up/);
    await daemon.says('restart_completed');
    await nothingFollows();
    expect([daemon.count('mosquitto_reload_triggered'), broker.restarts()]).toEqual([0, 1]);
  });

  test('is not tried for a bridge where the CA has changed: one restart', async ({ stage }) => {
    const { broker, daemon } = await bridged(stage);
    const renewed = await setOf();
    await stage.certs.install({ ...renewed, ca: authority.certPem + another.certPem });
    const { details } = await daemon.says('mosquitto_restart_triggered');
    expect(details['no_signal']).toMatch(/CA certificates/);
    await daemon.says('bridge_connected', { skip: 1 });
    await nothingFollows();
    expect([daemon.count('mosquitto_reload_triggered'), broker.restarts()]).toEqual([0, 1]);
  });

  test('is not proved by a listener for a bridge that says nothing: one restart', async ({ stage }) => {
    const [upstream, port] = [await startUpstream(stage), await closedPort()];
    const { broker, daemon } = await signalled(stage, `mqtts://127.0.0.1:${port}`, [
      ...tlsListener(port),
      ...bridgeTo(upstream.port),
      'notifications false',
    ]);
    await until('the bridge', async () => (await upstream.log()).includes('edge.cloud'));
    await stage.certs.install(await setOf());
    const { details } = await daemon.says('mosquitto_restart_triggered');
    expect(details['no_signal']).toMatch(/a bridge that publishes no state/);
    await daemon.says('restart_completed');
    await nothingFollows();
    expect([daemon.count('reload_completed'), broker.restarts()]).toEqual([0, 1]);
  });
});
