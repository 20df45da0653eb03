/**
 * What the tests of the image play with: the image as `make docker` makes it, beside a real Mosquitto that bridges to a
 * real upstream with mutual TLS. Windows are short, and ports and paths are of the test.
 */

import { randomBytes } from 'node:crypto';
import { chown, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority } from '../../lab/certificates.ts';
import { startEngineProxy } from '../../lab/engine-proxy.ts';
import { type RealServer, startMosquitto } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import manifest from '../../package.json' with { type: 'json' };
import { all, ENGINE, engineSocketPath, program, ROOT } from './needs.ts';
import { REPOSITORY, SHIPPING, ship } from './shipping.ts';
import type { Stage } from './stage.ts';
import { type ContainerChanges, startWatcherContainer, watcherOf } from './watcher-container.ts';

const DIRECT = 'docker-compose.yml';
export const PROXIED = 'deploy/docker-compose.socket-proxy.yml';
export const TWO_PHASES = 'deploy/docker-compose.two-phases.yml';
export const IMAGE = `mosquitto-cert-watcher:${manifest.version}`;

/** The compose files give the watcher these: the uid, the group of the socket, and mosquitto's group for the key. */
export const UID = 1_000;
export const SOCKET_GID = 998;
export const KEY_GID = 1_883;

/** As in the compose files and in deploy/mosquitto/mosquitto.conf. */
export const UPSTREAM = 'broker.example.com';
const HOSTS_LINE = `${UPSTREAM}:127.0.0.1`;

export const HURRY = { CHECK_INTERVAL: '100ms', STABILITY_WINDOW: '500ms', RESTART_COOLDOWN: '1s' };

export const authority = await createAuthority({ cn: 'Upstream CA' });
export const identity = await authority.issue({ cn: 'upstream', sans: [UPSTREAM], key: 'rsa-2048' });
let serial = 0;

/** What it takes to make the image and to run it. */
export const IMAGE_NEEDS = all(SHIPPING, ROOT, ENGINE, program('docker'));

export const SOURCE_URL = 'https://git.example.org/edge/mosquitto-cert-watcher';

let image: Promise<string> | undefined;

/** As `make docker` makes it; once for all tests. */
export async function makeImage() {
  image ??= ship('image', [], { env: { DOCKER_HOST: `unix://${engineSocketPath()}`, SOURCE_URL } });
  await image;
}

/** Installs a new set, whose key mosquitto's group may read; resolves with the name that it is issued for. */
export async function rotate({ certs }: Pick<Stage, 'certs'>): Promise<string> {
  serial += 1;
  const name = `site-${serial}`;
  const { chainPem, keyPem } = await authority.issue({ cn: name });
  const files = { 'ca.crt': authority.certPem, 'client.crt': chainPem, 'client.key': keyPem };
  for (const [file, content] of Object.entries(files)) {
    const draft = join(certs.path, `.${file}`);
    await writeFile(draft, content, { mode: 0o640 });
    await chown(draft, 0, KEY_GID);
    await rename(draft, join(certs.path, file));
  }
  return name;
}

/** A site, gone when the test ends: the upstream, the broker with the bridge of deploy/mosquitto, a socket of the group of the compose file. */
export async function createSite(stage: Stage) {
  const upstream = await startMosquitto({
    identity,
    trusted: authority.certPem,
    version: 'TLSv1.3',
    extra: ['use_identity_as_username true'],
  });
  stage.onEnd(upstream.close);
  const first = await rotate(stage);
  const broker = await stage.broker({ network: { hosts: [HOSTS_LINE] }, started: false });
  const brokerPort = await closedPort();
  await broker.configure('mosquitto.conf', await bridgeTo(upstream.port, brokerPort));
  await broker.configure('acl', await readFile(join(REPOSITORY, 'deploy/mosquitto/acl'), 'utf8'));
  await broker.start();
  const socketPath = join(stage.directory, 'docker.sock');
  const access = { uid: 0, gid: SOCKET_GID, mode: 0o660 };
  const engine = await startEngineProxy({ target: stage.engine.socketPath, socketPath, access });
  stage.onEnd(engine.close);
  const metricsPort = await closedPort();
  const volume = `cert-watcher-e2e-${process.pid}-${randomBytes(4).toString('hex')}`;
  stage.onEnd(() => stage.engine.call('DELETE', `/volumes/${volume}`));
  const mounts = { '/certs': stage.certs.path, '/var/run/docker.sock': socketPath, '/state': volume };

  return {
    broker,
    engine,
    upstream,
    socketPath,
    metricsPort,
    bridged: (name: string) => loggedIn(upstream, name),
    first,
    start: async (changes: Partial<ContainerChanges> = {}, composeFile = DIRECT) => {
      const settings = {
        ...HURRY,
        MOSQUITTO_CONTAINER: broker.name,
        BROKER_URL: `mqtt://127.0.0.1:${brokerPort}`,
        UPSTREAM_ADDR: `${UPSTREAM}:${upstream.port}`,
        METRICS_PORT: String(metricsPort),
        ...changes.settings,
      };
      const watcher = await startWatcherContainer(stage.engine, await watcherOf(composeFile), {
        hosts: [HOSTS_LINE],
        ...changes,
        settings,
        mounts: { ...mountsIn(composeFile, mounts), ...changes.mounts },
      });
      stage.onEnd(watcher.remove);
      return watcher;
    },
  };
}

/** Waits until the upstream has taken the bridge of deploy/mosquitto/mosquitto.conf for the client `name`. */
async function loggedIn(upstream: RealServer, name: string): Promise<void> {
  let log = '';
  const look = async () => {
    log = await upstream.log();
    return new RegExp(`as edge-1 \\(.*u'${name}'`).test(log);
  };
  await until(`the bridge to log in as ${name}`, look, { otherwise: () => log });
}

function mountsIn(composeFile: string, { '/var/run/docker.sock': socket, ...rest }: Record<string, string>) {
  return composeFile !== PROXIED && socket !== undefined ? { ...rest, '/var/run/docker.sock': socket } : rest;
}

/** deploy/mosquitto/mosquitto.conf with the ports and paths of the test. */
async function bridgeTo(port: number, brokerPort: number): Promise<string> {
  const shipped = await readFile(join(REPOSITORY, 'deploy/mosquitto/mosquitto.conf'), 'utf8');
  return `user root\n${shipped
    .replace('listener 1883', `listener ${brokerPort} 127.0.0.1`)
    .replace('/mosquitto/data/', '/')
    .replace('/mosquitto/config/', '/config/')
    .replace(`address ${UPSTREAM}:8883`, `address ${UPSTREAM}:${port}`)}`;
}

/** The page at this path of the watcher that serves this port of this machine. */
export async function textAt(port: number, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  return answer.text();
}

/** A file for /etc/resolv.conf that names this name server. */
export async function resolvConf({ directory }: Stage, address: string): Promise<string> {
  const file = join(directory, 'resolv.conf');
  await writeFile(file, `nameserver ${address}\n`);
  return file;
}
