import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSelfSigned, daysFromNow } from '../../lab/certificates.ts';
import * as fix from '../../lab/core-fixtures.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { healthcheck } from '../../src/cli/healthcheck.ts';
import type { Settings } from '../../src/core/model/settings.ts';

/** A daemon that answers so. */
function daemon(answer: RequestListener): Promise<number> {
  return listening(createServer(answer));
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
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

  it.each([
    ['valid', undefined],
    ['expired', daysFromNow(-1)],
  ])('asks a daemon that speaks TLS, also where its certificate is %s', async (_what, notAfter) => {
    const identity = await createSelfSigned({
      cn: 'gateway',
      ...(notAfter && { notBefore: daysFromNow(-9), notAfter }),
    });
    const server = createTlsServer({ cert: identity.certPem, key: identity.keyPem }, (request, response) => {
      response.statusCode =
        request.url === '/healthz' && request.headers.authorization === undefined ? 200 : 404;
      response.end('ok\n');
    });
    const metricsPort = await listening(server);
    const metricsTls = { certFile: 'server.crt', keyFile: 'server.key', clientCaFile: undefined };
    expect(await look({ metricsPort, metricsTls })).toEqual({ code: 0, problems: [] });
  });

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

  it('passes on no control characters of what answers', async () => {
    const metricsPort = await daemon((_request, response) => {
      response.statusCode = 500;
      response.end('\u001b]0;owned\u0007not\r\nwell\u202e');
    });
    const { problems } = await look({ metricsPort });
    expect(problems[0]).toBe('the watcher is not well: \uFFFD]0;owned\uFFFDnot well\uFFFD');
  });

  it.each([
    [200, 0],
    [503, 1],
  ])('does not read an answer that has no end (status %i)', async (status, exitCode) => {
    const closed = Promise.withResolvers<void>();
    const metricsPort = await daemon((_request, response) => {
      const talk = () => {
        while (response.write(Buffer.alloc(65_536, 'x')));
      };
      response.writeHead(status).on('drain', talk).on('close', closed.resolve);
      talk();
    });
    const { code, problems } = await look({ metricsPort });
    expect(code).toBe(exitCode);
    expect(problems.join().length).toBeLessThan(400);
    await closed.promise;
  });

  it('says where nobody answers', async () => {
    const metricsPort = await closedPort();
    const { code, problems } = await look({ metricsPort });
    expect(code).toBe(1);
    expect(problems[0]).toContain(`does not answer at 127.0.0.1 port ${metricsPort}: connect ECONNREFUSED`);
  });

  it('does not wait without end', async () => {
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
