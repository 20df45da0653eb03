/** The seed's acceptance criteria, with real containers; restarts are counted by the engine's own events. */

import { expect } from 'vitest';
import { daysFromNow } from '../../lab/certificates.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { makeSet, nothingFollows, settled, test } from '../support/stage.ts';

describeWith(ENGINE, 'acceptance criteria', () => {
  test('mosquitto runs normally with no certs: it is left alone', async ({ stage }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker);
    await daemon.says('cert_missing');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    expect(await broker.inspect()).toMatchObject({ running: true });
  });

  test('certs appear: a single restart occurs', async ({ stage }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker);
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('cert rotation: a single restart occurs', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker);
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('expired cert: no restart and a clear error', async ({ stage }) => {
    const broker = await stage.broker();
    const daemon = stage.watch(broker);
    await daemon.says('cert_missing');
    await stage.certs.install(await makeSet({ notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) }));
    const line = await daemon.says('cert_expired');
    await nothingFollows();
    expect(line.level).toBe('error');
    expect(broker.restarts()).toBe(0);
  });
});
