import { execFile } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closedPort } from '../../../lab/tls-servers.ts';
import { createContainer } from '../../../src/adapters/engine/container.ts';
import type { EngineAnswer, EngineCause, EngineFailure } from '../../../src/core/model/broker.ts';
import type { ContainerState } from '../../../src/core/model/container.ts';
import type { EngineEndpoint } from '../../../src/core/model/settings.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { leftOver } from '../../support/left-over.ts';
import {
  cut,
  http,
  httpText,
  type Inspection,
  inspection,
  json,
  type Reply,
  raw,
  rawAndSilence,
  refusal,
  type Script,
  type ScriptedEngine,
  silence,
  startScriptedEngine,
} from '../../support/scripted-engine.ts';
import { asNobody } from '../../support/unprivileged.ts';

afterEach(() => {
  vi.useRealTimers();
});

const ID = 'b'.repeat(64);

async function start(script: Script = {}, container = 'broker') {
  const server = await startScriptedEngine(script);
  return { ...server, engine: createContainer(server.endpoint, container) };
}

async function brokerAs(container: Inspection): Promise<ContainerState> {
  const { engine } = await start({ inspect: json(inspection(container)) });
  return succeeded(await engine.inspect());
}

function succeeded<T>(answer: EngineAnswer<T>): T {
  if (!answer.ok) throw new Error(answer.problem);
  return answer.value;
}

function failed(answer: EngineAnswer<unknown>): EngineFailure {
  if (answer.ok) throw new Error('the call did not fail');
  return answer;
}

/** An engine is asked for its version by an inspection, so a restart comes after one. */
async function restart({ endpoint }: ScriptedEngine, stopTimeoutS = 10) {
  return createContainer(endpoint, 'broker').restart(ID, stopTimeoutS);
}

describe('an answer to the restart', () => {
  it('is believed only if it is the 204 of an engine', async () => {
    const { engine } = await start({ restart: http(200, 'OK') });
    expect(failed(await engine.restart(ID, 10))).toMatchObject({
      cause: 'bad_answer',
      mayHaveHappened: true,
    });
  });
});

describe('version negotiation', () => {
  it("speaks the engine's own version", async () => {
    const { engine, requests } = await start({ ping: http(200, 'OK', { 'Api-Version': '1.41' }) });
    await engine.inspect();
    expect(requests).toEqual(['GET /_ping', 'GET /v1.41/containers/broker/json']);
  });

  it('restarts in the version that the last inspection met', async () => {
    const { engine, requests } = await start();
    await engine.inspect();
    await engine.restart(ID, 10);
    expect(requests.at(-1)).toBe(`POST /v1.47/containers/${ID}/restart?t=10`);
  });

  it.each<[string, Reply]>([
    ['names none', http(200, 'OK')],
    ['forbids the ping, as a socket proxy may', http(403, 'Forbidden', { 'Api-Version': '1.47' })],
    ['knows no ping', http(404)],
    ['names nonsense', http(200, 'OK', { 'Api-Version': '../../evil' })],
  ])('leaves the version out with an engine that %s', async (_, ping) => {
    const { engine, requests } = await start({ ping });
    await engine.inspect();
    expect(requests.at(-1)).toBe('GET /containers/broker/json');
  });

  const inVersion = (version: string) => http(200, JSON.stringify(inspection()), { 'Api-Version': version });

  it('happens once while each answer names the same version', async () => {
    const { engine, requests } = await start({ inspect: inVersion('1.47') });
    for (let look = 0; look < 3; look++) expect((await engine.inspect()).ok).toBe(true);
    expect(requests).toEqual(['GET /_ping', ...Array(3).fill('GET /v1.47/containers/broker/json')]);
  });

  it('happens again when an answer names another version', async () => {
    let version = '1.47';
    const { engine, requests } = await start({
      ping: (socket) => http(200, 'OK', { 'Api-Version': version })(socket),
      inspect: (socket) => inVersion(version)(socket),
    });
    await engine.inspect();
    version = '1.41';
    expect((await engine.inspect()).ok).toBe(true);
    expect(requests.slice(2)).toEqual([
      'GET /v1.47/containers/broker/json',
      'GET /_ping',
      'GET /v1.41/containers/broker/json',
    ]);
  });

  it('happens again when the engine refuses the version that it had', async () => {
    let version = '1.43';
    const { engine, requests } = await start({
      ping: (socket) => http(200, 'OK', { 'Api-Version': version })(socket),
      inspect: (socket, request = '') =>
        request.includes(`/v${version}/`)
          ? inVersion(version)(socket)
          : refusal(400, 'client version 1.43 is too old. Minimum supported API version is 1.44')(socket),
    });
    await engine.inspect();
    version = '1.52';
    expect((await engine.inspect()).ok).toBe(true);
    await engine.restart(ID, 10);
    expect(requests.at(-1)).toBe(`POST /v1.52/containers/${ID}/restart?t=10`);
  });

  it('does not follow a call that was not answered, which would take as long again', async () => {
    const replies = [inVersion('1.47'), cut];
    const { engine, requests } = await start({ inspect: (socket) => replies.shift()?.(socket) });
    await engine.inspect();
    expect((await engine.inspect()).ok).toBe(false);
    expect(requests).toHaveLength(3);
  });

  it('happens at each look at a container that is missing, and not twice', async () => {
    const { engine, requests } = await start({
      inspect: http(404, '{"message":"No such container: broker"}', { 'Api-Version': '1.47' }),
    });
    for (let look = 0; look < 3; look++) await engine.inspect();
    expect(requests).toHaveLength(6);
  });

  it('negotiates again with an engine that was replaced by another version', async () => {
    let version = '1.40';
    const { engine, requests } = await start({
      ping: (socket) => http(200, 'OK', { 'Api-Version': version })(socket),
    });
    await engine.inspect();
    version = '1.50';
    await engine.inspect();
    expect(requests.at(-1)).toBe('GET /v1.50/containers/broker/json');
  });
});

describe('a restart', () => {
  it('is done when the engine says so', async () => {
    const { engine } = await start();
    expect(await engine.restart(ID, 10)).toEqual({ ok: true, value: undefined });
  });

  it.each([0, 10, 120, -1])('always says how long the broker may take to stop: t=%d', async (seconds) => {
    const { engine, requests } = await start();
    await engine.restart(ID, seconds);
    expect(requests).toEqual([`POST /containers/${ID}/restart?t=${seconds}`]);
  });

  it.each([
    [0, 30_000],
    [10, 40_000],
    [-1, 330_000],
    // a longer timer of Node fires at once
    [2_200_000, 2 ** 31 - 1],
  ])('with t=%d is waited for %d ms, and not longer', async (seconds, limitMs) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const server = await startScriptedEngine({ restart: silence });
    let answer: EngineAnswer<undefined> | undefined;
    const answered = restart(server, seconds).then((it) => {
      answer = it;
    });
    while (server.requests.length === 0) await setImmediate();
    // what the call has already taken in real time counts, too
    vi.advanceTimersByTime(limitMs - 1_000);
    await setImmediate();
    const before = answer;
    vi.advanceTimersByTime(1_000);
    await answered;
    expect([before, answer]).toMatchObject([undefined, { cause: 'timeout', mayHaveHappened: true }]);
  });
});

describe('the container', () => {
  it.each([
    ['my broker', 'my%20broker'],
    ['a/b', 'a%2Fb'],
    ['../../x', '..%2F..%2Fx'],
    ['x?t=0#', 'x%3Ft%3D0%23'],
    ['bröker', 'br%C3%B6ker'],
  ])('by the name %s stays within its place in the path', async (name, encoded) => {
    const { engine, requests } = await start({}, name);
    await engine.inspect();
    expect(requests.at(-1)).toBe(`GET /v1.47/containers/${encoded}/json`);
  });
});

describe('the container that is meant', () => {
  const OTHER = `a7${'0'.repeat(62)}`;

  async function found(meant: string, container: Inspection) {
    const { engine } = await start({ inspect: json(inspection(container)) }, meant);
    return engine.inspect();
  }

  it.each<[string, string, Inspection]>([
    ['by its name', 'a7', { Name: '/a7' }],
    ['by its name, as an engine writes it that puts no slash before it', 'a7', { Name: 'a7' }],
    ['by its whole id', OTHER, { Id: OTHER, Name: '/any' }],
    ['by 12 digits of its id', OTHER.slice(0, 12), { Id: OTHER, Name: '/any' }],
  ])('is known %s', async (_, meant, container) => {
    expect((await found(meant, container)).ok).toBe(true);
  });

  it.each<[string, string, Inspection]>([
    ['whose id begins with the name', 'a7', { Id: OTHER, Name: '/other' }],
    ['whose id begins with 11 digits that are a name', OTHER.slice(0, 11), { Id: OTHER, Name: '/other' }],
    ['that has the name for an alias', 'a7', { Name: '/other/a7' }],
    ['whose name is longer', 'a7', { Name: '/a78' }],
    ['with an id that is longer than any', `${OTHER}0`, { Id: OTHER, Name: '/other' }],
  ])('is no container %s', async (_, meant, container) => {
    expect(failed(await found(meant, container))).toMatchObject({
      cause: 'container_missing',
      mayHaveHappened: false,
    });
  });

  it('is missing in words that name what was found instead', async () => {
    expect(failed(await found('a7', { Id: OTHER, Name: '/other' })).problem).toBe(
      'there is no container a7 (the engine answers with other, whose id a70000000000 begins with it)',
    );
  });
});

describe('a signal', () => {
  it('goes to the id of an inspection', async () => {
    const { engine, requests } = await start();
    await engine.signalHangup(ID);
    expect(requests).toEqual([`POST /containers/${ID}/kill?signal=SIGHUP`]);
  });
});

describe('an inspection', () => {
  it('says what the engine says of a running broker', async () => {
    expect(await brokerAs({ Config: { StopTimeout: 30 } })).toEqual({
      kind: 'container',
      id: ID,
      up: true,
      status: 'running',
      exitCode: 0,
      startError: '',
      oomKilled: false,
      restartPolicy: { name: '', retries: 0 },
      restartCount: 0,
      startedAt: '2026-03-01T11:00:00.123456789Z',
      startedAtMs: Date.UTC(2026, 2, 1, 11, 0, 0, 123),
      finishedAt: '0001-01-01T00:00:00Z',
      finishedAtMs: undefined,
      health: undefined,
      healthNeedsMs: 190_000,
      stopTimeoutS: 30,
    });
  });

  it.each<[string, Record<string, unknown>, Partial<ContainerState>]>([
    ['stopped by hand', { Status: 'exited', Running: false }, { up: false, status: 'exited', exitCode: 0 }],
    [
      'crashed',
      { Status: 'exited', Running: false, ExitCode: 1 },
      { up: false, status: 'exited', exitCode: 1 },
    ],
    ['killed', { Status: 'exited', Running: false, ExitCode: 137 }, { up: false, exitCode: 137 }],
    [
      'between two starts by Docker',
      { Status: 'restarting', Running: true, Restarting: true },
      { up: false, status: 'restarting' },
    ],
    [
      'between two starts by an engine that calls it running',
      { Running: true, Restarting: true },
      { up: false, status: 'restarting' },
    ],
    ['paused', { Status: 'paused', Paused: true }, { up: true, status: 'paused' }],
    [
      'never started',
      { Status: 'created', Running: false, StartedAt: '0001-01-01T00:00:00Z' },
      { up: false, status: 'created', startedAtMs: undefined },
    ],
    [
      'never started, in other words',
      { Status: 'created', Running: false, StartedAt: '', FinishedAt: '' },
      { startedAtMs: undefined, finishedAtMs: undefined },
    ],
  ])('knows a broker that is %s', async (_, State, expected) => {
    expect(await brokerAs({ State })).toMatchObject(expected);
  });

  it('says when a broker ended last', async () => {
    const { finishedAtMs } = await brokerAs({ State: { FinishedAt: '2026-03-01T10:59:59.5Z' } });
    expect(finishedAtMs).toBe(Date.UTC(2026, 2, 1, 10, 59, 59, 500));
  });

  it('understands times with an offset, as Podman writes them', async () => {
    const { startedAtMs } = await brokerAs({ State: { StartedAt: '2026-03-01T13:00:00.123456789+02:00' } });
    expect(startedAtMs).toBe(Date.UTC(2026, 2, 1, 11, 0, 0, 123));
  });

  it.each<[string, unknown, ContainerState['health']]>([
    ['no health check', undefined, undefined],
    ['null', null, undefined],
    ["Docker's none", { Status: 'none' }, undefined],
    ["Podman's empty status", { Status: '', FailingStreak: 0, Log: null }, undefined],
    ['starting', { Status: 'starting' }, 'starting'],
    ['healthy', { Status: 'healthy' }, 'healthy'],
    ['unhealthy', { Status: 'unhealthy' }, 'unhealthy'],
  ])('understands health: %s', async (_, Health, health) => {
    expect((await brokerAs({ State: { Health } })).health).toBe(health);
  });

  it('knows no health in a container whose health check is switched off', async () => {
    const off = { State: { Health: { Status: 'starting' } }, Config: { Healthcheck: { Test: ['NONE'] } } };
    expect((await brokerAs(off)).health).toBeUndefined();
  });

  const S = 1e9;
  it.each<[string, unknown, number]>([
    ['that is the defaults: 3 × (30 s + 30 s)', { Test: ['CMD', 'true'] }, 180],
    ['null', null, 180],
    ['with zeros for the defaults', { Interval: 0, Timeout: 0, StartPeriod: 0, Retries: 0 }, 180],
    ['with nulls for the defaults', { Interval: null, Timeout: null, Retries: null }, 180],
    ['of its own: 2 × (10 s + 5 s)', { Interval: 10 * S, Timeout: 5 * S, Retries: 2 }, 30],
    [
      'with a start period: 60 s, a start interval of 5 s, a check of 5 s, and 2 × (10 s + 5 s)',
      { Interval: 10 * S, Timeout: 5 * S, Retries: 2, StartPeriod: 60 * S },
      100,
    ],
    [
      'with a start interval of its own',
      { Interval: 10 * S, Timeout: 5 * S, Retries: 2, StartPeriod: 60 * S, StartInterval: 20 * S },
      115,
    ],
    ['in fractions of a second', { Interval: 0.2 * S, Timeout: 0.3 * S, Retries: 2 }, 1],
    ['that makes no sense', { Interval: -1, Timeout: -1, StartPeriod: -1, Retries: -1 }, 180],
  ])('knows how long a health check may need, and ten seconds more: %s', async (_, Healthcheck, seconds) => {
    expect((await brokerAs({ Config: { Healthcheck } })).healthNeedsMs).toBe((seconds + 10) * 1_000);
  });

  it('waits a day at most for a health check', async () => {
    const { healthNeedsMs } = await brokerAs({ Config: { Healthcheck: { Interval: 1e300, Retries: 1e9 } } });
    expect(healthNeedsMs).toBe(86_400_000);
  });

  it('says how the container has ended, and what its restart policy is', async () => {
    const seen = await brokerAs({
      RestartCount: 2,
      State: { Status: 'exited', Running: false, ExitCode: 128, OOMKilled: true, Error: 'no such device' },
      HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } },
    });
    expect(seen).toMatchObject({
      startError: 'no such device',
      oomKilled: true,
      restartPolicy: { name: 'on-failure', retries: 3 },
      restartCount: 2,
    });
  });

  it.each<[string, object]>([
    ['nothing', {}],
    ['labels that are no labels', { Config: { Labels: 'x' } }],
    ['nulls', { RestartCount: null, HostConfig: null, State: { Error: null, OOMKilled: null } }],
    ['no policy', { HostConfig: { RestartPolicy: null } }],
  ])('knows no more than it is told where the engine says %s of that', async (_, said) => {
    expect(await brokerAs(said)).toMatchObject({
      startError: '',
      oomKilled: false,
      restartPolicy: { name: '', retries: 0 },
      restartCount: 0,
    });
  });

  it('cuts short what an engine says of a container that it could not start', async () => {
    const { startError } = await brokerAs({ State: { Error: 'x'.repeat(100_000) } });
    expect(startError).toHaveLength(400);
  });

  it.each([
    ['null', null],
    ['left out', undefined],
  ])('knows no stop timeout where that is %s', async (_, StopTimeout) => {
    expect((await brokerAs({ Config: { StopTimeout } })).stopTimeoutS).toBeUndefined();
  });

  it('understands an engine that does not say whether it restarts', async () => {
    expect((await brokerAs({ State: { Restarting: undefined } })).up).toBe(true);
  });
});

/** Ways to fail that the engine's answer makes. The second word is what a restart may have done. */
const ANSWERS: readonly [string, Reply, EngineCause, boolean][] = [
  ['404 without such a container', refusal(404, 'No such container: broker'), 'container_missing', false],
  [
    "404 in Podman's words",
    refusal(404, 'no container with name or ID "broker" found: no such container'),
    'container_missing',
    false,
  ],
  ['404 of a path that it does not know', refusal(404, 'page not found'), 'call_refused', false],
  ['401', refusal(401, 'who are you'), 'permission_denied', false],
  ['403 of a socket proxy', http(403, '<html>Forbidden</html>'), 'permission_denied', false],
  [
    '400 for a version that it does not speak',
    refusal(400, 'client version 1.99 is too new'),
    'call_refused',
    false,
  ],
  ['409', refusal(409, 'container is marked for removal'), 'call_refused', false],
  ['301', http(301, '', { Location: 'http://elsewhere/' }), 'call_refused', false],
  ['500', refusal(500, 'cannot restart container: tried to kill it'), 'engine_error', true],
  ['502 of a proxy', http(502, 'Bad Gateway'), 'engine_error', true],
  ['the end of the connection', cut, 'connection_lost', true],
  ['half an answer', raw(httpText(200, 'x'.repeat(50)).slice(0, -10)), 'connection_lost', true],
  ['half a header', raw('HTTP/1.1 200 OK\r\nContent-'), 'connection_lost', true],
  ['something that is no HTTP', raw('SSH-2.0-OpenSSH_9.2\r\n'), 'bad_answer', true],
  ['a header without end', raw(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`), 'bad_answer', true],
  ['a body longer than 1 MiB', http(200, 'x'.repeat(1024 ** 2 + 1)), 'bad_answer', true],
  [
    'a body without end',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const flood = () => {
        while (!socket.destroyed && socket.write('x'.repeat(65_536)));
      };
      socket.on('drain', flood);
      flood();
    },
    'bad_answer',
    true,
  ],
  [
    'a change of protocol',
    rawAndSilence('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'),
    'bad_answer',
    true,
  ],
];

describe('a failure', () => {
  it.each(ANSWERS)('of an inspection has its cause: %s', async (_, reply, cause) => {
    const { engine } = await start({ inspect: reply });
    expect(failed(await engine.inspect()).cause).toBe(cause);
  });

  it.each(ANSWERS)('of a restart has its cause: %s', async (_, reply, cause) => {
    expect(failed(await restart(await startScriptedEngine({ restart: reply }))).cause).toBe(cause);
  });

  it.each(ANSWERS)('of an inspection has changed nothing: %s', async (_, reply) => {
    const { engine } = await start({ inspect: reply });
    expect(failed(await engine.inspect()).mayHaveHappened).toBe(false);
  });

  it.each(ANSWERS)(
    'says whether the restart may have happened all the same: %s',
    async (_, reply, __, mayHave) => {
      const answer = failed(await restart(await startScriptedEngine({ restart: reply })));
      expect(answer.mayHaveHappened).toBe(mayHave);
    },
  );

  it.each(ANSWERS)('is one line with a hint: %s', async (_, reply) => {
    const { problem, hint } = failed(await restart(await startScriptedEngine({ restart: reply })));
    expect([problem, hint]).toEqual([expect.stringMatching(/^.+$/), expect.stringMatching(/^.{10,}$/)]);
  });

  it.each<[string, Reply]>([
    ['the connection is cut', cut],
    ['it talks nonsense', raw('nonsense\r\n\r\n')],
  ])('of the ping is a failure of the inspection: %s', async (_, ping) => {
    const { engine, requests } = await start({ ping });
    expect([(await engine.inspect()).ok, ...requests]).toEqual([false, 'GET /_ping']);
  });

  it("repeats the engine's own words", async () => {
    const { engine } = await start({ restart: refusal(409, 'container is\n marked  for removal') });
    expect(failed(await engine.restart(ID, 10)).problem).toBe(
      'restarting broker: HTTP 409: container is marked for removal',
    );
  });

  it('cuts the words short of an engine that talks much', async () => {
    const { engine } = await start({ restart: http(409, 'x'.repeat(100_000)) });
    expect(failed(await engine.restart(ID, 10)).problem.length).toBeLessThan(400);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['a list', []],
    ['a text', 'running'],
    ['an empty object', {}],
    ['a state that is a word', { ...inspection(), State: 'running' }],
    ['no id', inspection({ Id: undefined })],
    ['an id that leads elsewhere', inspection({ Id: '../other' })],
    ['no name', inspection({ Name: undefined })],
    ['an exit code that is a text', inspection({ State: { ExitCode: '0' } })],
    ['running as a number', inspection({ State: { Running: 1 } })],
    ['a start at no date', inspection({ State: { StartedAt: 'yesterday' } })],
    ['an end at no date', inspection({ State: { FinishedAt: 'never' } })],
    ['a stop timeout that is a text', inspection({ Config: { StopTimeout: '10s' } })],
    ['no configuration', { ...inspection(), Config: undefined }],
  ])('is the answer to an inspection with JSON of another shape: %s', async (_, body) => {
    const { engine } = await start({ inspect: json(body) });
    expect(failed(await engine.inspect()).cause).toBe('bad_answer');
  });

  it('is the answer to an inspection with no JSON at all', async () => {
    const { engine } = await start({ inspect: http(200, '<html>welcome</html>') });
    expect(failed(await engine.inspect()).problem).toBe('inspecting broker: the answer is not JSON');
  });
});

describe('an engine that does not answer in time', () => {
  it.each<[string, Reply]>([
    ['is silent', silence],
    ['stops in the middle', rawAndSilence(httpText(200, 'x'.repeat(50)).slice(0, -10))],
    ['stops in the header', rawAndSilence('HTTP/1.1 200 OK\r\nX')],
    [
      'trickles without end',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
        const timer = setInterval(() => socket.write('x'), 5);
        socket.on('close', () => clearInterval(timer));
      },
    ],
  ])('is given up on: it %s', async (_, inspect) => {
    const { engine } = await start({ inspect });
    expect(failed(await engine.inspect({ timeoutMs: 50 })).cause).toBe('timeout');
  });

  it('is given up on if it is silent to the ping', async () => {
    const { engine } = await start({ ping: silence });
    expect(failed(await engine.inspect({ timeoutMs: 50 })).problem).toMatch(/did not answer within 0.05 s$/);
  });

  it('gets 10 s unless told', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { engine, requests } = await start({ ping: silence });
    const answer = engine.inspect();
    while (requests.length === 0) await setImmediate();
    vi.advanceTimersByTime(10_000);
    expect(failed(await answer).problem).toMatch(/did not answer within 10 s$/);
  });
});

/** Sockets that nobody answers on. */
const UNREACHABLE: readonly [string, (directory: string) => Promise<EngineEndpoint>, EngineCause][] = [
  ['no socket', async (directory) => unix(join(directory, 'none')), 'socket_missing'],
  [
    'no directory of the socket',
    async (directory) => unix(join(directory, 'none', 'sock')),
    'socket_missing',
  ],
  [
    'a path through a file',
    async (directory) => {
      await writeFile(join(directory, 'file'), 'x');
      return unix(join(directory, 'file', 'sock'));
    },
    'socket_missing',
  ],
  [
    'a plain file',
    async (directory) => {
      await writeFile(join(directory, 'file'), 'x');
      return unix(join(directory, 'file'));
    },
    'not_a_socket',
  ],
  [
    'a directory, as docker makes it of a missing mount',
    async (directory) => {
      await mkdir(join(directory, 'sock'));
      return unix(join(directory, 'sock'));
    },
    'not_a_socket',
  ],
  [
    'a socket that its owner left behind',
    async (directory) => unix(await staleSocket(directory)),
    'connection_refused',
  ],
  [
    'a port where nobody listens',
    async () => ({ kind: 'tcp', host: '127.0.0.1', port: await closedPort() }),
    'connection_refused',
  ],
  [
    'a host that has no address',
    async () => ({ kind: 'tcp', host: 'engine.invalid', port: 2375 }),
    'unreachable',
  ],
];

function unix(path: string): EngineEndpoint {
  return { kind: 'unix', path };
}

/** A socket file whose listener was killed, so that nobody removed it. */
async function staleSocket(directory: string): Promise<string> {
  const path = join(directory, 'stale');
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await promisify(execFile)(process.execPath, ['-e', code]).catch(() => undefined);
  return path;
}

describe('an engine out of reach', () => {
  it.each(UNREACHABLE)('has its cause: %s', async (_, make, cause) => {
    const engine = createContainer(await make(await temporaryDirectory()), 'broker');
    expect(failed(await engine.inspect()).cause).toBe(cause);
  });

  it.each(UNREACHABLE)('has certainly restarted nothing: %s', async (_, make) => {
    const engine = createContainer(await make(await temporaryDirectory()), 'broker');
    expect(failed(await engine.restart(ID, 10)).mayHaveHappened).toBe(false);
  });

  it('is denied to a user without the right to its socket', async () => {
    const { endpoint } = await startScriptedEngine();
    const path = endpoint.kind === 'unix' ? endpoint.path : '';
    // not even for its owner, should these tests not run as root
    await chmod(path, 0o000);
    expect(await asNobody('inspect', path)).toMatchObject({
      cause: 'permission_denied',
      mayHaveHappened: false,
    });
  });

  it('is named in the problem', async () => {
    const engine = createContainer(unix('/none/docker.sock'), 'broker');
    expect(failed(await engine.inspect()).problem).toBe('there is no socket /none/docker.sock');
  });
});

describe('an inspection that is cancelled', () => {
  it('ends at once, whatever the engine does', async () => {
    const abort = new AbortController();
    const { engine } = await start({ inspect: () => abort.abort() });
    expect((await engine.inspect({ signal: abort.signal })).ok).toBe(false);
  });

  it('before it began asks the engine nothing', async () => {
    const { engine, requests } = await start();
    await engine.inspect({ signal: AbortSignal.abort() });
    expect(requests).toEqual([]);
  });
});

describe('a conversation leaves nothing behind', () => {
  /** Connections that this process has open as a client or as a server. */
  function sockets(): number {
    return process.getActiveResourcesInfo().filter((name) => /^(Pipe|TCPSocket)Wrap$/.test(name)).length;
  }

  it.each<[string, Reply]>([
    ['an answer', json(inspection())],
    [
      'an answer that keeps the connection open',
      rawAndSilence(httpText(200, JSON.stringify(inspection()), { Connection: 'keep-alive' })),
    ],
    ['a refusal', refusal(500, 'no')],
    ['a cut', cut],
    ['nonsense', raw('nonsense\r\n\r\n')],
    ['too much', http(200, 'x'.repeat(5 * 1024 ** 2))],
    ['silence', silence],
  ])('no socket after %s', async (_, inspect) => {
    const server = await startScriptedEngine({ inspect });
    const before = sockets();
    for (let times = 0; times < 5; times++) {
      await createContainer(server.endpoint, 'broker').inspect({ timeoutMs: 50 });
    }
    await server.allGone();
    expect(await leftOver(sockets, before)).toBe(0);
  });

  it('no listener on the signal', async () => {
    const { signal } = new AbortController();
    const { engine } = await start();
    await engine.inspect({ signal });
    expect(await leftOver(() => getEventListeners(signal, 'abort').length)).toBe(0);
  });
});

describe('an engine that awaits TLS', () => {
  const ALERT = Buffer.from([0x15, 3, 1, 0, 2, 2, 40]).toString('latin1');

  it.each<[string, Reply]>([
    ["Go's words", http(400, 'Client sent an HTTP request to an HTTPS server.\n')],
    ["nginx's words", http(400, '<center>The plain HTTP request was sent to HTTPS port</center>')],
    ['an alert', raw(ALERT)],
  ])('is known by %s, and the hint says so', async (_, reply) => {
    const server = await startScriptedEngine({ ping: reply, inspect: reply }, 'tcp');
    const answer = failed(await createContainer(server.endpoint, 'broker').inspect());
    expect(answer.hint).toMatch(/^that port expects TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH /);
    expect(answer.mayHaveHappened).toBe(false);
  });

  it('is thought of where the connection is cut on TCP', async () => {
    const server = await startScriptedEngine({ ping: cut }, 'tcp');
    expect(failed(await createContainer(server.endpoint, 'broker').inspect()).hint).toMatch(
      /awaits TLS .*DOCKER_TLS_VERIFY/,
    );
  });

  it('is not thought of on a socket', async () => {
    const { engine } = await start({ ping: cut });
    expect(failed(await engine.inspect()).hint).not.toMatch(/TLS/);
  });
});

describe('an engine on TCP, such as a socket proxy', () => {
  it('is spoken to in the same way', async () => {
    const server = await startScriptedEngine({}, 'tcp');
    const engine = createContainer(server.endpoint, 'broker');
    await engine.inspect();
    await engine.restart(ID, 10);
    expect(server.requests).toEqual([
      'GET /_ping',
      'GET /v1.47/containers/broker/json',
      `POST /v1.47/containers/${ID}/restart?t=10`,
    ]);
  });

  it('that hangs up may have done the restart', async () => {
    const server = await startScriptedEngine({ restart: cut }, 'tcp');
    expect(failed(await restart(server))).toMatchObject({
      cause: 'connection_lost',
      mayHaveHappened: true,
    });
  });
});
