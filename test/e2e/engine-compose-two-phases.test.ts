/** The compose file for two directories as it is shipped, started by Compose 2, on an engine with real rights. */

import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { type RealServer, startMosquitto } from '../../lab/real-servers.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { quietly, until } from '../../lab/until.ts';
import { type ComposeStack, createComposeStack, makeOfficialBroker } from '../support/compose-stack.ts';
import { makeImage } from '../support/image-site.ts';

const FILE = 'deploy/docker-compose.two-phases.yml';
const HURRY = { CHECK_INTERVAL: '200ms', STABILITY_WINDOW: '500ms', RESTART_COOLDOWN: '1s' };
const WATCHER_UID = 1_000;
/** mosquitto's group in its image: broker and watcher read the key by it. */
const KEY_GID = 1_883;

const authority = await createAuthority({ cn: 'Upstream CA' });
const stranger = await createAuthority({ cn: 'Another CA' });
const identity = await authority.issue({ cn: 'upstream', sans: ['broker.example.com'], key: 'rsa-2048' });

let directory: string;
let stack: ComposeStack;
let upstream: RealServer;
let incoming: string;
let live: string;

/** The agent, which is root, writes a new set. */
async function write(name: string, issuer = authority): Promise<void> {
  const { chainPem, keyPem } = await issuer.issue({ cn: name });
  const files = { 'ca.crt': authority.certPem, 'client.crt': chainPem, 'client.key': keyPem };
  for (const [target, content] of Object.entries(files)) {
    await writeFile(join(incoming, target), content, { mode: 0o640 });
    await chown(join(incoming, target), 0, KEY_GID);
  }
}

/** Waits until the upstream has let the bridge in with the certificate of this name. */
async function bridged(name: string): Promise<void> {
  let log = '';
  const look = async () => {
    log = await upstream.log();
    return new RegExp(`as edge-1 \\(.*u'${name}'`).test(log);
  };
  const otherwise = () => log;
  await until(`the bridge to log in as ${name}`, look, { withinMs: 45_000, everyMs: 250, otherwise });
}

const count = async (event: string) => (await stack.log()).filter((line) => line.event === event).length;

describe(FILE, () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cert-watcher-compose-'));
    await makeOfficialBroker(directory);
    await makeImage();
    [incoming, live] = [join(directory, 'agent'), join(directory, 'live')];
    await chmod(directory, 0o755);
    await mkdir(incoming);
    // as the file says
    const install = ['-d', '-m', '2770', '-o', `${WATCHER_UID}`, '-g', `${KEY_GID}`, live];
    await promisify(execFile)('install', install);
    upstream = await startMosquitto({
      identity,
      trusted: authority.certPem,
      version: 'TLSv1.3',
      host: '0.0.0.0',
      extra: ['use_identity_as_username true'],
    });
    const { port } = upstream;
    stack = await createComposeStack(directory, FILE, { certs: incoming, live, port, settings: HURRY });
    await write('site-1');
    await stack.compose('up', '-d');
  });

  afterAll(async () => {
    await stack.compose('down', '--volumes', '--timeout', '2');
    await upstream.close();
    await removeTree(directory);
  });

  test('fills an empty live directory, with rights by which the broker reads it and the bridge connects', async () => {
    await stack.says('set_promoted');
    await bridged('site-1');
    const { gid, uid, mode } = await stat(join(live, 'client.key'));
    expect({ gid, uid, mode: mode & 0o777 }).toEqual({ gid: KEY_GID, uid: WATCHER_UID, mode: 0o640 });
  });

  test('brings a renewed set by one promotion and one restart', async () => {
    const before = await count('mosquitto_restart_triggered');
    await write('site-2');
    await stack.says('set_promoted', 1);
    await bridged('site-2');
    await quietly(3_000, 'window, cooldown and several check intervals');
    expect(await count('mosquitto_restart_triggered')).toBe(before + 1);
    expect(await count('set_rolled_back')).toBe(0);
  });

  test('keeps a refused set away from the broker, also through a restart of everything', async () => {
    const [data, cert] = [
      await readlink(join(live, '..data')),
      await readFile(join(live, 'client.crt'), 'utf8'),
    ];
    await write('site-3', stranger);
    await stack.says('restart_held');
    await stack.compose('restart', '--timeout', '5');
    await stack.says('restart_held', 1);
    await quietly(3_000, 'window, cooldown and several check intervals');
    expect(await readlink(join(live, '..data'))).toBe(data);
    expect(await readFile(join(live, 'client.crt'), 'utf8')).toBe(cert);
    expect(await count('promotion_failed')).toBe(0);
  });
});
