/** A broker with several sets, each in a directory of its own, and the settings of a watcher that knows its configuration. */

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, createAuthority } from '../../lab/certificates.ts';
import { startMosquitto } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { lookAtListener } from '../../src/adapters/broker-listener/certificate.ts';
import type { Stage } from './stage.ts';

export const house = await createAuthority({ cn: 'House CA' });
const cloud = await createAuthority({ cn: 'Cloud CA' });
const plant = await createAuthority({ cn: 'Plant CA' });
let serial = 0;

async function upstreamOf(stage: Stage, authority: Authority) {
  const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
  const trusted = authority.certPem;
  // its log then names the certificate of a client
  const extra = ['use_identity_as_username true'];
  const server = await startMosquitto({ identity, trusted, version: 'TLSv1.3', extra });
  stage.onEnd(server.close);
  return server;
}

interface SeveralOptions {
  /** lines of the second listener */
  readonly ofExtra?: readonly string[];
  /** lines of the second bridge */
  readonly ofPlant?: readonly string[];
  /** port of a listener without TLS; there is none unless told */
  readonly plain?: number;
}

/** A broker with two listeners, and two bridges to two upstreams. */
export async function severalSets(stage: Stage, { ofExtra = [], ofPlant = [], plain }: SeveralOptions = {}) {
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
    ...(plain === undefined ? [] : [`listener ${plain} 127.0.0.1`]),
    ...listener('mqtts'),
    ...listener('extra'),
    ...ofExtra,
    ...bridge('cloud'),
    ...bridge('plant'),
    ...ofPlant,
  ];
  const configure = (more: readonly string[] = []) =>
    broker.configure('mosquitto.conf', `${[...lines, ...more].join('\n')}\n`);
  await configure();
  await broker.start();
  await broker.listens();
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
  const presented = (name: 'mqtts' | 'extra') =>
    until(`a certificate of ${name}`, async () => {
      const seen = await lookAtListener({ tls: true, host: '127.0.0.1', port: ports[name] });
      return seen.ok && seen.subject;
    });
  /** The upstream has seen a client with this certificate. */
  const connected = (name: 'cloud' | 'plant', subject: string) =>
    until(`${subject} at ${name}`, async () => (await upstreams[name].log()).includes(subject.slice(3)));
  return { broker, ports, renew, write, first, configure, environment, presented, connected };
}

/** A listener that asks clients for certificates, and knows which of them are revoked. */
export const DEMANDING = [
  'cafile /certs/house/ca.crt',
  'require_certificate true',
  'crlfile /certs/house/list.crl',
];

/** How long a proof may take. */
export const SIGNAL_VERIFY_MS = 8_000;

/** The broker of {@link severalSets} whose second listener is {@link DEMANDING}, and a watcher that signals before it restarts. */
export async function signalled(stage: Stage, ofPlant: readonly string[] = [], verifyMs = SIGNAL_VERIFY_MS) {
  const plain = await closedPort();
  const at = await severalSets(stage, { ofExtra: DEMANDING, ofPlant, plain });
  const daemon = stage.daemon({
    ...at.environment,
    RELOAD_STRATEGY: 'sighup',
    RESTART_VERIFY_TIMEOUT: `${verifyMs}ms`,
    BROKER_URL: `mqtt://127.0.0.1:${plain}`,
  });
  await daemon.says('broker_already_current');
  const signals = () => daemon.count('mosquitto_reload_triggered');
  return { ...at, daemon, signals };
}
