/** Whatever listens where the engine should: it costs bounded memory, ends in bounded time, and is told with a cause. */

import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createContainer } from '../../../src/adapters/engine/container.ts';
import { createSwarmService } from '../../../src/adapters/engine/service.ts';
import { growthByAsking } from '../../support/engine-memory.ts';
import { MEASURED } from '../../support/measured.ts';
import type { Reply } from '../../support/scripted-engine.ts';
import { http, httpText, inspection, startScriptedEngine } from '../../support/scripted-engine.ts';

const MEBIBYTE = 2 ** 20;

/** A chunk of HTTP/1.1 for each of these texts. */
function chunked(head: string, texts: Iterable<string>): Reply {
  return (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${head}\r\n`);
    const rest = texts[Symbol.iterator]();
    pour(socket, () => {
      const next = rest.next();
      if (next.done === true) return undefined;
      return `${Buffer.byteLength(next.value).toString(16)}\r\n${next.value}\r\n`;
    });
  };
}

/** The same bytes again and again, until the caller has had enough. */
function endless(first: string, again: string): Reply {
  return (socket) => {
    socket.write(first);
    pour(socket, () => again);
  };
}

function pour(socket: Socket, next: () => string | undefined): void {
  const more = () => {
    for (let times = 0; times < 1_000 && !socket.destroyed; times++) {
      const text = next();
      if (text === undefined) return void socket.end('0\r\n\r\n');
      if (!socket.write(text)) return void socket.once('drain', more);
    }
    if (!socket.destroyed) setImmediate(more);
  };
  more();
}

const deep = (bytes: number) => '['.repeat(bytes / 2) + ']'.repeat(bytes / 2);
const wide = (bytes: number) => `[${'[],'.repeat(bytes / 3)}[]]`;
const inLabels = (text: string) =>
  JSON.stringify(inspection({ Config: { Labels: '' } })).replace('"Labels":""', `"Labels":${text}`);

/** What it answers, and what that is for whoever asked about a container. */
const ANSWERS: readonly [string, Reply, string][] = [
  ['a JSON of 3.8 MB that is nothing but depth', http(200, deep(3_800_000)), 'bad_answer'],
  ['a JSON of a megabyte that is nothing but depth', http(200, deep(MEBIBYTE - 2)), 'bad_answer'],
  ['depth where an inspection has labels', http(200, inLabels(deep(900_000))), 'bad_answer'],
  ['a list of a megabyte of empty lists', http(200, wide(MEBIBYTE - 10)), 'bad_answer'],
  ['empty lists where an inspection has labels', http(200, inLabels(wide(900_000))), 'bad_answer'],
  ['a text of 64 MB', http(200, JSON.stringify('x'.repeat(64 * MEBIBYTE))), 'bad_answer'],
  ['a body without end', endless('HTTP/1.1 200 OK\r\n\r\n', ' '.repeat(65_536)), 'bad_answer'],
  [
    'a body in crumbs without end',
    endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\n \r\n'),
    'bad_answer',
  ],
  ['half a megabyte in chunks of one byte', chunked('', 'x'.repeat(MEBIBYTE / 2)), 'bad_answer'],
  [
    'chunks with endless remarks',
    endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', `1;${'x'.repeat(9_000)}\r\n \r\n`),
    'bad_answer',
  ],
  ['one header without end', endless('HTTP/1.1 200 OK\r\nX: ', 'x'.repeat(65_536)), 'bad_answer'],
  ['headers without end', endless('HTTP/1.1 200 OK\r\n', 'X: y\r\n'.repeat(1_000)), 'bad_answer'],
  [
    'trailers without end',
    endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', 'X: y\r\n'.repeat(1_000)),
    'bad_answer',
  ],
  ['announcements without end', endless('', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000)), 'bad_answer'],
  [
    'early hints without end',
    endless('', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(1_000)),
    'bad_answer',
  ],
  ['a redirection to itself', http(302, '', { Location: '/containers/broker/json' }), 'call_refused'],
  ['an error of a megabyte', http(500, 'service '.repeat(MEBIBYTE / 8 - 1)), 'engine_error'],
];

describe('an engine that answers with', () => {
  it.each(ANSWERS)(
    '%s costs a process less than 32 MiB, and is told with its cause',
    async (_, reply, cause) => {
      const { endpoint } = await startScriptedEngine({ inspect: reply });
      const path = endpoint.kind === 'unix' ? endpoint.path : '';
      const growth = await growthByAsking('container', path);
      expect(growth.cause).toBe(cause);
      expect(growth.mebibytes).toBeLessThan(32);
    },
  );

  it.each(ANSWERS)('%s is done with in seconds', MEASURED, async (_, reply, cause) => {
    const { endpoint } = await startScriptedEngine({ inspect: reply });
    const began = performance.now();
    const answer = await createContainer(endpoint, 'broker').inspect();
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(answer).toMatchObject({ ok: false, cause });
  });

  it('an announcement or two is heard out', async () => {
    const interim = 'HTTP/1.1 102 Processing\r\n\r\n';
    const whole = httpText(200, JSON.stringify(inspection()));
    const { endpoint } = await startScriptedEngine({
      inspect: (socket) => socket.end(interim + interim + whole),
    });
    expect((await createContainer(endpoint, 'broker').inspect()).ok).toBe(true);
  });

  it('an inspection that is ten times as long as any is believed', async () => {
    const labels = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, n) => [`label-${n}`, 'x'.repeat(100)]),
    );
    const { endpoint } = await startScriptedEngine({
      inspect: http(200, JSON.stringify(inspection({ Config: { Labels: labels } }))),
    });
    expect((await createContainer(endpoint, 'broker').inspect()).ok).toBe(true);
  });
});

const SERVICE = JSON.stringify({
  ID: 'xxa1pd51woh6',
  Version: { Index: 108 },
  Spec: { Name: 'broker', TaskTemplate: { ForceUpdate: 1 }, Mode: { Replicated: { Replicas: 3 } } },
});

/** A task as a swarm lists it, of `bytes` at least. */
const task = (bytes: number) => ({
  CreatedAt: '2026-11-25T20:06:05.5Z',
  DesiredState: 'running',
  Status: { State: 'running' },
  Spec: { ForceUpdate: 1, ContainerSpec: { Env: Array.from({ length: bytes / 40 }, () => 'x'.repeat(37)) } },
});

describe('a swarm', () => {
  const answering =
    (tasks: string): Reply =>
    (socket, request = '') =>
      http(200, request.includes('/tasks') ? tasks : SERVICE)(socket);

  it.each<[string, string, string | undefined]>([
    ['500 tasks', JSON.stringify(Array.from({ length: 500 }, () => task(6_000))), undefined],
    [
      'more tasks than are read',
      JSON.stringify(Array.from({ length: 1_000 }, () => task(6_000))),
      'bad_answer',
    ],
    ['4 MB of depth', deep(4 * MEBIBYTE - 2), 'bad_answer'],
    ['4 MB of empty lists', wide(4 * MEBIBYTE - 10), 'bad_answer'],
  ])('with %s costs a process less than 64 MiB', async (_, tasks, cause) => {
    const { endpoint } = await startScriptedEngine({ inspect: answering(tasks) });
    const growth = await growthByAsking('service', endpoint.kind === 'unix' ? endpoint.path : '');
    expect(growth.cause).toBe(cause);
    expect(growth.mebibytes).toBeLessThan(64);
  });

  it('that refuses at length is understood at once', MEASURED, async () => {
    const { endpoint } = await startScriptedEngine({
      inspect: http(404, 'service '.repeat(MEBIBYTE / 8 - 1)),
    });
    const began = performance.now();
    const answer = await createSwarmService(endpoint, 'broker').inspect();
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(answer).toMatchObject({ ok: false, cause: 'call_refused' });
  });
});

describe('a timeout', () => {
  it('ends a chunk whose remarks have no end', async () => {
    const remarks = endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;', 'x'.repeat(1_000));
    const { endpoint } = await startScriptedEngine({ inspect: remarks });
    const answer = await createContainer(endpoint, 'broker').inspect({ timeoutMs: 500 });
    expect(['timeout', 'bad_answer']).toContain(answer.ok ? '' : answer.cause);
  });

  it('counts from the question, however busily the answer trickles', async () => {
    const crumbs = endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '');
    const { endpoint } = await startScriptedEngine({
      inspect: (socket) => {
        crumbs(socket);
        const timer = setInterval(() => socket.write('1\r\n \r\n'), 5);
        socket.on('close', () => clearInterval(timer));
      },
    });
    expect(await createContainer(endpoint, 'broker').inspect({ timeoutMs: 100 })).toMatchObject({
      cause: 'timeout',
    });
  });
});
