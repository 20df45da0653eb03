/** The daemon's HTTP side under abuse: its own work must not be disturbed. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { quietly, until } from '../../lab/until.ts';
import { describeMeasured, MEASURED } from '../support/measured.ts';
import { GUARDED, guarded, PASSWORD, type Served, served } from '../support/pages.ts';
import { latenessOf, makeSet, type Stage, test } from '../support/stage.ts';

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

/** Guesses from eight addresses of this machine, as fast as answers come, until the test ends. */
function guess(stage: Stage, port: number) {
  const count = { refused: 0, accepted: 0 };
  let isOver = false;
  stage.onEnd(() => {
    isOver = true;
  });
  const one = (localAddress: string) =>
    new Promise<void>((resolve) => {
      const auth = `prometheus:${Math.random()}`;
      const options = {
        host: '127.0.0.1',
        port,
        localAddress,
        auth,
        agent: false,
        rejectUnauthorized: false,
      };
      request(options, (response) => {
        if (response.statusCode === 200) count.accepted++;
        else count.refused++;
        response.resume().on('close', resolve);
      })
        .on('error', () => resolve())
        .end();
    });
  for (let host = 1; host <= 8; host++) {
    void (async () => {
      while (!isOver) await one(`127.0.1.${host}`);
    })();
  }
  return count;
}

describeMeasured(GUARDED, 'a client that guesses', () => {
  test('does not delay the watcher, whose page stays open to those who know', async ({ stage }) => {
    const pages = await guarded(stage);
    const right = () => pages.curl('/readyz', '-u', `prometheus:${PASSWORD}`);
    await until('the first login', async () => (await right()).status === '200');
    const guessing = guess(stage, pages.port);
    await until('a guess that was refused', () => guessing.refused > 0);
    const lateness = [await latenessOf(stage, pages.daemon), await latenessOf(stage, pages.daemon)];
    expect((await right()).status).toBe('200');
    expect(Math.max(...lateness)).toBeLessThan(500);
    expect(guessing.accepted).toBe(0);
  });
});
