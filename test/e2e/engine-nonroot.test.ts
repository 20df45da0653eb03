/** The watcher as a user of no account and no rights but the group of the engine's socket. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { startEngineProxy } from '../../lab/engine-proxy.ts';
import { all, describeWith, ENGINE, ROOT } from '../support/needs.ts';
import { copyProgram, type ProgramCopy } from '../support/program-copy.ts';
import { makeSet, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

const UID = 64_321;
const SOCKET_GID = 64_322;
const OTHER_GID = 64_323;

describeWith(all(ROOT, ENGINE), 'without root', () => {
  let program: ProgramCopy;
  beforeAll(async () => {
    program = await copyProgram();
  });
  afterAll(() => program.remove());

  /** A broker that has the present set, and a socket that only root and the group of the socket may use. */
  async function prepared(stage: Stage) {
    const socketPath = join(stage.directory, 'docker.sock');
    const access = { uid: 0, gid: SOCKET_GID, mode: 0o660 };
    const proxy = await startEngineProxy({ target: stage.engine.socketPath, socketPath, access });
    stage.onEnd(() => proxy.close());
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const watchAs = (gid: number) =>
      stage.watch(broker, { DOCKER_SOCK: socketPath }, { uid: UID, gid, program });
    return { broker, watchAs };
  }

  test("a uid with only the socket's group restarts the broker once per rotation", async ({ stage }) => {
    const { broker, watchAs } = await prepared(stage);
    const daemon = watchAs(SOCKET_GID);
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(identityOf(daemon.pid)).toEqual({ uids: [UID], gids: [SOCKET_GID], groups: [] });
    expect(broker.restarts()).toBe(1);
  });

  test('a private key that it may not read is no obstacle while the probe is off', async ({ stage }) => {
    const { broker, watchAs } = await prepared(stage);
    const key = join(stage.certs.path, 'client.key');
    expect(spawnSync('cat', [key], { uid: UID, gid: SOCKET_GID }).status).not.toBe(0);
    const daemon = watchAs(SOCKET_GID);
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test("without the socket's group it says so, with a hint, and restarts nothing", async ({ stage }) => {
    const { broker, watchAs } = await prepared(stage);
    const daemon = watchAs(OTHER_GID);
    const { details } = await daemon.says('restart_failed');
    await nothingFollows();
    expect(details).toMatchObject({
      cause: 'permission_denied',
      hint: expect.stringContaining('group of the socket'),
    });
    expect(broker.restarts()).toBe(0);
  });

  test('a certificate that it may not read is told, and the broker is left alone', async ({ stage }) => {
    const { broker, watchAs } = await prepared(stage);
    await stage.certs.install(await makeSet());
    await chmod(join(stage.certs.path, 'client.crt'), 0o600);
    const daemon = watchAs(SOCKET_GID);
    const { details } = await daemon.says('cert_missing');
    await nothingFollows();
    expect(details['files']).toMatchObject([{ file: 'client.crt', cause: 'unreadable' }]);
    expect(broker.restarts()).toBe(0);
  });
});

/** Real, effective, saved and file system ids are all one. */
function identityOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const ids = (name: string) => {
    const line = new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1]?.trim() ?? '';
    return [...new Set(line.split(/\s+/).filter(Boolean).map(Number))];
  };
  return { uids: ids('Uid'), gids: ids('Gid'), groups: ids('Groups') };
}
