import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { healthcheck } from '../../src/cli/healthcheck.ts';
import type { Settings } from '../../src/core/settings.ts';
import * as fix from '../support/core-fixtures.ts';
import { closedPort } from '../support/tls-servers.ts';

/** A daemon that answers so. */
async function daemon(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

async function look(change: Partial<Settings>) {
  const problems: string[] = [];
  const settings = fix.settings({ metricsEnabled: true, ...change });
  return { code: await healthcheck(settings, (problem) => problems.push(problem)), problems };
}

describe('healthcheck', () => {
  it.each([[undefined], ['0.0.0.0'], ['127.0.0.1'], ['localhost']])(
    'is content with a daemon that is alive, at METRICS_HOST %s',
    async (metricsHost) => {
      const metricsPort = await daemon((request, response) => {
        response.statusCode = request.url === '/healthz' ? 200 : 404;
        response.end('ok\n');
      });
      expect(await look({ metricsPort, metricsHost })).toEqual({ code: 0, problems: [] });
    },
  );

  it('passes on why a daemon is not alive', async () => {
    const metricsPort = await daemon((_request, response) => {
      response.statusCode = 503;
      response.end('the watcher is stuck\n');
    });
    expect(await look({ metricsPort })).toEqual({
      code: 1,
      problems: ['the watcher is not well: the watcher is stuck'],
    });
  });

  it('says where nobody answers', async () => {
    const metricsPort = await closedPort();
    const { code, problems } = await look({ metricsPort });
    expect(code).toBe(1);
    expect(problems[0]).toContain(`does not answer at 127.0.0.1 port ${metricsPort}: connect ECONNREFUSED`);
  });

  it('does not wait for ever', async () => {
    const metricsPort = await daemon(() => undefined);
    const { code, problems } = await look({ metricsPort });
    expect(code).toBe(1);
    expect(problems[0]).toMatch(/no answer within 3 s$/);
  });

  it('calls nobody ill who cannot be asked, and says so', async () => {
    const { code, problems } = await look({ metricsEnabled: false });
    expect(code).toBe(0);
    expect(problems[0]).toMatch(/ENABLE_METRICS is false/);
  });
});
