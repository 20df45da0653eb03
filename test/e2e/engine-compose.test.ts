/** The compose files as they are shipped, started by Compose 2: what operators do with them, one thing after the other. */

import { chmod, chown, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { type RealServer, startMosquitto } from '../../lab/real-servers.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { quietly, until } from '../../lab/until.ts';
import {
  type ComposeStack,
  createComposeStack,
  makeOfficialBroker,
  makeOfficialHaproxy,
} from '../support/compose-stack.ts';
import { makeImage } from '../support/image-site.ts';

const HURRY = { CHECK_INTERVAL: '200ms', STABILITY_WINDOW: '500ms', RESTART_COOLDOWN: '1s' };
/** mosquitto's group in its image: broker and watcher read the key by it. */
const KEY_GID = 1_883;

const authority = await createAuthority({ cn: 'Upstream CA' });
const identity = await authority.issue({ cn: 'upstream', sans: ['broker.example.com'], key: 'rsa-2048' });

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cert-watcher-compose-'));
  await makeOfficialBroker(directory);
  await makeOfficialHaproxy(directory);
  await makeImage();
});

afterAll(() => removeTree(directory));

describe.each(['docker-compose.yml', 'deploy/docker-compose.socket-proxy.yml'])('%s', (file) => {
  let stack: ComposeStack;
  let upstream: RealServer;
  let certs: string;
  let serial = 0;

  /** Writes a new set; resolves with the name that it is issued for. */
  async function rotate(): Promise<string> {
    serial += 1;
    const name = `site-${serial}`;
    const { chainPem, keyPem } = await authority.issue({ cn: name });
    const files = { 'ca.crt': authority.certPem, 'client.crt': chainPem, 'client.key': keyPem };
    for (const [target, content] of Object.entries(files)) {
      await writeFile(join(certs, target), content, { mode: 0o640 });
      await chown(join(certs, target), 0, KEY_GID);
    }
    return name;
  }

  /** Waits until the upstream has let the bridge in with the certificate of this name, after the first `skip` times. */
  async function bridged(name: string, skip = 0): Promise<void> {
    let log = '';
    const look = async () => {
      log = await upstream.log();
      return [...log.matchAll(new RegExp(`as edge-1 \\(.*u'${name}'`, 'g'))].length > skip;
    };
    await until(`the bridge to log in as ${name}`, look, {
      withinMs: 45_000,
      everyMs: 250,
      otherwise: () => log,
    });
  }

  /** The watcher that runs now has found its broker with what lies there, and restarts nothing. */
  async function nothingIsRestarted(): Promise<void> {
    await stack.says('tls_probe_success');
    await until('the broker to be healthy', async () => (await stack.brokerHealth()) === 'healthy', {
      withinMs: 45_000,
      everyMs: 250,
    });
    await quietly(3_000, 'window, cooldown and several check intervals');
    const said = (await stack.log()).map(({ event }) => event);
    expect(said).not.toContain('mosquitto_restart_triggered');
  }

  let present: string;

  beforeAll(async () => {
    certs = await mkdtemp(join(directory, 'certs-'));
    await chmod(certs, 0o755);
    upstream = await startMosquitto({
      identity,
      trusted: authority.certPem,
      version: 'TLSv1.3',
      host: '0.0.0.0',
      extra: ['use_identity_as_username true'],
    });
    stack = await createComposeStack(directory, file, { certs, port: upstream.port, settings: HURRY });
    present = await rotate();
    await stack.compose('up', '-d');
  });

  afterAll(async () => {
    await stack.compose('down', '--volumes', '--timeout', '2');
    await upstream.close();
  });

  test('is up: the broker is healthy, the bridge connected, the page on loopback only', async () => {
    await bridged(present);
    await stack.says('bridge_connected');
    await nothingIsRestarted();
    expect(await stack.metricsAddress()).toBe('127.0.0.1:9090');
    expect(await (await fetch('http://127.0.0.1:9090/healthz')).text()).toMatch(/^ok/);
  });

  test('brings a rotation to the broker by one restart, and tells that the bridge is back', async () => {
    present = await rotate();
    await stack.says('restart_completed');
    await bridged(present);
    await stack.says('bridge_connected', 1);
    const said = (await stack.log()).filter(({ event }) => event === 'mosquitto_restart_triggered');
    expect(said).toHaveLength(1);
  });

  test('restarts nothing after `up --force-recreate mosquitto`, and brings the next rotation', async () => {
    await stack.compose('up', '-d', '--force-recreate', 'mosquitto');
    await bridged(present, 1);
    await quietly(3_000, 'window, cooldown and several check intervals');
    present = await rotate();
    await stack.says('restart_completed', 1);
    await bridged(present);
    const said = (await stack.log()).filter(({ event }) => event === 'mosquitto_restart_triggered');
    expect(said).toHaveLength(2);
  });

  test('restarts nothing after `restart`', async () => {
    const before = (await stack.log()).filter(({ event }) => event === 'mosquitto_restart_triggered').length;
    await stack.compose('restart', '--timeout', '5');
    await bridged(present, 1);
    await until('the watcher to be back', async () => startsIn(await stack.log()) === 2, { everyMs: 250 });
    await quietly(5_000, 'window, cooldown and several check intervals');
    const after = (await stack.log()).filter(({ event }) => event === 'mosquitto_restart_triggered').length;
    expect(after).toBe(before);
  });

  test('restarts nothing after `down` and `up`', async () => {
    await stack.compose('down', '--timeout', '5');
    await stack.compose('up', '-d');
    await bridged(present, 2);
    await nothingIsRestarted();
  });

  test('restarts nothing for a rotation while all is down: the broker starts with it', async () => {
    await stack.compose('down', '--timeout', '5');
    present = await rotate();
    await stack.compose('up', '-d');
    await bridged(present);
    await nothingIsRestarted();
  });
});

function startsIn(log: readonly { readonly event: string }[]): number {
  return log.filter(({ event }) => event === 'started').length;
}
