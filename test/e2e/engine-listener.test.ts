/** CERT_ROLE=listener and BROKER_USER on the real engine and broker. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { PROGRAM } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { lookAtListener } from '../../src/adapters/broker-listener/certificate.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { guest, setOf } from '../support/signalled.ts';
import {
  type BrokerOptions,
  type CertificateFiles,
  nothingFollows,
  type Stage,
  test,
} from '../support/stage.ts';

const DOMAIN = 'mqtt.example.com';

/** The layout of certbot in the directory that the broker sees as /certs. */
async function certbot({ certs }: Stage) {
  const [live, archive] = ['live', 'archive'].map((name) => join(certs.path, name, DOMAIN)) as [
    string,
    string,
  ];
  await mkdir(live, { recursive: true });
  await mkdir(archive, { recursive: true });
  let serial = 0;
  return {
    live,
    /** the mode of keys; certbot's own is 600 */
    async renew({ cert, key }: CertificateFiles, keyMode = 0o600) {
      serial += 1;
      for (const [name, text, mode] of [
        ['fullchain', cert, 0o644],
        ['privkey', key, keyMode],
      ] as const) {
        await writeFile(join(archive, `${name}${serial}.pem`), text, { mode });
        await symlink(`../../archive/${DOMAIN}/${name}${serial}.pem`, join(live, `.${name}.new`));
        await rename(join(live, `.${name}.new`), join(live, `${name}.pem`));
      }
      return join(archive, `privkey${serial}.pem`);
    },
  };
}

const listener = (port: number, directory = `live/${DOMAIN}`) => [
  `listener ${port} 127.0.0.1`,
  `certfile /certs/${directory}/fullchain.pem`,
  `keyfile /certs/${directory}/privkey.pem`,
];

/** A broker with a TLS listener that presents the certificates in live/, and the settings of a watcher of it. */
async function staged(stage: Stage, options: BrokerOptions = {}, keyMode?: number) {
  const [port, tool] = [await closedPort(), await certbot(stage)];
  await tool.renew(await setOf(), keyMode);
  const broker = await stage.broker({ network: { hosts: [] }, started: false, ...options });
  const configure = (lines: readonly string[]) =>
    broker.configure('mosquitto.conf', `${['user root', 'allow_anonymous true', ...lines].join('\n')}\n`);
  await configure(listener(port));
  await broker.start();
  const settings = {
    CERT_ROLE: 'listener',
    CERT_DIR: tool.live,
    BROKER_URL: `mqtts://127.0.0.1:${port}`,
    ENABLE_TLS_PROBE: 'true',
  };
  const subject = async () => {
    const seen = await lookAtListener({ tls: true, host: '127.0.0.1', port });
    return seen.ok ? seen.subject : seen.problem;
  };
  const presents = (expected: unknown) =>
    until(`the listener to present ${expected}`, async () => (await subject()) === expected);
  return { broker, port, tool, settings, configure, subject, presents };
}

describeWith(ENGINE, 'the set of a listener', () => {
  test('is applied by one restart, which is complete when the listener presents it', async ({ stage }) => {
    const { broker, tool, settings, subject } = await staged(stage);
    const daemon = stage.watch(broker, settings);
    await daemon.says('broker_already_current');
    const before = await subject();
    await tool.renew(await setOf());
    await daemon.says('restart_completed');
    const parsed = daemon.lines.findLast(({ event }) => event === 'cert_parsed');
    expect([await subject(), (await subject()) === before]).toEqual([parsed?.details['subject'], false]);
    await nothingFollows();
    expect([broker.restarts(), daemon.count('tls_probe_success')]).toEqual([1, 0]);
  });

  test('is applied by a signal alone, which cuts off no client', async ({ stage }) => {
    const { broker, port, tool, settings, subject } = await staged(stage);
    const daemon = stage.watch(broker, { ...settings, RELOAD_STRATEGY: 'sighup' });
    await daemon.says('broker_already_current');
    const [before, client] = [await subject(), await guest(stage, port)];
    await tool.renew(await setOf());
    expect((await daemon.says('reload_completed')).details).toMatchObject({ proof: 'listener' });
    await nothingFollows();
    expect([(await subject()) === before, client.cuts(), broker.restarts()]).toEqual([false, 0, 0]);
  });

  test('is not applied a second time where a hook has signalled the broker already', async ({ stage }) => {
    const { broker, tool, settings, presents } = await staged(stage);
    const daemon = stage.watch(broker, { ...settings, STABILITY_WINDOW: '3s' });
    await daemon.says('broker_already_current');
    const renewed = await setOf();
    await tool.renew(renewed);
    await daemon.says('cert_parsed', { skip: 1 });
    await broker.engine.ask('POST', `/containers/${broker.name}/kill?signal=HUP`);
    await presents(daemon.lines.findLast(({ event }) => event === 'cert_parsed')?.details['subject']);
    const { details } = await daemon.says('broker_already_current', { skip: 1 });
    expect([details['proof'], broker.restarts()]).toEqual(['listener', 0]);
  });

  test('is told where BROKER_URL leads to a listener with other files, and restarts once', async ({
    stage,
  }) => {
    const { broker, port, tool, settings, configure } = await staged(stage);
    await stage.certs.install(await setOf());
    await configure([
      `listener ${port} 127.0.0.1`,
      'certfile /certs/client.crt',
      'keyfile /certs/client.key',
    ]);
    await broker.stop();
    await broker.start();
    const daemon = stage.watch(broker, { ...settings, RESTART_VERIFY_TIMEOUT: '3s' });
    await daemon.says('broker_already_current');
    await tool.renew(await setOf());
    const { details } = await daemon.says('broker_unhealthy');
    expect(details['error']).toMatch(/does not present the new certificate, but CN=edge-/);
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(ENGINE, 'a set that the broker may not read', () => {
  const asMosquitto: BrokerOptions = { imageChange: 'USER 1883:1883' };

  test('leaves the broker down where nobody looks at it', async ({ stage }) => {
    const { broker, tool, settings } = await staged(stage, asMosquitto, 0o644);
    const daemon = stage.watch(broker, { ...settings, RESTART_VERIFY_TIMEOUT: '3s' });
    await daemon.says('broker_already_current');
    await tool.renew(await setOf());
    await daemon.says('broker_unhealthy');
    await until('the broker to be down', async () => !(await broker.inspect()).running);
  });

  test('is held with BROKER_USER, and applied when the command that is told has fixed it', async ({
    stage,
  }) => {
    const { broker, tool, settings, presents } = await staged(stage, asMosquitto, 0o644);
    const daemon = stage.watch(broker, { ...settings, BROKER_USER: '1883' });
    await daemon.says('broker_already_current');
    const key = await tool.renew(await setOf());
    const { details } = await daemon.says('set_unreadable_by_broker');
    expect(details).toMatchObject({ user: '1883:1883', files: [{ file: 'privkey.pem', path: key }] });
    await nothingFollows();
    expect([broker.restarts(), (await broker.inspect()).running]).toEqual([0, true]);
    execFileSync('/bin/sh', ['-c', String(details['hint'])]);
    await daemon.says('restart_completed');
    await presents(daemon.lines.findLast(({ event }) => event === 'cert_parsed')?.details['subject']);
    expect(broker.restarts()).toBe(1);
  });

  test('is held for a directory on the way to it as well, also where the signal would do', async ({
    stage,
  }) => {
    const { broker, tool, settings } = await staged(stage, asMosquitto, 0o644);
    const daemon = stage.watch(broker, { ...settings, BROKER_USER: '1883:1883', RELOAD_STRATEGY: 'sighup' });
    await daemon.says('broker_already_current');
    execFileSync('chmod', ['700', join(stage.certs.path, 'archive')]);
    await tool.renew(await setOf(), 0o644);
    const { details } = await daemon.says('set_unreadable_by_broker');
    expect(details['hint']).toBe(
      `chgrp 1883 ${stage.certs.path}/archive && chmod g+x ${stage.certs.path}/archive`,
    );
    await nothingFollows();
    expect([daemon.count('mosquitto_reload_triggered'), broker.restarts()]).toEqual([0, 0]);
    execFileSync('/bin/sh', ['-c', String(details['hint'])]);
    await daemon.says('reload_completed');
  });
});

describeWith(ENGINE, 'check', () => {
  test('tells what the listener presents and what the broker may read', async ({ stage }) => {
    const { broker, settings, subject } = await staged(stage);
    const { stdout } = spawnSync(PROGRAM.node, [PROGRAM.main, 'check', '--json'], {
      encoding: 'utf8',
      env: {
        ...settings,
        BROKER_USER: '1883',
        MOSQUITTO_CONTAINER: broker.name,
        DOCKER_SOCK: broker.engine.socketPath,
      },
    });
    const presented = await subject();
    expect(JSON.parse(stdout).check.rows).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          name: 'listener',
          level: 'ok',
          message: expect.stringContaining(presented),
        }),
        expect.objectContaining({
          name: 'broker user',
          level: 'critical',
          hint: expect.stringMatching(/^chgrp 1883 /),
        }),
      ]),
    );
  });
});
