import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLabelSearch } from '../../../src/adapters/engine/find-by-label.ts';
import { createSwarmService } from '../../../src/adapters/engine/service.ts';
import type { EngineAnswer, EngineFailure } from '../../../src/core/model/broker.ts';
import { APPLIED_LABEL, HISTORY_LABEL, type ServiceState } from '../../../src/core/model/service.ts';
import type { EngineEndpoint } from '../../../src/core/model/settings.ts';

interface Heard {
  readonly request: string;
  readonly body: string;
}

type Answers = Readonly<Record<string, readonly [status: number, body: unknown]>>;

/** An engine that answers each path, without version and query, as it is told. */
async function engine(answers: Answers): Promise<{ endpoint: EngineEndpoint; heard: Heard[] }> {
  const heard: Heard[] = [];
  const server = createServer(async (incoming, outgoing) => {
    let body = '';
    for await (const chunk of incoming) body += String(chunk);
    const { method = '', url = '' } = incoming;
    heard.push({ request: `${method} ${url}`, body });
    const path = url.replace(/^\/v[0-9.]+/, '').replace(/\?.*/, '');
    const [status, answer] = answers[path] ?? [200, ''];
    outgoing.writeHead(status, { 'Api-Version': '1.41' });
    outgoing.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { endpoint: { kind: 'tcp', host: '127.0.0.1', port }, heard };
}

const SERVICE = {
  ID: 'xxa1pd51woh6',
  Version: { Index: 108 },
  Spec: {
    Name: 'mqtt',
    Labels: { team: 'edge', [APPLIED_LABEL]: 'a'.repeat(64), [HISTORY_LABEL]: 'b0 c0' },
    TaskTemplate: {
      ContainerSpec: { Image: 'eclipse-mosquitto:2', Mounts: [{ Type: 'bind', Source: '/a', Target: '/b' }] },
      Resources: { Limits: { NanoCPUs: 500_000_000, MemoryBytes: 134_217_728 } },
      ForceUpdate: 7,
      Runtime: 'container',
    },
    Mode: { Replicated: { Replicas: 3 } },
    UpdateConfig: { Parallelism: 1, Delay: 10_000_000_000, FailureAction: 'rollback' },
    SomethingOfALaterVersion: { kept: true },
  },
  PreviousSpec: { Name: 'mqtt' },
  UpdateStatus: {
    State: 'updating',
    StartedAt: '2026-11-25T20:06:04.859261545Z',
    Message: 'update in progress',
  },
};

const task = (state: string, forceUpdate: number, at = '2026-11-25T20:06:05.5Z') => ({
  CreatedAt: at,
  DesiredState: 'running',
  Status: { State: state },
  Spec: { ForceUpdate: forceUpdate },
});
const TASKS = [task('running', 7), task('running', 6, '2026-11-25T19:00:00Z'), task('starting', 7)];

const WELL = { '/services/mqtt': [200, SERVICE], '/tasks': [200, TASKS] } as const;

function value<T>(answer: EngineAnswer<T>): T {
  if (!answer.ok) throw new Error(answer.problem);
  return answer.value;
}

function failureOf(answer: EngineAnswer<unknown>): EngineFailure {
  if (answer.ok) throw new Error('it did not fail');
  return answer;
}

async function inspected(answers: Answers): Promise<ServiceState> {
  const { endpoint } = await engine(answers);
  return value(await createSwarmService(endpoint, 'mqtt').inspect());
}

describe('an inspection of a service', () => {
  it('says how far its update is, and what it was updated for', async () => {
    expect(await inspected(WELL)).toEqual({
      kind: 'service',
      id: 'xxa1pd51woh6',
      up: true,
      status: 'updating',
      startedAt: '2026-11-25T19:00:00.000Z',
      startedAtMs: Date.parse('2026-11-25T19:00:00Z'),
      version: 108,
      applied: 'a'.repeat(64),
      history: ['b0', 'c0'],
      update: {
        state: 'updating',
        startedAtMs: Date.parse('2026-11-25T20:06:04.859Z'),
        message: 'update in progress',
      },
      desired: 3,
      running: 2,
      updated: 1,
      coming: 1,
      hasRun: true,
    });
  });

  it('asks for the tasks that should run, and for no others', async () => {
    const { endpoint, heard } = await engine(WELL);
    await createSwarmService(endpoint, 'mqtt').inspect();
    const filters = encodeURIComponent('{"service":["xxa1pd51woh6"],"desired-state":["running"]}');
    expect(heard.map(({ request }) => request)).toEqual([
      'GET /_ping',
      'GET /v1.41/services/mqtt',
      `GET /v1.41/tasks?filters=${filters}`,
    ]);
  });

  it('asks for what has ended, too, where none runs: that tells why', async () => {
    const died = [task('failed', 7), task('rejected', 7)];
    const waiting = { ...task('ready', 7), DesiredState: 'ready' };
    const { endpoint, heard } = await engine({ ...WELL, '/tasks': [200, [...died, waiting]] });
    const service = value(await createSwarmService(endpoint, 'mqtt').inspect());
    expect(service).toMatchObject({ up: false, running: 0, coming: 1, hasRun: true });
    const filters = encodeURIComponent('{"service":["xxa1pd51woh6"]}');
    expect(heard.at(-1)?.request).toBe(`GET /v1.41/tasks?filters=${filters}`);
  });

  it('counts a global service by its tasks', async () => {
    const global = { ...SERVICE, Spec: { ...SERVICE.Spec, Mode: { Global: {} } } };
    expect((await inspected({ ...WELL, '/services/mqtt': [200, global] })).desired).toBe(3);
  });

  it('knows a service that nobody has updated yet', async () => {
    const { Labels: _, ...spec } = SERVICE.Spec;
    const fresh = { ...SERVICE, Spec: spec, UpdateStatus: {} };
    const service = await inspected({ ...WELL, '/services/mqtt': [200, fresh] });
    expect(service).toMatchObject({ applied: undefined, history: [], update: undefined });
  });

  it.each<[string, Answers, string]>([
    [
      'an engine outside of any swarm',
      { '/services/mqtt': [503, { message: 'This node is not a swarm manager. Use "docker swarm init"' }] },
      'not_a_manager',
    ],
    [
      'Podman',
      { '/services/mqtt': [503, { message: 'Podman does not support service: x' }] },
      'not_a_manager',
    ],
    [
      'a service that is missing',
      { '/services/mqtt': [404, { message: 'service mqtt not found' }] },
      'service_missing',
    ],
    [
      'another service, whose id begins with the name',
      { '/services/mqtt': [200, { ...SERVICE, ID: 'mqtt1pd51woh6', Spec: { ...SERVICE.Spec, Name: 'x' } }] },
      'service_missing',
    ],
    ['garbage', { '/services/mqtt': [200, '<html>'] }, 'bad_answer'],
    ['another object', { '/services/mqtt': [200, { ID: 1 }] }, 'bad_answer'],
    ['tasks that are none', { ...WELL, '/tasks': [200, {}] }, 'bad_answer'],
    ['a proxy that forbids it', { '/services/mqtt': [403, 'Forbidden'] }, 'permission_denied'],
  ])('fails of %s with its cause', async (_, answers, cause) => {
    const { endpoint } = await engine(answers);
    expect(failureOf(await createSwarmService(endpoint, 'mqtt').inspect())).toMatchObject({
      cause,
      mayHaveHappened: false,
    });
  });
});

describe('an update of a service', () => {
  async function updated(answers: Answers = {}) {
    const { endpoint, heard } = await engine({ ...WELL, ...answers });
    const service = createSwarmService(endpoint, 'mqtt');
    await service.inspect();
    const answer = await service.update('d'.repeat(64));
    return { answer, service, heard, last: heard.at(-1) };
  }

  it('is made under the version of the inspection', async () => {
    expect((await updated()).last?.request).toBe('POST /v1.41/services/mqtt/update?version=108');
  });

  it('changes nothing but ForceUpdate, by one, and our two labels', async () => {
    const { last } = await updated();
    expect(JSON.parse(last?.body ?? '')).toEqual({
      ...SERVICE.Spec,
      Labels: {
        team: 'edge',
        [APPLIED_LABEL]: 'd'.repeat(64),
        [HISTORY_LABEL]: `${'a'.repeat(16)} b0 c0`,
      },
      TaskTemplate: { ...SERVICE.Spec.TaskTemplate, ForceUpdate: 8 },
    });
  });

  it('is done when the engine says so', async () => {
    expect((await updated({ '/services/mqtt/update': [200, { Warnings: null }] })).answer.ok).toBe(true);
  });

  it.each<[string, number, unknown, Partial<EngineFailure>]>([
    [
      'somebody was faster',
      500,
      { message: 'rpc error: code = Unknown desc = update out of sequence' },
      { cause: 'out_of_sequence', mayHaveHappened: false },
    ],
    ['the engine has trouble', 500, { message: 'raft' }, { cause: 'engine_error', mayHaveHappened: true }],
    ['a proxy forbids it', 403, 'Forbidden', { cause: 'permission_denied', mayHaveHappened: false }],
  ])('fails with its cause where %s', async (_, status, body, failure) => {
    const { answer } = await updated({ '/services/mqtt/update': [status, body] });
    expect(failureOf(answer)).toMatchObject(failure);
  });

  it('is made once of one inspection', async () => {
    const { service, heard } = await updated();
    const before = heard.length;
    expect((await service.update('e'.repeat(64))).ok).toBe(false);
    expect(heard.length).toBe(before);
  });
});

function listed(...names: string[]) {
  return { Id: 'a7'.repeat(32), Names: names };
}

describe('a search by label', () => {
  it('finds the name of a container, and no alias by which another one knows it', async () => {
    const list = [listed('/other/alias', '/left', '/third/alias')];
    const { endpoint } = await engine({ '/containers/json': [200, list] });
    expect(value(await createLabelSearch(endpoint, 'role=edge')())).toEqual(['left']);
  });

  it.each<[string, object]>([
    ['nothing but an alias', listed('/other/alias')],
    ['no name', listed()],
    ['null', { ...listed(), Names: null }],
  ])('finds a container by its id that has %s', async (_, one) => {
    const { endpoint } = await engine({ '/containers/json': [200, [one]] });
    expect(value(await createLabelSearch(endpoint, 'role=edge')())).toEqual(['a7a7a7a7a7a7']);
  });

  it('finds the names of containers, running or not, in alphabetical order', async () => {
    const list = [listed('/right'), listed('/left')];
    const { endpoint, heard } = await engine({ '/containers/json': [200, list] });
    expect(value(await createLabelSearch(endpoint, 'role=edge')())).toEqual(['left', 'right']);
    const query = new URL(`http://x${heard.at(-1)?.request.split(' ')[1]}`).searchParams;
    expect([query.get('all'), query.get('filters')]).toEqual(['true', '{"label":["role=edge"]}']);
  });

  it.each<[string, number, unknown, string]>([
    ['garbage', 200, 'nothing', 'bad_answer'],
    ['another object', 200, { Names: [] }, 'bad_answer'],
    ['a proxy that forbids it', 403, '', 'permission_denied'],
  ])('fails of %s with its cause', async (_, status, body, cause) => {
    const { endpoint } = await engine({ '/containers/json': [status, body] });
    expect(failureOf(await createLabelSearch(endpoint, 'role=edge')())).toMatchObject({ cause });
  });
});
