/** The daemon's HTTP side as a process, asked well and badly. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect } from 'vitest';
import { PROGRAM } from '../../lab/daemon.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { serve, served } from '../support/pages.ts';
import { makeSet, test } from '../support/stage.ts';

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
