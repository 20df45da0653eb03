import { once } from 'node:events';
import { get } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Announcement } from '../../src/core/events.ts';
import { type Route, startHttpServer, text } from '../../src/surfaces/http.ts';
import { closedPort } from '../support/tls-servers.ts';
import { until } from '../support/until.ts';

const ROUTES = new Map<string, Route>([
  ['/', { etag: () => '"1"', answer: () => text(200, 'page') }],
  ['/plain', { answer: () => text(200, 'plain ä') }],
  ['/broken', { answer: () => Promise.reject(new Error('out of order')) }],
]);

/** A server on a port of its own, with what it says. */
async function serve() {
  const port = await closedPort();
  const said: Announcement[] = [];
  const server = startHttpServer({
    host: '127.0.0.1',
    port,
    routes: ROUTES,
    say: (it) => said.push(it),
    retryMs: 50,
  });
  onTestFinished(() => server.close());
  const says = (event: string) => until(event, () => said.find((it) => it.event === event));
  return { port, said, server, says };
}

async function listening() {
  const served = await serve();
  await served.says('server_started');
  return {
    ...served,
    ask: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${served.port}${path}`, init),
  };
}

/** What comes back for raw bytes, until the server hangs up. */
async function raw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => undefined);
  socket.write(bytes);
  // not once(): a reset is an end like any other here
  await new Promise((resolve) => socket.on('close', resolve));
  return answer;
}

describe('the server', () => {
  it('answers GET', async () => {
    const { ask } = await listening();
    const answer = await ask('/plain?with=query');
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('plain ä\n');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    const { ask } = await listening();
    const answer = await ask('/plain', { method: 'HEAD' });
    expect(answer.headers.get('content-length')).toBe('9');
    expect(await answer.text()).toBe('');
  });

  it('says in words what is there where nothing is', async () => {
    const { ask } = await listening();
    const answer = await ask('/nothing');
    expect(answer.status).toBe(404);
    expect(await answer.text()).toBe('nothing is here; there is /, /plain, /broken\n');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('refuses %s in words', async (method) => {
    const { ask } = await listening();
    const answer = await ask('/plain', { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, HEAD');
    expect(await answer.text()).toContain(`${method} is not possible here`);
  });

  it('does not send again what the client has', async () => {
    const { ask } = await listening();
    const etag = (await ask('/')).headers.get('etag') ?? '';
    const answer = await ask('/', { headers: { 'If-None-Match': etag } });
    expect(answer.status).toBe(304);
    expect(await answer.text()).toBe('');
    expect((await ask('/', { headers: { 'If-None-Match': '"0"' } })).status).toBe(200);
  });

  it('survives a page that cannot be made', async () => {
    const { ask } = await listening();
    const answer = await ask('/broken');
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe('this page cannot be made: out of order\n');
    expect((await ask('/plain')).status).toBe(200);
  });

  it('refuses a request line of a megabyte', async () => {
    const { port, ask } = await listening();
    expect(await raw(port, `GET /${'x'.repeat(1_000_000)} HTTP/1.1\r\n\r\n`)).toMatch(/^(HTTP\/1.1 431 |$)/);
    expect((await ask('/plain')).status).toBe(200);
  });

  it('hangs up on what is no HTTP', async () => {
    const { port } = await listening();
    expect(await raw(port, Buffer.from([0x16, 3, 1, 2, 0, 1, 0]))).toMatch(/^HTTP\/1.1 400 /);
  });

  it('drops the oldest of too many connections, so that who comes last always gets in', async () => {
    const { port, ask } = await listening();
    const idle: Socket[] = [];
    onTestFinished(() => {
      for (const socket of idle) socket.destroy();
    });
    for (let count = 0; count < 150; count++) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      idle.push(socket);
    }
    expect((await ask('/plain')).status).toBe(200);
    await until('the oldest to be dropped', () => idle[0]?.closed);
    expect(idle.at(-1)?.closed).toBe(false);
  });

  it('does not keep a connection whose request has a body that nobody reads', async () => {
    const { port } = await listening();
    const answer = await raw(port, `POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\nabc`);
    expect(answer).toMatch(/^HTTP\/1.1 405 .*Connection: close/s);
  });
});

describe('a port that is taken', () => {
  it('is said once, and tried until it is free', async () => {
    const port = await closedPort();
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const said: Announcement[] = [];
    const server = startHttpServer({
      host: '127.0.0.1',
      port,
      routes: ROUTES,
      say: (it) => said.push(it),
      retryMs: 20,
    });
    onTestFinished(() => server.close());
    await until('the failure', () => said.length > 0);
    expect(said[0]).toMatchObject({
      event: 'server_failed',
      details: { address: `127.0.0.1:${port}`, error: expect.stringContaining('EADDRINUSE') },
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(said).toHaveLength(1);
    squatter.close();
    await until('the server', () => said.find(({ event }) => event === 'server_started'));
    expect((await fetch(`http://127.0.0.1:${port}/plain`)).status).toBe(200);
  });

  it('is no longer tried after close', async () => {
    const port = await closedPort();
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const said: Announcement[] = [];
    const server = startHttpServer({
      host: '127.0.0.1',
      port,
      routes: ROUTES,
      say: (it) => said.push(it),
      retryMs: 20,
    });
    await until('the failure', () => said.length > 0);
    server.close();
    await new Promise((resolve) => squatter.close(resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(said.map(({ event }) => event)).toEqual(['server_failed']);
  });

  it('is explained, as is an address of somebody else', async () => {
    const said: Announcement[] = [];
    const server = startHttpServer({
      host: '192.0.2.1',
      port: 9_090,
      routes: ROUTES,
      say: (it) => said.push(it),
    });
    onTestFinished(() => server.close());
    await until('the failure', () => said.length > 0);
    expect(said[0]?.details).toMatchObject({
      hint: 'METRICS_HOST is not an address of this machine: leave it unset for all addresses',
    });
  });
});

describe('close', () => {
  it('ends connections that are in use at once', async () => {
    const { port, server } = await listening();
    const asked = get({ port, host: '127.0.0.1', path: '/plain', headers: { Connection: 'keep-alive' } });
    const [answer] = await once(asked, 'response');
    answer.resume();
    const gone = once(answer.socket, 'close');
    server.close();
    await gone;
  });
});
