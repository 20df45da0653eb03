/** Brokers that a watcher with RELOAD_STRATEGY=sighup looks after: listeners and bridges that use its certificates. */

import { connect } from 'mqtt';
import { createAuthority } from '../../lab/certificates.ts';
import { startMosquitto } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import type { CertificateFiles, Stage } from './stage.ts';

export const authority = await createAuthority({ cn: 'Edge CA' });
export const another = await createAuthority({ cn: 'Next CA' });
let serial = 0;

/** How long a proof may take, also on a machine that is busy with other things. */
const VERIFY_MS = 8_000;

/** A set for servers and clients alike, unless told; a bridge can use it then. */
export async function setOf(
  issuer = authority,
  usages: readonly ('client' | 'server')[] = ['client', 'server'],
): Promise<CertificateFiles> {
  serial += 1;
  const { chainPem, keyPem } = await issuer.issue({
    cn: `edge-${serial}`,
    sans: ['127.0.0.1'],
    key: 'rsa-2048',
    usages,
  });
  return { ca: issuer.certPem, cert: chainPem, key: keyPem };
}

export const forServers = () => setOf(authority, ['server']);

/** A broker with this configuration, and a watcher that signals before it restarts. */
export async function signalled(
  stage: Stage,
  url: string,
  lines: readonly string[],
  first = setOf(),
  verifyMs = VERIFY_MS,
) {
  await stage.certs.install(await first);
  const broker = await stage.broker({ network: { hosts: [] }, started: false });
  await broker.configure('mosquitto.conf', `${['user root', 'allow_anonymous true', ...lines].join('\n')}\n`);
  await broker.start();
  const daemon = stage.watch(broker, {
    BROKER_URL: url,
    RELOAD_STRATEGY: 'sighup',
    RESTART_VERIFY_TIMEOUT: `${verifyMs}ms`,
  });
  await daemon.says('broker_already_current');
  return { broker, daemon };
}

export const tlsListener = (port: number) => [
  `listener ${port} 127.0.0.1`,
  'certfile /certs/client.crt',
  'keyfile /certs/client.key',
];

/** A client of the broker that stays, and counts how often it was cut off. */
export async function guest(stage: Stage, port: number) {
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

export const bridgeTo = (port: number) => [
  'connection cloud',
  'remote_clientid edge.cloud',
  `address 127.0.0.1:${port}`,
  'topic # out 0',
  'restart_timeout 1 1',
  'bridge_cafile /certs/ca.crt',
  'bridge_certfile /certs/client.crt',
  'bridge_keyfile /certs/client.key',
];

export async function startUpstream(stage: Stage) {
  const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
  const server = await startMosquitto({ identity, trusted: authority.certPem, version: 'TLSv1.3' });
  stage.onEnd(server.close);
  return server;
}

/** A broker with a bridge that has been steady for as long as a proof may take, and a watcher that signals. */
export async function bridged(stage: Stage, more: readonly string[] = [], verifyMs = VERIFY_MS) {
  const [upstream, port] = [await startUpstream(stage), await closedPort()];
  const lines = [`listener ${port} 127.0.0.1`, ...bridgeTo(upstream.port), ...more];
  const { broker, daemon } = await signalled(stage, `mqtt://127.0.0.1:${port}`, lines, setOf(), verifyMs);
  await daemon.says('bridge_connected');
  await quietly(verifyMs + 1_500, 'what the bridge has done by itself no longer counts');
  return { broker, daemon, port };
}

/** Any client of the broker: it says something of the bridge, as no ACL forbids. */
export async function anybody(stage: Stage, port: number) {
  const client = connect({ protocol: 'mqtt', host: '127.0.0.1', port });
  stage.onEnd(() => client.endAsync(true));
  await until('the client to be connected', () => client.connected);
  return (payload: '0' | '1') =>
    client.publishAsync('$SYS/broker/connection/edge.cloud/state', payload, { qos: 1, retain: true });
}
