/** MOSQUITTO_CONF on the real engine: two listeners, and two bridges to two upstreams with different CAs. */

import { spawnSync } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../../lab/certificates.ts';
import { PROGRAM } from '../../lab/daemon.ts';
import { startMosquitto } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { lookAtListener } from '../../src/adapters/broker-listener/certificate.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { runProbe } from '../support/run-probe.ts';
import { nothingFollows, type Stage, test } from '../support/stage.ts';

const house = await createAuthority({ cn: 'House CA' });
const cloud = await createAuthority({ cn: 'Cloud CA' });
const plant = await createAuthority({ cn: 'Plant CA' });
let serial = 0;

async function upstreamOf(stage: Stage, authority: Authority) {
  const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
  const server = await startMosquitto({ identity, trusted: authority.certPem, version: 'TLSv1.3' });
  stage.onEnd(server.close);
  return server;
}

/** A broker with four sets, each in a directory of its own, and a watcher that knows only its configuration. */
async function staged(stage: Stage, ofExtra: readonly string[] = []) {
  const upstreams = { cloud: await upstreamOf(stage, cloud), plant: await upstreamOf(stage, plant) };
  const ports = { mqtts: await closedPort(), extra: await closedPort() };
  const write = async (name: string, files: Readonly<Record<string, string>>) => {
    const directory = join(stage.certs.path, name);
    await mkdir(directory, { recursive: true });
    for (const [file, text] of Object.entries(files)) {
      await writeFile(join(directory, `.${file}`), text, { mode: 0o644 });
      await rename(join(directory, `.${file}`), join(directory, file));
    }
  };
  /** Renews the set called `name`; resolves with the subject of its certificate. */
  const renew = async (name: 'cloud' | 'plant' | 'mqtts' | 'extra', issuer?: Authority) => {
    serial += 1;
    const authority = issuer ?? { cloud, plant, mqtts: house, extra: house }[name];
    const cn = `${name}-${serial}`;
    const { chainPem, keyPem } = await authority.issue({ cn, sans: ['127.0.0.1'], key: 'rsa-2048' });
    const ca = name === 'cloud' ? cloud : name === 'plant' ? plant : undefined;
    await write(name, { 'tls.key': keyPem, 'tls.crt': chainPem, ...(ca && { 'ca.crt': ca.certPem }) });
    return `CN=${cn}`;
  };
  const first = {
    cloud: await renew('cloud'),
    plant: await renew('plant'),
    mqtts: await renew('mqtts'),
    extra: await renew('extra'),
  };
  await write('house', { 'ca.crt': house.certPem, 'list.crl': await house.crl([]) });
  const broker = await stage.broker({ network: { hosts: [] }, started: false });
  const bridge = (name: 'cloud' | 'plant') => [
    `connection ${name}`,
    `address 127.0.0.1:${upstreams[name].port}`,
    'topic # out 0',
    'restart_timeout 1 1',
    `bridge_cafile /certs/${name}/ca.crt`,
    `bridge_certfile /certs/${name}/tls.crt`,
    `bridge_keyfile /certs/${name}/tls.key`,
  ];
  const listener = (name: 'mqtts' | 'extra') => [
    `listener ${ports[name]} 127.0.0.1`,
    `certfile /certs/${name}/tls.crt`,
    `keyfile /certs/${name}/tls.key`,
  ];
  const lines = [
    'user root',
    'allow_anonymous true',
    ...listener('mqtts'),
    ...listener('extra'),
    ...ofExtra,
    ...bridge('cloud'),
    ...bridge('plant'),
  ];
  const configure = (more: readonly string[] = []) =>
    broker.configure('mosquitto.conf', `${[...lines, ...more].join('\n')}\n`);
  await configure();
  await broker.start();
  const environment = {
    MOSQUITTO_CONF: join(stage.directory, broker.name, 'mosquitto.conf'),
    MOSQUITTO_CONF_MAP: `/certs:${stage.certs.path}`,
    MOSQUITTO_CONTAINER: broker.name,
    DOCKER_SOCK: broker.engine.socketPath,
    STABILITY_WINDOW: '1s',
    CHECK_INTERVAL: '100ms',
    RESTART_COOLDOWN: '1s',
    RESTART_VERIFY_TIMEOUT: '8s',
  };
  const presented = async (name: 'mqtts' | 'extra') => {
    const seen = await lookAtListener({ tls: true, host: '127.0.0.1', port: ports[name] });
    return seen.ok ? seen.subject : seen.problem;
  };
  /** The upstream has seen a client with this certificate. */
  const connected = (name: 'cloud' | 'plant', subject: string) =>
    until(`${subject} at ${name}`, async () => (await upstreams[name].log()).includes(subject.slice(3)));
  return { broker, ports, renew, write, first, configure, environment, presented, connected };
}

const sets = (
  lines: readonly { readonly event: string; readonly details: Record<string, unknown> }[],
  event: string,
) => lines.filter((line) => line.event === event).map(({ details }) => details['set']);

describeWith(ENGINE, 'every set of a broker', () => {
  test('is found in its configuration, probed by itself and told under its name', async ({ stage }) => {
    const { environment, ports } = await staged(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    await daemon.says('tls_probe_success', { skip: 1 });
    expect(sets(daemon.lines, 'cert_parsed').toSorted()).toEqual(
      ['bridge cloud', 'bridge plant', `listener ${ports.mqtts}`, `listener ${ports.extra}`].toSorted(),
    );
    expect(sets(daemon.lines, 'tls_probe_success').toSorted()).toEqual(['bridge cloud', 'bridge plant']);
  });

  test('is applied together with the others, by one restart for all that were renewed', async ({ stage }) => {
    const { environment, broker, renew, presented, first } = await staged(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    const [mqtts] = [await renew('mqtts'), await renew('cloud'), await renew('plant')];
    await daemon.says('restart_completed');
    await until('the listener to present it', async () => (await presented('mqtts')) === mqtts);
    expect(await presented('extra')).toBe(first.extra);
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
    await renew('extra');
    await daemon.says('restart_completed', { skip: 1 });
    await nothingFollows();
    expect(broker.restarts()).toBe(2);
  });

  test('is taken up by a signal where only listeners have changed, and by a restart where a bridge has', async ({
    stage,
  }) => {
    const { environment, broker, renew, presented, ports } = await staged(stage);
    const daemon = stage.daemon({
      ...environment,
      RELOAD_STRATEGY: 'sighup',
      BROKER_URL: `mqtts://127.0.0.1:${ports.mqtts}`,
      BROKER_CA_FILE: join(stage.certs.path, 'house.pem'),
    });
    await daemon.says('broker_already_current');
    const [mqtts, extra] = [await renew('mqtts'), await renew('extra')];
    await daemon.says('reload_completed');
    expect([await presented('mqtts'), await presented('extra'), broker.restarts()]).toEqual([
      mqtts,
      extra,
      0,
    ]);
    await renew('cloud');
    const { details } = await daemon.says('mosquitto_restart_triggered');
    expect(details['no_signal']).toBe('bridge cloud has changed, which a signal does not move');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('holds the restart of all where its upstream refuses it, and is named', async ({ stage }) => {
    const { environment, broker, renew } = await staged(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    await Promise.all([renew('plant', house), renew('cloud')]);
    const { details } = await daemon.says('restart_held');
    expect(details).toMatchObject({ set: 'bridge plant', cause: 'client_cert_rejected' });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await renew('plant');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('keeps being watched while the configuration cannot be read, which restarts nothing', async ({
    stage,
  }) => {
    const { environment, broker, renew, configure } = await staged(stage);
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    await configure(['connection third', 'bridge_insecure perhaps']);
    const { details } = await daemon.says('conf_unreadable');
    expect(details).toMatchObject({ line: 24, error: 'has bridge_insecure without true or false' });
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await configure(['# mended']);
    await renew('mqtts');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect(broker.restarts()).toBe(1);
  });

  test('has its revocation list, which a restart brings: one that has ended holds it', async ({ stage }) => {
    const { environment, broker, write, ports } = await staged(stage, [
      'cafile /certs/house/ca.crt',
      'require_certificate true',
      'crlfile /certs/house/list.crl',
    ]);
    const [known, revoked] = [await house.issue({ cn: 'known' }), await house.issue({ cn: 'revoked' })];
    const accepts = async ({ chainPem, keyPem }: Issued) => {
      const set = { ca: house.certPem, cert: chainPem, key: keyPem };
      return (await runProbe(set, { port: ports.extra, serverName: '127.0.0.1', mode: 'mqtt' })).ok;
    };
    const daemon = stage.daemon(environment);
    await daemon.says('broker_already_current');
    expect([await accepts(known), await accepts(revoked)]).toEqual([true, true]);
    const ago = (ms: number) => new Date(Date.now() - ms);
    await write('house', {
      'list.crl': await house.crl([revoked], { thisUpdate: ago(9_000), nextUpdate: ago(1_000) }),
    });
    const { details } = await daemon.says('crl_expired');
    expect(details['set']).toBe(`listener ${ports.extra}`);
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await write('house', { 'list.crl': await house.crl([revoked]) });
    await daemon.says('restart_completed');
    expect([await accepts(known), await accepts(revoked), broker.restarts()]).toEqual([true, false, 1]);
  });

  test('has its rows in check, and what makes proof impossible', async ({ stage }) => {
    const { environment, configure, ports } = await staged(stage);
    await configure(['notifications false']);
    const { stdout, status } = spawnSync(PROGRAM.node, [PROGRAM.main, 'check', '--json'], {
      encoding: 'utf8',
      env: environment,
    });
    const { check } = JSON.parse(stdout);
    const names = new Set(check.rows.map(({ name }: { name: string }) => name));
    expect([...names]).toEqual(
      expect.arrayContaining([
        'configuration',
        'bridge cloud',
        'bridge plant',
        `listener ${ports.mqtts}`,
        `listener ${ports.extra}`,
      ]),
    );
    expect(check.rows).toContainEqual(
      expect.objectContaining({
        name: 'configuration',
        message: expect.stringMatching(/^bridge plant has "notifications false"/),
      }),
    );
    expect(status).toBe(0);
  });
});
