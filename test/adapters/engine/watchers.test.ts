import { describe, expect, it } from 'vitest';
import { createWatcherSearch } from '../../../src/adapters/engine/watchers.ts';
import { RUNNING_CONTAINERS } from '../../../src/core/engine/calls.ts';
import type { Reply } from '../../support/scripted-engine.ts';
import { http, json, silence, startScriptedEngine } from '../../support/scripted-engine.ts';

const ID = '1'.repeat(64);
const OTHER = '2'.repeat(64);
const NEVER = new AbortController().signal;

const listed = (Id: string, Command: string, Created = 1_000) => ({
  ...{ Id, Command, Created, Names: [`/container-${Id.slice(0, 2)}`], Image: 'any', State: 'running' },
});

/** An engine with these containers; the environment of each is that of `Env`. */
function engine(
  list: readonly object[],
  Env: readonly string[] = [],
  Path = '/mosquitto-cert-watcher',
): Reply {
  return (socket, request = '') =>
    json(request.includes('/containers/json') ? list : { Path, Args: [], Config: { Env } })(socket);
}

async function found(inspect: Reply) {
  const { endpoint, requests } = await startScriptedEngine({ inspect });
  const search = createWatcherSearch(endpoint, 'eclipse-mosquitto');
  return { ...(await search(NEVER)), search, requests };
}

describe('a look at the containers', () => {
  it('finds another watcher, with its age and what it restarts', async () => {
    const env = ['PATH=/bin', 'MOSQUITTO_CONTAINER=left', 'DOCKER_HOST=tcp://proxy:2375'];
    const { others, own, requests } = await found(engine([listed(OTHER, '/mosquitto-cert-watcher')], env));
    expect(others).toEqual([
      {
        name: 'container container-22',
        place: { kind: 'container', id: OTHER, createdS: 1_000, overTcp: true },
        isBlind: false,
        target: { containers: ['left'], label: undefined, restarts: true },
      },
    ]);
    expect(own).toBeUndefined();
    expect(requests).toEqual([
      'GET /_ping',
      `GET /v1.47${RUNNING_CONTAINERS}`,
      `GET /v1.47/containers/${OTHER}/json`,
    ]);
  });

  it('asks about no container that runs something else', async () => {
    const { others, requests } = await found(engine([listed(ID, '/usr/sbin/mosquitto -c x')]));
    expect(others).toEqual([]);
    expect(requests).toHaveLength(2);
  });

  it('passes over one that only looks', async () => {
    const { others } = await found(engine([listed(OTHER, '/mosquitto-cert-watcher check')]));
    expect(others).toEqual([]);
  });

  it('does not know what is restarted by one that may not be looked at', async () => {
    const refusing: Reply = (socket, request = '') =>
      (request.includes('/containers/json')
        ? json([listed(OTHER, '/mosquitto-cert-watcher')])
        : http(403, 'Forbidden'))(socket);
    expect((await found(refusing)).others).toMatchObject([{ target: undefined }]);
  });

  it('is bounded, however many there are', async () => {
    const many = Array.from({ length: 200 }, (_, n) =>
      listed(n.toString(16).padStart(64, '0'), '/mosquitto-cert-watcher'),
    );
    const { others, requests } = await found(engine(many));
    expect(others).toHaveLength(8);
    expect(requests).toHaveLength(10);
  });

  it('asks a proxy that refuses it once, and never again', async () => {
    const { others, search, requests } = await found(http(403, 'Forbidden'));
    await search(NEVER);
    expect(others).toEqual([]);
    expect(requests).toHaveLength(2);
  });

  it.each<[string, Reply]>([
    ['an engine in trouble', http(500, 'oh')],
    ['garbage', http(200, '<html>')],
    ['a list of something else', json([{ Id: '../x' }])],
    ['silence', silence],
  ])('finds nobody behind %s', async (_, reply) => {
    const { endpoint } = await startScriptedEngine({ inspect: reply });
    expect(await createWatcherSearch(endpoint, 'x')(NEVER)).toEqual({ own: undefined, others: [] });
  });
});
