import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { get as ask } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { closedPort } from '../../../lab/tls-servers.ts';
import { until } from '../../../lab/until.ts';
import type { Announcement } from '../../../src/core/news/events.ts';
import { text } from '../../../src/surfaces/web/answer.ts';
import { type Route, startHttpServer } from '../../../src/surfaces/web/server.ts';
import { MEASURED } from '../../support/measured.ts';

const MEGABYTE = 2 ** 20;

/** Several of them are more than may be under way. */
const LARGE = Buffer.alloc(MEGABYTE / 4, 'x');
/** More than the buffers of two sockets hold. */
const HUGE = Buffer.alloc(16 * MEGABYTE, 'x');

const ROUTES = new Map<string, Route>([
  ['/', { etag: () => '"1"', answer: () => text(200, 'page') }],
  ['/plain', { answer: () => text(200, 'plain ä') }],
  ['/broken', { answer: () => Promise.reject(new Error('out of order')) }],
]);

const LONG_ROUTES = new Map<string, Route>([
  ['/large', { answer: () => ({ contentType: 'text/plain', body: LARGE }) }],
  ['/huge', { answer: () => ({ contentType: 'text/plain', body: HUGE }) }],
]);

/** A server on a port of its own, with what it says. */
async function serve(routes = ROUTES) {
  const port = await closedPort();
  const said: Announcement[] = [];
  const server = startHttpServer({
    host: '127.0.0.1',
    port,
    routes,
    say: (it) => said.push(it),
    retryMs: 50,
  });
  onTestFinished(() => server.close());
  const says = (event: string) => until(event, () => said.find((it) => it.event === event));
  return { port, said, server, says };
}

async function listening(routes = ROUTES) {
  const served = await serve(routes);
  await served.says('server_started');
  return {
    ...served,
    ask: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${served.port}${path}`, init),
  };
}

/** A connection that is closed when the test ends, whatever became of it. */
async function open(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  onTestFinished(() => void socket.destroy());
  // what the server does to a client that misbehaves shows in its end
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes, until the server hangs up. */
async function all(socket: Socket): Promise<string> {
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  // not once(): a reset is an end like any other here
  await new Promise((resolve) => socket.on('close', resolve));
  return answer;
}

/** What comes back for raw bytes, until the server hangs up. */
async function raw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = await open(port);
  socket.write(bytes);
  return all(socket);
}

/** A clock of the server's deadlines that the test can move on. */
function deadlines() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
  onTestFinished(() => void vi.useRealTimers());
  return { pass: (ms: number) => void vi.advanceTimersByTime(ms) };
}

/** Waits until the server has read whatever was sent to it before: it answers in order. */
async function heard(port: number): Promise<void> {
  await raw(port, get('/nothing'));
}

/** Whether the server still holds its end of a connection that is not read from: only its own system can tell. */
async function sends(socket: Socket): Promise<boolean> {
  const end = `${inKernel(socket.remotePort)} ${inKernel(socket.localPort)}`;
  return (await readFile('/proc/net/tcp', 'utf8')).includes(end);
}

/** 127.0.0.1 as the kernel writes it. */
function inKernel(port = 0): string {
  return `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

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
    expect(await answer.text()).toBe('no such page; there is /, /plain, /broken\n');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('refuses %s in words', async (method) => {
    const { ask } = await listening();
    const answer = await ask('/plain', { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, HEAD');
    expect(await answer.text()).toContain(`${method} is not supported here`);
  });

  it('does not send again what the client has', async () => {
    const { ask } = await listening();
    const etag = (await ask('/')).headers.get('etag') ?? '';
    const answer = await ask('/', { headers: { 'If-None-Match': etag } });
    expect(answer.status).toBe(304);
    expect(await answer.text()).toBe('');
    expect((await ask('/', { headers: { 'If-None-Match': '"0"' } })).status).toBe(200);
  });

  it.each(['*', 'W/"1"', '"0", "1"', '"0",W/"1" ,"2"', ' "1" '])(
    'understands a client that says what it has as %s',
    async (tags) => {
      const { port } = await listening();
      const answer = await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${tags}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 304 Not Modified\r\n.*ETag: "1"\r\n.*\r\n\r\n$/s);
    },
  );

  it.each(['', '1', '"1', '"11"', 'w/"1"', ',,,', '"'.repeat(7_000), ','.repeat(7_000)])(
    'sends the page where what the client has is something else: %.20s',
    async (tags) => {
      const { port } = await listening();
      const answer = await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${tags}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    },
  );

  it('is reached by its whole address too, as proxies send it', async () => {
    const { port } = await listening();
    expect(await raw(port, get(`http://127.0.0.1:${port}/plain?a`))).toMatch(/^HTTP\/1.1 200 .*plain ä\n$/s);
  });

  it.each([
    ['TRACE', 'TRACE /plain HTTP/1.1\r\nHost: x\r\n\r\n', 405],
    ['a method that does not exist', 'BREW /plain HTTP/1.1\r\nHost: x\r\n\r\n', 405],
    ['OPTIONS of all of it', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    [
      'an upgrade, which it need not follow',
      'GET /plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n',
      200,
    ],
    [
      'somebody who waits for leave to send a body',
      'GET /plain HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n',
      200,
    ],
    [
      'a body in chunks with trailers',
      'POST /plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\n\r\n',
      405,
    ],
    [
      'a length of a body that makes no sense',
      'GET /plain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      200,
    ],
  ])('answers %s, and hangs up', async (_what, bytes, status) => {
    const { port } = await listening();
    const answer = await raw(port, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*Connection: close\r\n`, 's'));
  });

  it('answers a client that has ended its side of the connection', async () => {
    const { port } = await listening();
    const socket = await open(port);
    socket.end(get('/plain'));
    expect(await all(socket)).toMatch(/plain ä\n$/);
  });

  it('survives a page that cannot be made', async () => {
    const { ask } = await listening();
    const answer = await ask('/broken');
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe('this page could not be rendered: out of order\n');
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

  it('does not keep a connection whose request has a body that nobody reads', async () => {
    const { port } = await listening();
    const answer = await raw(port, `POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\nabc`);
    expect(answer).toMatch(/^HTTP\/1.1 405 .*Connection: close/s);
  });
});

describe('a client', () => {
  it('gets one answer on a connection, however many requests it sends in advance', async () => {
    let made = 0;
    const count: Route = { answer: () => text(200, `answer ${++made}`) };
    const { port } = await listening(new Map([['/', count]]));
    const answer = await raw(port, get('/').repeat(2_000));
    expect(answer.match(/answer \d/g)).toEqual(['answer 1']);
    expect(made).toBe(1);
  });

  it('gets its answer whole, also if a body follows its request that nobody reads', async () => {
    const { port } = await listening();
    const answer = await raw(port, `POST /plain HTTP/1.1\r\nHost: x\r\n\r\n${'a'.repeat(12_000)}`);
    expect(answer).toMatch(/^HTTP\/1.1 405 .*only GET and HEAD\n$/s);
  });

  it('that sends without end is hung up on', async () => {
    const { port, ask } = await listening();
    const socket = await open(port);
    const block = Buffer.alloc(MEGABYTE, 'a');
    socket.write(`POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n`);
    socket.on('drain', () => socket.write(block));
    socket.write(block);
    await all(socket);
    expect(socket.bytesWritten).toBeLessThan(32 * MEGABYTE);
    expect((await ask('/plain')).status).toBe(200);
  });

  it('has five seconds for its request, a byte at a time or not', async () => {
    const { port } = await listening();
    const { pass } = deadlines();
    const socket = await open(port);
    const answer = all(socket);
    socket.write('GET / HTTP/1.1\r\nX-Slow: ');
    await heard(port);
    pass(3_000);
    socket.write('a');
    await heard(port);
    expect(socket.closed).toBe(false);
    pass(2_000);
    expect(await answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it('that never sent anything is told nothing', async () => {
    const { port } = await listening();
    const { pass } = deadlines();
    const socket = await open(port);
    const answer = all(socket);
    await heard(port);
    pass(5_000);
    expect(await answer).toBe('');
  });

  it('that hangs up in the middle of its request is forgotten', async () => {
    const { port } = await listening();
    const socket = await open(port);
    socket.end('GET / HT');
    expect(await all(socket)).toBe('');
  });

  it('has half a minute to take its answer', async () => {
    const { port } = await listening(LONG_ROUTES);
    const { pass } = deadlines();
    const socket = (await open(port)).pause();
    socket.write(get('/large'));
    await heard(port);
    pass(25_000);
    await heard(port);
    expect(await sends(socket)).toBe(true);
    pass(5_000);
    await until('the end', async () => !(await sends(socket)));
  });

  it('that has its answer and does not hang up is hung up on after the same time', async () => {
    const { port } = await listening();
    const { pass } = deadlines();
    const socket = (await open(port)).pause();
    socket.write(get('/plain'));
    await heard(port);
    pass(30_000);
    await until('the end', async () => !(await sends(socket)));
  });
});

describe('many clients', () => {
  it('that do not read hold two megabytes of answers, the latest of them', async () => {
    const { port, ask } = await listening(LONG_ROUTES);
    const sockets: Socket[] = [];
    for (let count = 0; count < 12; count++) {
      const socket = (await open(port)).pause();
      socket.write(get('/large'));
      await heard(port);
      sockets.push(socket);
    }
    const kept = await Promise.all(sockets.map(sends));
    expect(kept).toEqual(sockets.map((_socket, index) => index >= 12 - 7));
    expect((await (await ask('/large')).text()).length).toBe(LARGE.length);
  });

  it('may each be sent an answer that is longer than that, one at a time', async () => {
    const { port, ask } = await listening(LONG_ROUTES);
    const first = (await open(port)).pause();
    first.write(get('/huge'));
    await heard(port);
    expect((await (await ask('/huge')).text()).length).toBe(HUGE.length);
    expect(await sends(first)).toBe(false);
  });

  it('are a hundred at most: the oldest goes, so that who comes last always gets in', async () => {
    const { port, ask } = await listening();
    const idle: Socket[] = [];
    for (let count = 0; count < 150; count++) idle.push(await open(port));
    expect((await ask('/plain')).status).toBe(200);
    await until('the oldest to be dropped', () => idle[0]?.closed);
    expect(idle.at(-1)?.closed).toBe(false);
  });

  it('of one address pay for their number themselves', async () => {
    const { port } = await listening();
    const scraper = await open(port, '127.0.0.2');
    for (let count = 0; count < 150; count++) await open(port);
    scraper.write(get('/plain'));
    expect(await all(scraper)).toMatch(/^HTTP\/1.1 200 /);
  });

  it('that have not asked go before one that waits for its answer', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow: Route = { answer: () => promise.then(() => text(200, 'at last')) };
    const { port } = await listening(new Map([['/', slow]]));
    const patient = await open(port);
    const answer = all(patient);
    patient.write(get('/'));
    const idle: Socket[] = [];
    for (let count = 0; count < 150; count++) idle.push(await open(port));
    await until('the oldest to be dropped', () => idle[0]?.closed);
    resolve();
    expect(await answer).toMatch(/at last\n$/);
  });

  it('that ask as fast as they can leave most of the time to others', MEASURED, async () => {
    const { port } = await listening();
    let isOver = false;
    const hammer = async () => {
      while (!isOver) await raw(port, get('/plain'));
    };
    const hammers = Array.from({ length: 20 }, hammer);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    for (let count = 0; count < 20; count++) {
      const sinceMs = performance.now();
      await raw(port, get('/plain'));
      expect(performance.now() - sinceMs).toBeLessThan(1_000);
    }
    isOver = true;
    await Promise.all(hammers);
    delay.disable();
    // a machine that is busy with something else makes a turn late now and then, but not one in twenty
    expect(delay.percentile(95) / 1e6).toBeLessThan(200);
  });
});

describe('a port that is taken', () => {
  /** A server whose port somebody else has. */
  async function squatted() {
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
    return { port, squatter, said, server };
  }

  it('is said once, and tried until it is free', async () => {
    const { port, squatter, said, server } = await squatted();
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
    const { squatter, said, server } = await squatted();
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
    const asked = ask({ port, host: '127.0.0.1', path: '/plain', headers: { Connection: 'keep-alive' } });
    const [answer] = await once(asked, 'response');
    answer.resume();
    const gone = once(answer.socket, 'close');
    server.close();
    await gone;
  });
});
