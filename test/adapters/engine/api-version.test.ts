import { describe, expect, it, onTestFinished } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { findEngineAccess } from '../../../src/adapters/engine/access.ts';
import { createContainer } from '../../../src/adapters/engine/container.ts';
import { createLabelSearch } from '../../../src/adapters/engine/find-by-label.ts';
import { createSwarmService } from '../../../src/adapters/engine/service.ts';
import { createWatcherSearch } from '../../../src/adapters/engine/watchers.ts';
import { unneededPaths } from '../../../src/core/engine/calls.ts';
import type { EngineEndpoint } from '../../../src/core/model/settings.ts';
import {
  http,
  inspection,
  json,
  type Reply,
  refusal,
  startScriptedEngine,
} from '../../support/scripted-engine.ts';

const ID = 'b'.repeat(64);
const NEVER = new AbortController().signal;
const PING = http(200, 'OK', { 'Api-Version': '1.52' });

const SERVICE = { ID: 'xxa1', Version: { Index: 1 }, Spec: { Name: 'mqtt', TaskTemplate: {} } };

const LISTED = [{ Id: ID, Names: ['/other'], Command: '/mosquitto-cert-watcher', Created: 1_000 }];

/** Answers as an engine does, under its own version alone. */
const underItsVersion: Reply = (socket, request = '') => {
  const [method, path = ''] = request.split(' ');
  if (!path.startsWith('/v1.52/')) return refusal(400, 'client version is too old')(socket);
  if (path.startsWith('/v1.52/containers/json')) return json(LISTED)(socket);
  if (path.startsWith('/v1.52/services/mqtt')) return json(SERVICE)(socket);
  if (path.startsWith('/v1.52/tasks')) return json([])(socket);
  if (path.endsWith('/broker/json')) return json(inspection())(socket);
  if (path.startsWith('/v1.52/containers/')) {
    return json({ Path: '/mosquitto-cert-watcher', Config: { Env: ['MOSQUITTO_CONTAINER=left'] } })(socket);
  }
  return json(method === 'GET' ? {} : { Warnings: null })(socket);
};

async function strictEngine() {
  const restart: Reply = (socket, request = '') => {
    if (request.startsWith('POST /v1.52/containers/')) return http(204)(socket);
    return underItsVersion(socket, request);
  };
  return startScriptedEngine({ ping: PING, inspect: underItsVersion, restart }, 'unix', onTestFinished);
}

describe('an engine that answers nothing but the ping outside its own version', () => {
  it.each<[string, (endpoint: EngineEndpoint) => Promise<unknown>, unknown]>([
    [
      'is asked how the broker is',
      (endpoint) => createContainer(endpoint, 'broker').inspect(),
      { ok: true, value: { id: ID } },
    ],
    [
      'restarts the broker',
      async (endpoint) => {
        const container = createContainer(endpoint, 'broker');
        await container.inspect();
        return container.restart(ID, 10);
      },
      { ok: true },
    ],
    [
      'signals the broker',
      async (endpoint) => {
        const container = createContainer(endpoint, 'broker');
        await container.inspect();
        return container.signalHangup(ID);
      },
      { ok: true },
    ],
    [
      'finds containers by their label',
      (endpoint) => createLabelSearch(endpoint, 'role=edge')(),
      { ok: true, value: ['other'] },
    ],
    [
      'is asked how a service is',
      (endpoint) => createSwarmService(endpoint, 'mqtt').inspect(),
      { ok: true, value: { id: 'xxa1' } },
    ],
    [
      'updates a service',
      async (endpoint) => {
        const service = createSwarmService(endpoint, 'mqtt');
        await service.inspect();
        return service.update('a'.repeat(64));
      },
      { ok: true },
    ],
    [
      'is seen to grant everything',
      (endpoint) => findEngineAccess(endpoint, unneededPaths(fix.settings()), NEVER),
      { kind: 'whole_engine' },
    ],
    [
      'shows the other watchers',
      (endpoint) => createWatcherSearch(endpoint, 'eclipse-mosquitto')(NEVER),
      { others: [{ target: { containers: ['left'] } }] },
    ],
  ])('%s', async (_, ask, answer) => {
    const { endpoint, requests } = await strictEngine();
    expect(await ask(endpoint)).toMatchObject(answer as object);
    const outside = requests.filter((request) => !/^(GET|POST) \/v1\.52\//.test(request));
    expect([...new Set(outside)]).toEqual(['GET /_ping']);
  });
});
