/** Engines that refuse old versions of the API, as Docker 29 refuses those before 1.44. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { createEngineApi } from '../../lab/engine-api.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { engineSocketPath } from '../support/needs.ts';
import { makeSet, SHORT, settled, test } from '../support/stage.ts';
import { createSwarm, type Swarm } from '../support/swarm.ts';

const VERSION = v.object({ ApiVersion: v.string(), MinAPIVersion: v.string() });

async function versionOf(socketPath: string) {
  return v.parse(VERSION, JSON.parse(await createEngineApi(socketPath).ask('GET', '/version')));
}

const { ApiVersion: newest } = await versionOf(engineSocketPath());

describe.each([['1.44'], [newest]])('an engine whose oldest version of the API is %s', (minimum) => {
  let directory: string;
  let swarm: Swarm;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cert-watcher-api-'));
    swarm = await createSwarm(directory, { wrapper: ['env', `DOCKER_MIN_API_VERSION=${minimum}`] });
  });

  afterAll(async () => {
    await swarm.engine.end();
    await removeTree(directory);
  });

  test('refuses the version before it: it is what the other tests are about', async () => {
    const { api } = swarm.engine;
    expect(await versionOf(api.socketPath)).toMatchObject({ MinAPIVersion: minimum });
    const [major, minor] = minimum.split('.').map(Number);
    const older = await api.call('GET', `/v${major}.${(minor ?? 0) - 1}/containers/json`);
    expect(older).toMatchObject({ status: 400, text: expect.stringMatching(/is too old/) });
  });

  const isToldAsOpen = async (daemon: Daemon) =>
    expect((await daemon.says('engine_access')).details).toMatchObject({ access: 'whole_engine' });

  test('restarts a broker once for a rotation', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker({ engine: swarm.engine.api });
    const daemon = stage.watch(broker);
    await isToldAsOpen(daemon);
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('finds brokers by their label, and restarts them', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const label = `minimum-${minimum}=yes`;
    const broker = await stage.broker({ engine: swarm.engine.api, labels: [label] });
    const daemon = stage.daemon({
      ...SHORT,
      CERT_DIR: stage.certs.path,
      DOCKER_SOCK: swarm.engine.api.socketPath,
      MOSQUITTO_LABEL: label,
    });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('updates a service once for a rotation', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const service = await swarm.service(stage.certs.path, { replicas: 1 });
    const daemon = stage.daemon({
      ...SHORT,
      CERT_DIR: stage.certs.path,
      DOCKER_SOCK: swarm.engine.api.socketPath,
      MOSQUITTO_SERVICE: service.name,
    });
    await daemon.says('broker_already_current', { withinMs: 60_000 });
    await stage.certs.install(await makeSet());
    await daemon.says('restart_completed', { withinMs: 60_000 });
    expect(await service.updates()).toBe(1);
  });
});
