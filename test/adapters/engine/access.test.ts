import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { findEngineAccess } from '../../../src/adapters/engine/access.ts';
import { unneededPaths } from '../../../src/core/engine/calls.ts';
import {
  cut,
  http,
  json,
  type Reply,
  raw,
  rawAndSilence,
  refusal,
  silence,
  startScriptedEngine,
} from '../../support/scripted-engine.ts';

const PATHS = unneededPaths(fix.settings());
const NEVER = new AbortController().signal;

const flood: Reply = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  const more = () => {
    while (!socket.destroyed && socket.write('x'.repeat(65_536)));
  };
  socket.on('drain', more);
  more();
};

afterEach(() => {
  vi.useRealTimers();
});

/** What is found out from an engine that answers every call so. */
async function accessTo(reply: Reply, transport: 'unix' | 'tcp' = 'unix') {
  const engine = await startScriptedEngine({ inspect: reply }, transport);
  const access = await findEngineAccess(engine.endpoint, PATHS, NEVER);
  return { ...engine, access };
}

describe('what the socket grants', () => {
  it.each<[string, Reply]>([
    ['it answers', json([])],
    ['it answers without end', flood],
    ['it answers with more than anybody wants to read', http(200, 'x'.repeat(5 * 1024 ** 2))],
  ])('is the whole engine if %s', async (_, reply) => {
    expect((await accessTo(reply)).access).toEqual({ kind: 'whole_engine', rootless: false });
  });

  it.each<[string, object]>([
    ['Docker', { SecurityOptions: ['name=seccomp,profile=builtin', 'name=rootless', 'name=cgroupns'] }],
    ['Podman', { SecurityOptions: [], Rootless: true }],
    ['Podman, which lists no options', { SecurityOptions: null, Rootless: true }],
  ])('is what its user may do if %s says that it is rootless', async (_, info) => {
    expect((await accessTo(json(info))).access).toEqual({ kind: 'whole_engine', rootless: true });
  });

  it.each<[string, unknown]>([
    ['options of which none is that', { SecurityOptions: ['name=rootlesskit'], Rootless: false }],
    ['a text', { Rootless: 'true' }],
    ['depth', '['.repeat(30_000)],
  ])('is root where the engine says %s', async (_, info) => {
    const reply = typeof info === 'string' ? http(200, info) : json(info);
    expect((await accessTo(reply)).access).toEqual({ kind: 'whole_engine', rootless: false });
  });

  it.each<[string, Reply]>([
    ['403 of a socket proxy', http(403, '<html>Forbidden</html>')],
    ['404 of a proxy that knows no such path', refusal(404, 'page not found')],
    ['a refusal with a body without end', rawAndSilence(`HTTP/1.1 403 No\r\n\r\n${'x'.repeat(100_000)}`)],
  ])('is restricted by %s', async (_, reply) => {
    expect((await accessTo(reply)).access).toEqual({ kind: 'restricted', surplus: [] });
  });

  it('is found out on TCP in the same way', async () => {
    expect((await accessTo(http(403), 'tcp')).access).toMatchObject({ kind: 'restricted' });
  });

  it.each<[string, Reply]>([
    ['hangs up', cut],
    ['speaks no HTTP', raw('SSH-2.0-OpenSSH_9.2\r\n')],
    ['has no engine behind it', http(503, 'no server is available')],
  ])('is not known if what listens there %s', async (_, reply) => {
    expect((await accessTo(reply)).access).toMatchObject({ kind: 'unknown' });
  });

  it('is not known without a socket', async () => {
    const endpoint = { kind: 'unix', path: '/nowhere/docker.sock' } as const;
    expect(await findEngineAccess(endpoint, PATHS, NEVER)).toEqual({
      kind: 'unknown',
      problem: 'there is no socket /nowhere/docker.sock',
    });
  });

  it('is not known of an engine that is silent for 2 s', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { endpoint, requests } = await startScriptedEngine({ inspect: silence });
    const access = findEngineAccess(endpoint, PATHS, NEVER);
    while (requests.length < 1 + PATHS.length) await setImmediate();
    vi.advanceTimersByTime(2_000);
    expect(await access).toMatchObject({
      kind: 'unknown',
      problem: expect.stringMatching(/ did not answer within 2 s$/),
    });
  });

  it('is not known, and nothing is waited for, when the question is withdrawn', async () => {
    const { endpoint } = await startScriptedEngine({ inspect: silence });
    const stop = new AbortController();
    const access = findEngineAccess(endpoint, PATHS, stop.signal);
    stop.abort();
    expect(await access).toMatchObject({ kind: 'unknown' });
  });

  it('is found out by each call once, in the version that the engine names, and by none that could change anything', async () => {
    const { requests } = await accessTo(json([]));
    const [ping, ...trials] = requests;
    expect(ping).toBe('GET /_ping');
    expect(trials.toSorted()).toEqual(PATHS.map((path) => `GET /v1.47${path}`).toSorted());
  });

  it.each<[string, Reply]>([
    ['an answer', json([])],
    ['an answer without end', flood],
  ])('is found out without leaving a connection open: %s', async (_, reply) => {
    await (await accessTo(reply)).allGone();
  });
});
