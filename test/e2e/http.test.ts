/** The daemon's HTTP side as a process, asked well and badly: its own work must not be disturbed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { type Daemon, PROGRAM } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { quietly, until } from '../../lab/until.ts';
import { MEASURED } from '../support/measured.ts';
import { latenessOf, makeSet, SHORT, type Stage, test } from '../support/stage.ts';

interface Served {
  readonly daemon: Daemon;
  readonly port: number;
  /** settings of this daemon, for other commands */
  readonly settings: Readonly<Record<string, string>>;
  ask(path: string, init?: RequestInit): Promise<Response>;
}

/** A watcher that has nobody to restart: what it would do, and when, is in its log. */
async function serve(stage: Stage, change: Readonly<Record<string, string>> = {}): Promise<Served> {
  const port = await closedPort();
  const settings = {
    ...SHORT,
    CERT_DIR: stage.certs.path,
    DOCKER_SOCK: join(stage.directory, 'none.sock'),
    ENABLE_RESTART: 'false',
    ENABLE_METRICS: 'true',
    METRICS_HOST: '127.0.0.1',
    METRICS_PORT: String(port),
    ...change,
  };
  const daemon = stage.daemon(settings);
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  return { daemon, port, settings, ask };
}

async function served(stage: Stage, change: Readonly<Record<string, string>> = {}): Promise<Served> {
  const one = await serve(stage, change);
  await one.daemon.says('server_started');
  await until('the first cycle', async () => (await one.ask('/readyz')).ok);
  return one;
}

/**
 * A connection that is closed when the test ends, whatever became of it. It comes from another address than those who
 * mean well, as it would in a network.
 */
async function connection(stage: Stage, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.66' });
  stage.onEnd(() => socket.destroy());
  // what the server does to a client that misbehaves is not the point
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Not once(): a reset is an end like any other here. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on('close', () => resolve());
  });
}

function residentMb({ pid }: Daemon): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024;
}

const ROUTES = [
  ['/', /^text\/html/],
  ['/status.json', /^application\/json/],
  ['/metrics', /^text\/plain; version=0\.0\.4/],
  ['/healthz', /^text\/plain/],
  ['/readyz', /^text\/plain/],
  ['/-/healthy', /^text\/plain/],
  ['/-/ready', /^text\/plain/],
] as const;

describe.concurrent('every route', () => {
  test('answers GET, and HEAD without a body, in its own type', async ({ stage }) => {
    const { ask } = await served(stage);
    for (const [path, type] of ROUTES) {
      const [get, head] = [await ask(path), await ask(path, { method: 'HEAD' })];
      expect([path, get.status, head.status]).toEqual([path, 200, 200]);
      expect(get.headers.get('content-type')).toMatch(type);
      expect(Number(head.headers.get('content-length'))).toBeGreaterThan(0);
      expect([(await get.text()).length > 0, await head.text()]).toEqual([true, '']);
    }
  });

  test('refuses every other method, and says which there are', async ({ stage }) => {
    const { ask } = await served(stage);
    for (const [path] of ROUTES) {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        const answer = await ask(path, { method });
        expect([path, method, answer.status, answer.headers.get('allow')]).toEqual([
          path,
          method,
          405,
          'GET, HEAD',
        ]);
        expect(await answer.text()).toMatch(/only GET and HEAD/);
      }
    }
  });

  test('lets nobody guess types, frame the page or cache what is old', async ({ stage }) => {
    const { ask } = await served(stage);
    for (const [path] of ROUTES) {
      const { headers } = await ask(`${path}?with=a&query`);
      expect([path, headers.get('x-content-type-options'), headers.get('cache-control')]).toEqual([
        path,
        'nosniff',
        'no-cache',
      ]);
    }
    const policy = (await ask('/')).headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none'; .*frame-ancestors 'none'$/);
  });

  test('that does not exist is 404, and says what does', async ({ stage }) => {
    const { ask } = await served(stage);
    for (const path of ['/nothing', '/metrics/', '//', '/../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd']) {
      const answer = await ask(path);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(await answer.text()).toMatch(/there is \/, \/metrics, /);
    }
  });
});

describe.concurrent('health', () => {
  test('is green while neither certificates nor engine nor upstream are', async ({ stage }) => {
    const upstream = { ENABLE_TLS_PROBE: 'true', UPSTREAM_ADDR: `127.0.0.1:${await closedPort()}` };
    const { daemon, ask } = await served(stage, { ...upstream, ENABLE_RESTART: 'true' });
    await stage.certs.install(await makeSet());
    await daemon.says('restart_failed');
    await daemon.says('tls_probe_failure');
    expect([(await ask('/healthz')).status, (await ask('/readyz')).status]).toEqual([200, 200]);
  });

  test('is what the command healthcheck asks for', async ({ stage }) => {
    const { daemon, settings } = await served(stage);
    expect((await healthcheck(settings)).code).toBe(0);
    daemon.signal('SIGTERM');
    await daemon.ended;
    const { code, stderr } = await healthcheck(settings);
    expect(code).toBe(1);
    expect(stderr).toMatch(/the watcher does not answer at 127\.0\.0\.1 port \d+/);
  });

  test('is red for a watcher whose loop stands still', async ({ stage }) => {
    const { daemon, settings } = await served(stage);
    daemon.signal('SIGSTOP');
    stage.onEnd(() => daemon.signal('SIGCONT'));
    const { code, stderr } = await healthcheck(settings);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no answer within 3 s/);
  });
});

async function healthcheck(settings: Readonly<Record<string, string>>) {
  const child = spawn(PROGRAM.node, [PROGRAM.main, 'healthcheck'], { env: { ...settings }, stdio: 'pipe' });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code]: unknown[] = await once(child, 'close');
  return { code, stderr };
}

describe.concurrent('the port', () => {
  test('that is taken is said, the watcher goes on, and serves as soon as it is free', async ({ stage }) => {
    const squatter = createServer();
    squatter.listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    stage.onEnd(() => squatter.close());
    const address = squatter.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { daemon } = await serve(stage, { METRICS_PORT: String(port) });
    const failed = await daemon.says('server_failed');
    expect(failed).toMatchObject({ level: 'error', component: 'metrics' });
    expect(failed.details['hint']).toMatch(/another program has this port/);
    await stage.certs.install(await makeSet());
    await daemon.says('restart_disabled');
    squatter.close();
    await daemon.says('server_started');
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  });

  test('is that of METRICS_HOST alone', async ({ stage }) => {
    const { daemon, port } = await serve(stage, { METRICS_HOST: '::1' });
    await daemon.says('server_started');
    expect((await fetch(`http://[::1]:${port}/healthz`)).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
  });

  test('is that of every address unless told', async ({ stage }) => {
    const { daemon, port } = await serve(stage, { METRICS_HOST: '' });
    await daemon.says('server_started');
    for (const host of ['127.0.0.1', '[::1]'])
      expect([host, (await fetch(`http://${host}:${port}/healthz`)).status]).toEqual([host, 200]);
  });
});

describe('a server that stands still', () => {
  test('lets hardly more connections wait than it serves, and then serves those that come', async ({
    stage,
  }) => {
    const { daemon, port, ask } = await served(stage);
    daemon.signal('SIGSTOP');
    let connected = 0;
    for (let client = 0; client < 300; client++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.66' });
      socket.on('connect', () => {
        connected += 1;
      });
      socket.on('error', () => undefined);
      stage.onEnd(() => socket.destroy());
    }
    await until('a hundred connections', async () => connected > 100);
    // a SYN that finds no room is sent again after a second
    await quietly(500, 'whoever has not got through by now, waits outside');
    expect(connected).toBeLessThan(150);
    daemon.signal('SIGCONT');
    expect((await ask('/healthz')).status).toBe(200);
  });
});

/** What clients do to a server, each for as long as the test lasts. */
const ABUSE: Readonly<Record<string, (stage: Stage, served: Served) => Promise<unknown>>> = {
  'a thousand scrapes in a row': async (_stage, { ask }) => {
    for (let scrape = 0; scrape < 1_000; scrape++) {
      const answer = await ask('/metrics');
      if (!answer.ok) throw new Error(`scrape ${scrape}: ${answer.status}`);
      await answer.text();
    }
  },
  'clients that never read their answers': async (stage, { port }) => {
    for (let client = 0; client < 20; client++) {
      const socket = await connection(stage, port);
      socket.pause();
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
    }
  },
  'ten clients that each ask two thousand times in advance and never read': async (stage, { port }) => {
    for (let client = 0; client < 10; client++) {
      const socket = await connection(stage, port);
      socket.pause();
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000));
    }
  },
  'ten clients that ask for the page as fast as they can': async (stage, { port }) => {
    manyTimes(stage, 10, async () => {
      const socket = await connection(stage, port);
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await closed(socket.resume());
    });
  },
  'ten clients that open connections as fast as they can, and leave them open': async (stage, { port }) => {
    manyTimes(stage, 10, () => connection(stage, port));
  },
  'request bodies without end': async (stage, { port }) => {
    manyTimes(stage, 4, async () => {
      const socket = await connection(stage, port);
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`;
      socket.on('drain', () => socket.write(chunk));
      socket.write(chunk);
      await closed(socket.resume());
    });
  },
  'a request line of a megabyte': async (stage, { port }) => {
    const socket = await connection(stage, port);
    socket.write(`GET /${'a'.repeat(2 ** 20)} HTTP/1.1\r\n\r\n`);
    await closed(socket.resume());
  },
  'fifty connections left open': async (stage, { port }) => {
    for (let client = 0; client < 50; client++) await connection(stage, port);
  },
  'headers that come a byte at a time': async (stage, { port }) => {
    for (let client = 0; client < 20; client++) {
      const socket = await connection(stage, port);
      socket.write('GET / HTTP/1.1\r\nX-Slow: ');
      const drip = setInterval(() => socket.write('a'), 50);
      stage.onEnd(() => clearInterval(drip));
    }
  },
  'bytes that are no HTTP': async (stage, { port }) => {
    for (const bytes of ['\x16\x03\x01\x02\x00\x01', 'SSH-2.0-x\r\n', '\0'.repeat(100_000)]) {
      const socket = await connection(stage, port);
      socket.write(bytes);
      await closed(socket.resume());
    }
  },
};

/** Does it again and again, so many at a time, until the test ends. */
function manyTimes(stage: Stage, clients: number, again: () => Promise<unknown>): void {
  let isOver = false;
  stage.onEnd(() => {
    isOver = true;
  });
  const client = async () => {
    while (!isOver) await again().catch(() => undefined);
  };
  for (let count = 0; count < clients; count++) void client();
}

/** Scrapes every 100 ms until it is told to stop, and then says how long the slowest took. */
function scrape({ ask }: Served) {
  let isOver = false;
  const slowest = (async () => {
    let slowestMs = 0;
    while (!isOver) {
      const sinceMs = performance.now();
      const answer = await ask('/metrics');
      if (!answer.ok || !/^tls_probe_success_total /m.test(await answer.text()))
        throw new Error('no metrics');
      slowestMs = Math.max(slowestMs, performance.now() - sinceMs);
      await sleep(100);
    }
    return slowestMs;
  })();
  // a test that fails earlier has enough to tell
  slowest.catch(() => undefined);
  return {
    stop: () => {
      isOver = true;
      return slowest;
    },
  };
}

/** What the collector leaves lying for a while. */
const MOST_GROWTH_MB = 24;

/** The one of the executable's flags that this depends on: how much garbage may lie there. */
const AS_SHIPPED = { NODE_OPTIONS: '--max-semi-space-size=1' };

describe('a watcher that has to bear', MEASURED, () => {
  test('what nobody reads holds no more than it did before, and goes on as if nothing had been', async ({
    stage,
  }) => {
    const one = await served(stage, AS_SHIPPED);
    const asked = async () => {
      const socket = await connection(stage, one.port);
      socket.pause();
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000));
      return socket;
    };
    // not the first time: what a program needs to do something at all is no growth
    await asked();
    await latenessOf(stage, one.daemon);
    const beforeMb = residentMb(one.daemon);
    const sockets = await Promise.all(Array.from({ length: 8 }, asked));
    const scraper = scrape(one);
    expect(await latenessOf(stage, one.daemon)).toBeLessThan(500);
    expect(await scraper.stop()).toBeLessThan(1_000);
    expect(residentMb(one.daemon) - beforeMb).toBeLessThan(8);
    for (const socket of sockets) socket.destroy();
    expect(await latenessOf(stage, one.daemon)).toBeLessThan(500);
    expect((await one.ask('/')).status).toBe(200);
  });

  test.for(Object.entries(ABUSE))(
    '%s does its own work on time, and answers others',
    async ([, abuse], { stage }) => {
      const one = await served(stage, AS_SHIPPED);
      await stage.certs.install(await makeSet());
      await one.daemon.says('restart_disabled');
      // what is loaded with the first page is no growth
      expect((await one.ask('/')).status).toBe(200);
      const beforeMb = residentMb(one.daemon);
      const scraper = scrape(one);
      const abused = abuse(stage, one);
      const lateness = [await latenessOf(stage, one.daemon), await latenessOf(stage, one.daemon)];
      await abused;
      expect(await scraper.stop()).toBeLessThan(1_000);
      expect((await one.ask('/healthz')).status).toBe(200);
      expect(Math.max(...lateness)).toBeLessThan(500);
      expect(residentMb(one.daemon) - beforeMb).toBeLessThan(MOST_GROWTH_MB);
    },
  );
});
