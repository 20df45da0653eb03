/** Signal or restart for several sets (MOSQUITTO_CONF), on the real engine and broker. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'mqtt';
import { expect } from 'vitest';
import { quietly, until } from '../../lab/until.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { DEMANDING, house, severalSets, signalled } from '../support/several-sets.ts';
import { nothingFollows, type Stage, test } from '../support/stage.ts';

/** A client with a certificate that stays connected, and counts how often it was cut off. */
async function client(stage: Stage, port: number) {
  const { chainPem, keyPem } = await house.issue({ cn: 'meter' });
  const connection = connect({
    protocol: 'mqtts',
    host: '127.0.0.1',
    port,
    ca: house.certPem,
    cert: chainPem,
    key: keyPem,
    reconnectPeriod: 200,
  });
  let cuts = 0;
  connection.on('close', () => {
    cuts += 1;
  });
  connection.on('error', () => undefined);
  stage.onEnd(() => connection.endAsync(true));
  await until('the client to be connected', () => connection.connected);
  return { cuts: () => cuts };
}

describeWith(ENGINE, 'a signal for several sets', () => {
  test('brings certificate and key of listeners, also of one with a cafile and a crlfile, and cuts off no client', async ({
    stage,
  }) => {
    const { daemon, broker, renew, presented, ports } = await signalled(stage);
    const meter = await client(stage, ports.extra);
    const [mqtts, extra] = [await renew('mqtts'), await renew('extra')];
    const { details } = await daemon.says('reload_completed');
    expect(details['proof']).toBe('listener');
    await nothingFollows();
    expect([await presented('mqtts'), await presented('extra')]).toEqual([mqtts, extra]);
    expect([meter.cuts(), broker.restarts()]).toEqual([0, 0]);
  });

  test('is not tried for a cafile or a crlfile that has changed, nor for a bridge that it does not move', async ({
    stage,
  }) => {
    const { daemon, broker, renew, write, signals } = await signalled(stage);
    const reason = async (skip: number) => {
      const { details } = await daemon.says('mosquitto_restart_triggered', { skip });
      await daemon.says('restart_completed', { skip });
      return details['no_signal'];
    };
    const { certPem } = await house.issue({ cn: 'another' });
    await write('house', { 'ca.crt': house.certPem + certPem });
    expect(await reason(0)).toMatch(/^listener \d+ has another cafile/);
    await write('house', { 'list.crl': await house.crl([]) });
    expect(await reason(1)).toMatch(/^listener \d+ has another crlfile/);
    await renew('cloud');
    expect(await reason(2)).toBe('bridge cloud has changed, which a signal does not move');
    await nothingFollows();
    expect([broker.restarts(), signals()]).toEqual([3, 0]);
  });

  test('by somebody else spares the restart, and is told for each listener', async ({ stage }) => {
    const { environment, broker, renew, presented, ports } = await severalSets(stage, { ofExtra: DEMANDING });
    const daemon = stage.daemon({ ...environment, STABILITY_WINDOW: '3s' });
    await daemon.says('broker_already_current');
    const [mqtts, extra] = [await renew('mqtts'), await renew('extra')];
    await broker.engine.ask('POST', `/containers/${broker.name}/kill?signal=HUP`);
    await until('both to be presented', async () => {
      return (await presented('mqtts')) === mqtts && (await presented('extra')) === extra;
    });
    await daemon.says('broker_already_current', { skip: 2 });
    const told = daemon.lines.filter(({ event }) => event === 'broker_already_current').slice(1);
    expect(told.map(({ details }) => [details['set'], details['proof']])).toEqual([
      [`listener ${ports.mqtts}`, 'listener'],
      [`listener ${ports.extra}`, 'listener'],
    ]);
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });
});

describeWith(ENGINE, 'a listener of several', () => {
  test('is told where it presents the certificate of another one, and is not restarted for that', async ({
    stage,
  }) => {
    const { environment, broker, ports } = await severalSets(stage);
    const text = await readFile(environment.MOSQUITTO_CONF, 'utf8');
    const conf = join(stage.directory, 'watched.conf');
    await writeFile(conf, text);
    const daemon = stage.daemon({ ...environment, MOSQUITTO_CONF: conf });
    await daemon.says('broker_already_current');
    // the broker is started with a configuration that mixes them up, and not with the one that is watched
    await broker.configure('mosquitto.conf', text.replaceAll('/certs/mqtts/', '/certs/extra/'));
    await broker.stop();
    await broker.start();
    await until('the broker to be looked at', async () => {
      daemon.signal('SIGHUP');
      await quietly(500, 'a look takes some time');
      return daemon.count('listener_outdated') > 0;
    });
    const { details } = await daemon.says('listener_outdated');
    expect(details).toMatchObject({
      set: `listener ${ports.mqtts}`,
      listener: `mqtts://127.0.0.1:${ports.mqtts}`,
      presented: expect.stringMatching(/^CN=extra-/),
    });
    await nothingFollows();
    expect([daemon.count('listener_outdated'), broker.restarts()]).toEqual([1, 0]);
  });
});
