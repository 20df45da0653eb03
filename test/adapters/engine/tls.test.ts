import { getEventListeners } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import type { createServer as createTlsServer, TlsOptions } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type Authority,
  type CertificateOptions,
  createAuthority,
  createSelfSigned,
  daysFromNow,
  type Issued,
} from '../../../lab/certificates.ts';
import {
  closedPort,
  plainAlert,
  startBlackHole,
  startSecondFlightRelay,
  startTcpServer,
} from '../../../lab/tls-servers.ts';
import { type Container, createContainer } from '../../../src/adapters/engine/container.ts';
import { handshakeFailure } from '../../../src/adapters/engine/tls-failure.ts';
import { createTlsFiles } from '../../../src/adapters/engine/tls-files.ts';
import type { EngineFailure } from '../../../src/core/model/broker.ts';
import type { TlsEndpoint } from '../../../src/core/model/settings.ts';
import { makeFifo, temporaryDirectory } from '../../support/directory.ts';
import { leftOver } from '../../support/left-over.ts';
import { inspection } from '../../support/scripted-engine.ts';

const ID = 'b'.repeat(64);

interface Site {
  readonly authority: Authority;
  /** of `DOCKER_CERT_PATH` */
  readonly directory: string;
  /** Puts these files there as somebody does who renews them. */
  put(files: Readonly<Record<string, string>>): Promise<void>;
}

/** A directory as the docker CLI wants it, with a certificate that the engine takes. */
async function site(client: CertificateOptions = {}): Promise<Site> {
  const authority = await createAuthority({ cn: 'Engine CA' });
  const directory = await temporaryDirectory();
  const put = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(directory, `.${name}`), text);
      await rename(join(directory, `.${name}`), join(directory, name));
    }
  };
  const { certPem, keyPem } = await authority.issue({ cn: 'watcher', ...client });
  await put({ 'ca.pem': authority.certPem, 'cert.pem': certPem, 'key.pem': keyPem });
  return { authority, directory, put };
}

interface Engine {
  readonly container: Container;
  readonly endpoint: TlsEndpoint;
  /** `GET /_ping` and so on, in the order in which they came */
  readonly requests: readonly string[];
  /** the common names of those who asked */
  readonly clients: Set<unknown>;
}

interface EngineOptions extends TlsOptions {
  readonly identity?: Issued;
  readonly host?: string;
}

/** An engine behind TLS that verifies its clients, as with `--tlsverify`. */
async function engineOf({ authority, directory }: Site, options: EngineOptions = {}): Promise<Engine> {
  const { identity, host = '127.0.0.1', ...more } = options;
  const { certPem, keyPem } =
    identity ?? (await authority.issue({ cn: 'engine', sans: ['127.0.0.1', '::1'] }));
  const requests: string[] = [];
  const clients = new Set<unknown>();
  const own = { cert: certPem, key: keyPem, ca: authority.certPem, requestCert: true };
  const server = createServer({ ...own, rejectUnauthorized: true, ...more }, (incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    const { socket } = incoming;
    if ('getPeerCertificate' in socket && typeof socket.getPeerCertificate === 'function')
      clients.add(socket.getPeerCertificate().subject?.CN);
    outgoing.setHeader('Api-Version', '1.44');
    if (incoming.method === 'POST') return void outgoing.writeHead(204).end();
    outgoing.end(incoming.url === '/_ping' ? 'OK' : JSON.stringify(inspection()));
  });
  const port = await listening(server, host);
  const endpoint = { kind: 'tcp', host, port, tls: { directory } } as const;
  return { container: createContainer(endpoint, 'broker'), endpoint, requests, clients };
}

async function listening(server: Server | ReturnType<typeof createTlsServer>, host = '127.0.0.1') {
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function containerAt(directory: string, port: number): Container {
  return createContainer({ kind: 'tcp', host: '127.0.0.1', port, tls: { directory } }, 'broker');
}

async function failureOf(container: Container, timeoutMs = 5_000): Promise<EngineFailure> {
  const answer = await container.inspect({ timeoutMs });
  if (answer.ok) throw new Error('it has answered');
  return answer;
}

describe('an engine over TLS', () => {
  it.each<[string, EngineOptions]>([
    ['TLS 1.3', { minVersion: 'TLSv1.3' }],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['an IPv6 address', { host: '::1' }],
  ])('is inspected and restarts its broker, with %s', async (_, options) => {
    const { container, requests, clients } = await engineOf(await site(), options);
    expect(await container.inspect()).toMatchObject({ ok: true, value: { id: ID } });
    expect(await container.restart(ID, 10)).toEqual({ ok: true, value: undefined });
    expect(requests).toEqual([
      'GET /_ping',
      'GET /v1.44/containers/broker/json',
      `POST /v1.44/containers/${ID}/restart?t=10`,
    ]);
    expect([...clients]).toEqual(['watcher']);
  });

  it('is known by the name in DOCKER_HOST', async () => {
    const here = await site();
    const identity = await here.authority.issue({ sans: ['localhost'] });
    const { endpoint } = await engineOf(here, { identity, host: 'localhost' });
    expect(await createContainer(endpoint, 'broker').inspect()).toMatchObject({ ok: true });
  });

  it('is spoken with also where it asks for no client certificate and there is none', async () => {
    const here = await site();
    const { container } = await engineOf(here, { requestCert: false });
    await rm(join(here.directory, 'cert.pem'));
    await rm(join(here.directory, 'key.pem'));
    expect(await container.inspect()).toMatchObject({ ok: true });
  });

  it('leaves no connection and no listener behind', async () => {
    const sockets = () =>
      process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TLS/.test(kind)).length;
    const { container } = await engineOf(await site());
    const { signal } = new AbortController();
    const before = sockets();
    for (let times = 0; times < 5; times++) await container.inspect({ signal });
    expect(await leftOver(sockets, before)).toBe(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('the files of DOCKER_CERT_PATH', () => {
  it('are taken up as soon as they change, by the call that follows', async () => {
    const here = await site();
    const { container, clients } = await engineOf(here);
    await container.inspect();
    const { certPem, keyPem } = await here.authority.issue({ cn: 'renewed' });
    await here.put({ 'cert.pem': certPem, 'key.pem': keyPem });
    expect(await container.inspect()).toMatchObject({ ok: true });
    expect([...clients]).toEqual(['watcher', 'renewed']);
  });

  it('recover by themselves: what was missing or broken is read again', async () => {
    const here = await site();
    const { container } = await engineOf(here);
    await here.put({ 'ca.pem': 'no certificate' });
    expect(await failureOf(container)).toMatchObject({ cause: 'tls_failed' });
    await here.put({ 'ca.pem': here.authority.certPem });
    expect(await container.inspect()).toMatchObject({ ok: true });
  });

  it('are one context for as long as they are the same, and another one afterwards', async () => {
    const { directory, authority, put } = await site();
    const read = createTlsFiles(directory);
    const context = async () => {
      const files = await read();
      return files.ok ? files.value.context : undefined;
    };
    const first = await context();
    expect(first).toBeDefined();
    expect(await context()).toBe(first);
    const { certPem, keyPem } = await authority.issue();
    await put({ 'cert.pem': certPem, 'key.pem': keyPem });
    expect(await context()).not.toBe(first);
  });

  it.each<[string, (here: Site) => Promise<unknown>, RegExp, RegExp]>([
    [
      'a CA file that is missing',
      ({ directory }) => rm(join(directory, 'ca.pem')),
      /^\S+ca\.pem does not exist$/,
      /check DOCKER_CERT_PATH and that it is mounted$/,
    ],
    [
      'a key that is missing',
      ({ directory }) => rm(join(directory, 'key.pem')),
      /^\S+key\.pem does not exist$/,
      /check DOCKER_CERT_PATH/,
    ],
    [
      'a CA file that is empty',
      ({ put }) => put({ 'ca.pem': '' }),
      /^\S+ca\.pem is empty$/,
      /put a regular PEM file/,
    ],
    [
      'a certificate that is none',
      ({ put }) => put({ 'cert.pem': 'x' }),
      /^\S+cert\.pem holds no PEM certificate/,
      /there again, as PEM$/,
    ],
    [
      'a key that is none',
      ({ put }) => put({ 'key.pem': 'x' }),
      /^\S+key\.pem holds no PEM private key/,
      /there again, as PEM$/,
    ],
    [
      'a key of another certificate',
      async ({ put }) => put({ 'key.pem': (await createSelfSigned()).keyPem }),
      /^\S+key\.pem does not belong to the first certificate in \S+cert\.pem$/,
      /^only half renewed\?/,
    ],
    [
      'a FIFO',
      async ({ directory }) => {
        await rm(join(directory, 'cert.pem'));
        await makeFifo(join(directory, 'cert.pem'));
      },
      /^\S+cert\.pem is a FIFO, not a regular file$/,
      /put a regular PEM file/,
    ],
    [
      'a CA file without an end',
      ({ put }) => put({ 'ca.pem': 'x'.repeat(1024 ** 2 + 1) }),
      /^\S+ca\.pem is larger than 1 MiB/,
      /put a regular PEM file/,
    ],
  ])('fail with a cause and a hint: %s', async (_, spoil, problem, hint) => {
    const here = await site();
    const { container, requests } = await engineOf(here);
    await spoil(here);
    expect(await failureOf(container)).toMatchObject({
      cause: 'tls_failed',
      problem: expect.stringMatching(problem),
      hint: expect.stringMatching(hint),
      mayHaveHappened: false,
    });
    expect(requests).toEqual([]);
  });

  it('never show a key', async () => {
    const here = await site();
    const { container } = await engineOf(here);
    const { keyPem } = await createSelfSigned();
    await here.put({ 'key.pem': keyPem.replace(/\n(.)/, '\n*') });
    expect(JSON.stringify(await failureOf(container))).not.toContain(keyPem.split('\n')[1]?.slice(5, 30));
  });
});

describe('an engine that is not to be trusted', () => {
  it('has a certificate of another CA', async () => {
    const here = await site();
    const { container, requests } = await engineOf(here);
    await here.put({ 'ca.pem': (await createAuthority({ cn: 'Other CA' })).certPem });
    expect(await failureOf(container)).toMatchObject({
      cause: 'tls_failed',
      problem: expect.stringMatching(/^the engine on 127\.0\.0\.1:\d+ cannot be trusted: /),
      hint: expect.stringMatching(/^is \S+\/ca\.pem the CA that has issued the certificate of the engine/),
    });
    expect(requests).toEqual([]);
  });

  it('has a certificate for another name, and its names are told', async () => {
    const here = await site();
    const identity = await here.authority.issue({ sans: ['engine.example.com', '192.0.2.1'] });
    const { container } = await engineOf(here, { identity });
    expect(await failureOf(container)).toMatchObject({
      cause: 'tls_failed',
      problem: expect.stringMatching(
        / is not for 127\.0\.0\.1 but for DNS:engine\.example\.com, IP Address:192\.0\.2\.1$/,
      ),
      hint: expect.stringMatching(/^let DOCKER_HOST name the engine as its certificate does, /),
    });
  });

  it.each<[string, CertificateOptions, RegExp]>([
    ['has expired', { notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) }, /issued again; is the clock/],
    ['is not valid yet', { notBefore: daysFromNow(1) }, /is not valid yet; is the clock/],
  ])('has a certificate that %s', async (_, dates, hint) => {
    const here = await site();
    const identity = await here.authority.issue({ sans: ['127.0.0.1'], ...dates });
    const { container } = await engineOf(here, { identity });
    expect(await failureOf(container)).toMatchObject({
      cause: 'tls_failed',
      hint: expect.stringMatching(hint),
    });
  });

  it('is never asked for a restart', async () => {
    const here = await site();
    const { container, requests } = await engineOf(here);
    await container.inspect();
    await here.put({ 'ca.pem': (await createAuthority()).certPem });
    expect(await container.restart(ID, 10)).toMatchObject({ cause: 'tls_failed', mayHaveHappened: false });
    expect(requests).not.toContainEqual(expect.stringMatching(/^POST/));
  });
});

/** Node's own servers hang up on a certificate of another CA, without the alert that engines send. */
async function refusing(here: Site, alert: number): Promise<Container> {
  const { endpoint } = await engineOf(here, { maxVersion: 'TLSv1.2' });
  const relay = await startSecondFlightRelay(endpoint.port, (client) => client.end(plainAlert(alert)));
  onTestFinished(() => relay.close());
  return containerAt(here.directory, relay.port);
}

describe('an engine that does not trust us', () => {
  it.each<[string, TlsOptions]>([
    ['TLS 1.3, where it says so after the handshake', { minVersion: 'TLSv1.3' }],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
  ])('because we have no certificate: %s', async (_, options) => {
    const here = await site();
    const { container, requests } = await engineOf(here, options);
    await rm(join(here.directory, 'cert.pem'));
    await rm(join(here.directory, 'key.pem'));
    expect(await failureOf(container)).toMatchObject({
      cause: 'tls_failed',
      hint: expect.stringMatching(/^it asks for a client certificate: put cert\.pem and key\.pem into /),
      mayHaveHappened: false,
    });
    expect(requests).toEqual([]);
  });

  it.each<[string, number, RegExp]>([
    [
      'no CA that it knows',
      48,
      /^was \S+\/cert\.pem issued by the CA .*see its log \(alert 48, unknown_ca\)$/,
    ],
    ['a bad certificate', 42, /\(alert 42, bad_certificate\)$/],
    ['no more than that', 40, /or do the two have no cipher in common\? .*\(alert 40, handshake_failure\)$/],
  ])('and says so with an alert: %s', async (_, alert, hint) => {
    expect(await failureOf(await refusing(await site(), alert))).toMatchObject({
      cause: 'tls_failed',
      problem: expect.stringMatching(/ refuses the watcher: /),
      hint: expect.stringMatching(hint),
      mayHaveHappened: false,
    });
  });

  it.each<[string, CertificateOptions, RegExp]>([
    [
      'has expired',
      { notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) },
      /\/cert\.pem expired at \S+Z: have it issued again/,
    ],
    ['is not valid yet', { notBefore: daysFromNow(1) }, /\/cert\.pem is not valid before \S+Z: wait/],
  ])('because ours %s', async (_, dates, hint) => {
    expect((await failureOf(await refusing(await site(dates), 42))).hint).toMatch(hint);
  });

  it('and closes the connection after the handshake without saying why', () => {
    const scene = { host: 'engine', where: 'engine:2376', directory: '/etc/engine' };
    const failed = handshakeFailure(undefined, { isUnverified: false, isSecured: true }, scene);
    expect(failed).toMatchObject({
      cause: 'tls_failed',
      problem:
        'the engine on engine:2376 closes the connection after the handshake: it closed the connection',
      hint: expect.stringMatching(/^was \/etc\/engine\/cert\.pem issued by the CA that the engine trusts/),
    });
  });

  it('has certainly done nothing that it was asked for', async () => {
    const here = await site();
    const { container } = await engineOf(here, { minVersion: 'TLSv1.3' });
    await container.inspect();
    await rm(join(here.directory, 'cert.pem'));
    await rm(join(here.directory, 'key.pem'));
    expect(await container.restart(ID, 10)).toMatchObject({ cause: 'tls_failed', mayHaveHappened: false });
  });
});

describe('what is no engine with TLS', () => {
  it('is a plain engine', async () => {
    const { directory } = await site();
    const server = await startTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    onTestFinished(() => server.close());
    expect(await failureOf(containerAt(directory, server.port))).toMatchObject({
      cause: 'tls_failed',
      hint: expect.stringMatching(/ is not TLS: is it the plain port \(2375, not 2376\)\?/),
    });
  });

  it('hangs up on the first bytes', async () => {
    const { directory } = await site();
    const server = await startTcpServer((socket) => socket.destroy());
    onTestFinished(() => server.close());
    expect(await failureOf(containerAt(directory, server.port))).toMatchObject({
      cause: 'tls_failed',
      hint: expect.stringMatching(/the TLS port of the engine/),
    });
  });

  it('says nothing at all', async () => {
    const { directory } = await site();
    const server = await startTcpServer(() => undefined);
    onTestFinished(() => server.close());
    expect(await failureOf(containerAt(directory, server.port), 200)).toMatchObject({
      cause: 'timeout',
      problem: expect.stringMatching(/^no TLS handshake with 127\.0\.0\.1:\d+ within 0\.2 s$/),
    });
  });

  it('does not even accept', async () => {
    const { directory } = await site();
    const hole = await startBlackHole();
    onTestFinished(() => hole.close());
    expect(await failureOf(containerAt(directory, hole.port), 200)).toMatchObject({
      cause: 'timeout',
      problem: expect.stringMatching(/ did not answer within 0\.2 s$/),
    });
  });

  it('is not there', async () => {
    const { directory } = await site();
    const port = await closedPort();
    expect(await failureOf(containerAt(directory, port))).toMatchObject({
      cause: 'connection_refused',
      problem: `nothing listens on 127.0.0.1:${port}`,
    });
  });

  it('has no address', async () => {
    const { directory } = await site();
    const endpoint = { kind: 'tcp', host: 'engine.invalid', port: 2376, tls: { directory } } as const;
    expect(await failureOf(createContainer(endpoint, 'broker'))).toMatchObject({ cause: 'unreachable' });
  });

  it('is not waited for by somebody who has given up', async () => {
    const { directory } = await site();
    const server = await startTcpServer(() => undefined);
    onTestFinished(() => server.close());
    const stop = new AbortController();
    const answer = containerAt(directory, server.port).inspect({ signal: stop.signal });
    setImmediate(() => stop.abort());
    expect(await answer).toMatchObject({ cause: 'connection_lost' });
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });
});

describe('without DOCKER_TLS_VERIFY', () => {
  it('an engine with TLS is told with the settings that are missing', async () => {
    const here = await site();
    const { endpoint } = await engineOf(here);
    const plain = { kind: 'tcp', host: endpoint.host, port: endpoint.port } as const;
    expect((await failureOf(createContainer(plain, 'broker'))).hint).toMatch(/set DOCKER_TLS_VERIFY/);
  });
});
