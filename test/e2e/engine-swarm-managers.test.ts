/** A real swarm of three managers, and a watcher on each with the files of its node. */

import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type CertDirectory, createCertDirectory } from '../../lab/cert-directory.ts';
import type { Daemon } from '../../lab/daemon.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { until } from '../../lab/until.ts';
import { all, ENGINE, program, ROOT, skipped } from '../support/needs.ts';
import { type CertificateFiles, makeSet, nothingFollows, SHORT, type Stage, test } from '../support/stage.ts';
import type { Service } from '../support/swarm.ts';
import { createManagers, type Manager, type Managers } from '../support/swarm-managers.ts';

const NEED = all(ENGINE, ROOT, program('dockerd'), program('nsenter'));
const LONG = { withinMs: 90_000, everyMs: 100 };

let managers: Managers;
let directory: string;
let mqtt: Service;
/** What the service runs with: each test begins with the set that the one before has left. */
let present: CertificateFiles;

beforeAll(async () => {
  if (!NEED.ok) return;
  directory = await mkdtemp(join(tmpdir(), 'cert-watcher-managers-'));
  managers = await createManagers(directory);
  present = await makeSet();
  await mkdir(join(directory, 'certs'));
  mqtt = await managers.service(join(directory, 'certs'));
  await managers.whole(mqtt);
});

afterAll(async () => {
  if (!NEED.ok) return;
  await managers?.end();
  await removeTree(directory);
});

interface Node {
  readonly manager: Manager;
  readonly certs: CertDirectory;
  readonly daemon: Daemon;
}

/** A watcher for each manager, with a directory of its own; all of them know the present set. */
async function nodes(stage: Stage): Promise<readonly Node[]> {
  const watched: Node[] = [];
  for (const [index, manager] of managers.all.entries()) {
    const certs = await createCertDirectory(join(stage.directory, `node${index}`));
    await certs.install(present);
    const daemon = stage.daemon({
      ...SHORT,
      CERT_DIR: certs.path,
      DOCKER_SOCK: manager.engine.api.socketPath,
      MOSQUITTO_SERVICE: mqtt.name,
    });
    watched.push({ manager, certs, daemon });
  }
  await until(
    'every watcher to know the present set',
    () => watched.every(({ daemon }) => known(daemon) > 0),
    LONG,
  );
  await complete();
  return watched;
}

/** How many sets this watcher knows the service to have had. */
const known = (daemon: Daemon) => daemon.count('restart_completed') + daemon.count('broker_already_current');

const updates = async () => (await mqtt.state()).forceUpdate;

async function complete(): Promise<void> {
  await until(
    'the update to be complete',
    async () => !/^updating/.test((await mqtt.state()).update ?? ''),
    LONG,
  );
}

/** One of three tasks is done, by this watcher's last line about the update. */
function isHalfDone({ lines }: Daemon): boolean {
  return lines.findLast(({ event }) => event === 'service_updating')?.details['updated'] === 1;
}

describe.skipIf(!NEED.ok)(`a swarm of three managers${skipped(NEED)}`, () => {
  test('is updated once for a rotation that all nodes see', async ({ stage }) => {
    const watched = await nodes(stage);
    const before = await updates();
    present = await makeSet();
    for (const { certs } of watched) await certs.install(present);
    await until('every watcher to know', () => watched.every(({ daemon }) => known(daemon) > 1), LONG);
    await nothingFollows();
    expect(await updates()).toBe(before + 1);
  });

  test('is updated once where the files reach one node late', async ({ stage }) => {
    const watched = await nodes(stage);
    const [late, ...prompt] = watched;
    const before = await updates();
    present = await makeSet();
    for (const { certs } of prompt) await certs.install(present);
    await until('the others to know', () => prompt.every(({ daemon }) => known(daemon) > 1), LONG);
    await late?.certs.install(present);
    await until('the late one to know', () => watched.every(({ daemon }) => known(daemon) > 1), LONG);
    await nothingFollows();
    expect(await updates()).toBe(before + 1);
  });

  test('whose leader is killed in the middle of an update goes on with it, and is not updated again', async ({
    stage,
  }) => {
    const watched = await nodes(stage);
    const before = await updates();
    present = await makeSet();
    for (const { certs } of watched) await certs.install(present);
    const progress = () => watched.some(({ daemon }) => isHalfDone(daemon));
    await until('the update to be half done', progress, LONG);
    const leader = await managers.leader();
    await leader.crash();
    const successor = await managers.leader();
    expect(successor).not.toBe(leader);
    await leader.engine.start();
    await managers.whole(mqtt);
    await until('every watcher to know', () => watched.every(({ daemon }) => known(daemon) > 1), LONG);
    await nothingFollows();
    expect(await updates()).toBe(before + 1);
  });

  test('that has lost a node is updated by the others, once, and the node learns of it when it is back', async ({
    stage,
  }) => {
    const watched = await nodes(stage);
    const leader = await managers.leader();
    const lost = watched.find(({ manager }) => manager !== leader);
    await lost?.manager.engine.stop();
    const before = await updates();
    present = await makeSet();
    for (const { certs } of watched) await certs.install(present);
    await until('the update to begin', async () => (await updates()) > before, LONG);
    await lost?.manager.engine.start();
    await managers.whole(mqtt);
    await until('every watcher to know', () => watched.every(({ daemon }) => known(daemon) > 1), LONG);
    await nothingFollows();
    expect(await updates()).toBe(before + 1);
  });

  test('without a quorum is not updated, that is told, and it is updated once when the quorum is back', async ({
    stage,
  }) => {
    const watched = await nodes(stage);
    const before = await updates();
    const leader = await managers.leader();
    const [stays, ...gone] = watched.toSorted(
      (one, other) => Number(other.manager === leader) - Number(one.manager === leader),
    );
    await Promise.all(gone.map(({ manager }) => manager.engine.stop()));
    present = await makeSet();
    for (const { certs } of watched) await certs.install(present);
    await stays?.daemon.says('restart_failed', LONG);
    await Promise.all(gone.map(({ manager }) => manager.engine.start()));
    await managers.whole(mqtt);
    await until('every watcher to know', () => watched.every(({ daemon }) => known(daemon) > 1), LONG);
    await nothingFollows();
    expect(await updates()).toBe(before + 1);
  });
});
