import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { type Agent, type RequestOptions, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuthority, daysFromNow, type Issued } from '../../../../lab/certificates.ts';
import { closedPort } from '../../../../lab/tls-servers.ts';
import { until } from '../../../../lab/until.ts';
import type { Announcement } from '../../../../src/core/news/events.ts';
import { text } from '../../../../src/surfaces/web/answer.ts';
import { createGuard } from '../../../../src/surfaces/web/guard/guard.ts';
import { type Route, startHttpServer } from '../../../../src/surfaces/web/server.ts';
import { temporaryDirectory } from '../../../support/directory.ts';
import { MEASURED } from '../../../support/measured.ts';
import { program, skipped } from '../../../support/needs.ts';

const OPENSSL = program('openssl');

const authority = await createAuthority({ cn: 'Example CA' });
const clientAuthority = await createAuthority({ cn: 'Client CA' });
const stranger = await createAuthority({ cn: 'Another CA' });
const first = await authority.issue({ cn: 'first', sans: ['127.0.0.1'] });
const second = await authority.issue({ cn: 'second', sans: ['127.0.0.1'] });

/** The password is `U*U`. */
const HASH = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
const RIGHT = 'alice:U*U';

const ROUTES = new Map<string, Route>(
  ['/', '/metrics', '/status.json', '/healthz', '/readyz', '/-/healthy', '/-/ready'].map((path) => [
    path,
    { answer: () => text(200, path) },
  ]),
);

const LARGE = Buffer.alloc(4 * 2 ** 20, 'x');

interface Wanted {
  readonly identity?: Issued | 'plain';
  readonly clientCa?: boolean;
  readonly users?: string;
  readonly host?: string;
}

/** A server behind a guard, with its files in a directory of their own. */
async function serve({ identity = first, clientCa = false, users, host = '127.0.0.1' }: Wanted = {}) {
  const directory = await temporaryDirectory();
  const file = (name: string) => join(directory, name);
  /** Puts a file in place as agents do. */
  const put = async (name: string, content: string) => {
    await writeFile(file(`${name}.new`), content);
    await rename(file(`${name}.new`), file(name));
  };
  const install = async ({ chainPem, keyPem }: Issued) => {
    await put('server.key', keyPem);
    await put('server.crt', chainPem);
  };
  if (identity !== 'plain') await install(identity);
  if (clientCa) await put('clients.crt', clientAuthority.certPem);
  if (users !== undefined) await put('users', users);
  const metricsTls =
    identity === 'plain'
      ? undefined
      : {
          certFile: file('server.crt'),
          keyFile: file('server.key'),
          clientCaFile: clientCa ? file('clients.crt') : undefined,
        };
  const settings = {
    metricsTls,
    metricsAuthFile: users === undefined ? undefined : file('users'),
    checkIntervalMs: 0,
  };
  const port = await closedPort();
  const said: Announcement[] = [];
  const server = startHttpServer({
    host,
    port,
    routes: new Map([...ROUTES, ['/large', { answer: () => ({ contentType: 'text/plain', body: LARGE }) }]]),
    say: (it) => said.push(it),
    retryMs: 50,
    createGuard: (turns) => createGuard(settings, turns, { lookMs: 20 }),
  });
  onTestFinished(() => server.close());
  const says = (event: string) => until(event, () => said.find((it) => it.event === event));
  return { port, said, says, server, put, install, file, ask: asker(port) };
}

async function serving(wanted?: Wanted) {
  const served = await serve(wanted);
  await served.says('server_started');
  return served;
}

interface Asked {
  readonly status: number | undefined;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly cn: unknown;
}

function asker(port: number) {
  return (path: string, options: RequestOptions & { agent?: Agent } = {}): Promise<Asked> =>
    new Promise((resolve, reject) => {
      const to = { host: '127.0.0.1', port, path, agent: false, ca: authority.certPem, ...options };
      request(to, (response) => {
        const cn = (response.socket as TLSSocket).getPeerCertificate().subject.CN;
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode, body, headers: response.headers, cn }),
        );
      })
        .on('error', reject)
        .end();
    });
}

/** What comes back for bytes without TLS, until the server hangs up. */
async function plainly(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connectPlain(port, '127.0.0.1', () => socket.write(bytes));
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  await new Promise((resolve) => socket.on('close', resolve));
  return answer;
}

describe('a server with a certificate', () => {
  it('answers over TLS, and says so', async () => {
    const { ask, said } = await serving();
    expect(await ask('/')).toMatchObject({ status: 200, body: '/\n', cn: 'first' });
    expect(said[0]?.details).toMatchObject({ tls: true });
  });

  it('answers over TLS 1.2, and over nothing older', async () => {
    const { ask } = await serving();
    expect(await ask('/', { maxVersion: 'TLSv1.2' })).toMatchObject({ status: 200 });
    const old = ask('/', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    await expect(old).rejects.toThrow(/alert protocol version|alert number 70/);
  });

  it('gives a large answer whole', async () => {
    const { ask } = await serving();
    expect((await ask('/large')).body.length).toBe(LARGE.length);
  });

  it('tells a client that speaks plain HTTP, and gives it nothing', async () => {
    const { port } = await serving();
    const answer = await plainly(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*\r\n\r\nthis port speaks TLS: ask for https:\/\/\n$/s);
  });

  it('is not disturbed by clients that speak neither', async () => {
    const { port, ask } = await serving();
    const rubbish = [
      Buffer.from([0x16, 3, 1, 0, 4, 1, 2, 3, 4]),
      Buffer.alloc(20_000, 0x16),
      '\x80\x2e\x01\x00',
    ];
    await Promise.all(rubbish.map((bytes) => plainly(port, bytes)));
    expect(await ask('/')).toMatchObject({ status: 200 });
  });

  it('resumes no session, so that what was true once is looked at again', async () => {
    const { port } = await serving();
    const sessions: Buffer[] = [];
    const open = async (session?: Buffer) => {
      const socket = connect({ port, host: '127.0.0.1', ca: authority.certPem, ...(session && { session }) });
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined).on('session', (it) => sessions.push(it));
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      socket.resume();
      await once(socket, 'secureConnect');
      const isReused = socket.isSessionReused();
      await once(socket, 'close');
      return isReused;
    };
    await open();
    expect(sessions.length).toBeGreaterThan(0);
    expect(await open(sessions[0])).toBe(false);
  });

  it('drops a client that does not get on with its handshake', MEASURED, async () => {
    const { port } = await serving();
    const socket = connectPlain(port, '127.0.0.1', () => socket.write(Buffer.from([0x16, 3, 1, 2])));
    onTestFinished(() => void socket.destroy());
    socket.resume();
    const sinceMs = performance.now();
    await once(socket, 'close');
    expect(performance.now() - sinceMs).toBeLessThan(8_000);
  });

  it('drops the oldest of a hundred handshakes for the next client', async () => {
    const { port, ask } = await serving();
    const sockets = Array.from({ length: 100 }, () =>
      connectPlain(port, '127.0.0.1', function start(this: unknown) {
        (this as ReturnType<typeof connectPlain>).write(Buffer.from([0x16, 3, 1, 2]));
      }),
    );
    onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
    const closed = sockets.map(
      (socket) =>
        new Promise((resolve) =>
          socket
            .on('error', () => undefined)
            .on('close', resolve)
            .resume(),
        ),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    expect(await ask('/')).toMatchObject({ status: 200 });
    await Promise.race(closed);
  });
});

describe('a server whose certificate is renewed', () => {
  it('presents the new one without being started again', async () => {
    const { ask, install, server } = await serving();
    await install(second);
    await until('the new certificate', async () => (await ask('/')).cn === 'second');
    expect(server.troubles()).toEqual([]);
  });

  it('keeps the old one as long as only half of the new one is there, and says so', async () => {
    const { ask, put, server, file } = await serving();
    await put('server.crt', second.chainPem);
    await until('the trouble', () => server.troubles().length > 0);
    expect(server.troubles()).toMatchObject([
      {
        part: 'metrics_tls',
        problem: `${file('server.key')} does not belong to the first certificate in ${file('server.crt')}`,
      },
    ]);
    expect(await ask('/')).toMatchObject({ status: 200, cn: 'first' });
    await put('server.key', second.keyPem);
    await until('the end of the trouble', () => server.troubles().length === 0);
    expect(await ask('/')).toMatchObject({ cn: 'second' });
  });

  it.each([
    ['is deleted', undefined, /does not exist/],
    ['is no certificate', 'sesame', /holds no PEM certificate/],
  ])('keeps the old one when the file %s', async (_what, content, problem) => {
    const { ask, put, server, file } = await serving();
    if (content === undefined) await rm(file('server.crt'));
    else await put('server.crt', content);
    await until('the trouble', () => server.troubles().length > 0);
    expect(server.troubles()[0]?.problem).toMatch(problem);
    expect(await ask('/')).toMatchObject({ status: 200, cn: 'first' });
  });

  it('keeps the old one while it is valid and the new one has expired', async () => {
    const expired = await authority.issue({
      cn: 'late',
      sans: ['127.0.0.1'],
      notBefore: daysFromNow(-9),
      notAfter: daysFromNow(-1),
    });
    const { ask, install, server } = await serving();
    await install(expired);
    await until('the trouble', () => server.troubles()[0]?.problem.includes('expired'));
    expect(server.troubles()[0]?.problem).toMatch(/METRICS_TLS_CERT_FILE \(CN=late\) expired on 20/);
    expect(await ask('/')).toMatchObject({ cn: 'first' });
  });

  it('goes on with a certificate that has expired where there is no other, and says so', async () => {
    const expired = await authority.issue({
      cn: 'late',
      sans: ['127.0.0.1'],
      notBefore: daysFromNow(-9),
      notAfter: daysFromNow(-1),
    });
    const { ask, server } = await serving({ identity: expired });
    expect(await ask('/', { rejectUnauthorized: false })).toMatchObject({ status: 200 });
    expect(server.troubles()[0]?.problem).toContain('expired');
  });
});

describe('a server without the files that it needs', () => {
  it.each([
    [
      'certificate',
      { identity: { ...first, chainPem: 'none' } as Issued },
      /server\.crt holds no PEM certificate/,
    ],
    ['key', { identity: { ...first, keyPem: second.keyPem } as Issued }, /server\.key does not belong/],
    [
      'users',
      { identity: 'plain', users: 'alice:sesame' } as const,
      /users is not usable: line 1 has no bcrypt hash/,
    ],
  ])('does not open its port before its %s can be used, and says why', async (_what, wanted, problem) => {
    const { port, says, said } = await serve(wanted);
    const { details } = await says('server_failed');
    expect(details).toMatchObject({
      error: expect.stringMatching(problem),
      hint: expect.stringMatching(/./),
    });
    expect(JSON.stringify(said)).not.toContain('sesame');
    const socket = connectPlain(port, '127.0.0.1');
    await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('opens its port as soon as they are there', async () => {
    const { put, says, ask } = await serve({ users: 'alice' });
    await says('server_failed');
    await put('users', `alice:${HASH}`);
    await says('server_started');
    expect(await ask('/', { auth: RIGHT })).toMatchObject({ status: 200 });
  });
});

describe('a server with a client CA', () => {
  it('answers a client with a certificate of it', async () => {
    const { ask, said } = await serving({ clientCa: true });
    const client = await clientAuthority.issue({ cn: 'prometheus' });
    expect(await ask('/metrics', { cert: client.chainPem, key: client.keyPem })).toMatchObject({
      status: 200,
    });
    expect(said[0]?.details).toMatchObject({ client_certificates: true });
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('tells a client without one over %s', async (version) => {
    const { ask } = await serving({ clientCa: true });
    const options = { minVersion: version, maxVersion: version };
    expect(await ask('/metrics', options)).toMatchObject({
      status: 403,
      body: 'a client certificate is needed here, and none was presented\n',
    });
  });

  it.each([
    ['of another CA', () => stranger.issue({ cn: 'x' }), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [
      'that has expired',
      () => clientAuthority.issue({ cn: 'x', notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) }),
      'CERT_HAS_EXPIRED',
    ],
    ['for servers', () => clientAuthority.issue({ cn: 'x', usages: ['server'] }), 'INVALID_PURPOSE'],
  ])('refuses one %s', async (_what, issue, reason) => {
    const { ask } = await serving({ clientCa: true });
    const client = await issue();
    expect(await ask('/', { cert: client.chainPem, key: client.keyPem })).toMatchObject({
      status: 403,
      body: `a client certificate is needed here, and yours is refused: ${reason}\n`,
    });
  });

  it('asks for a password too where there are users', async () => {
    const { ask } = await serving({ clientCa: true, users: `alice:${HASH}` });
    const client = await clientAuthority.issue({ cn: 'prometheus' });
    const own = { cert: client.chainPem, key: client.keyPem };
    expect(await ask('/', { auth: RIGHT })).toMatchObject({ status: 403 });
    expect(await ask('/', own)).toMatchObject({ status: 401 });
    expect(await ask('/', { ...own, auth: RIGHT })).toMatchObject({ status: 200 });
  });

  it('lets its own machine ask without one whether it is alive', async () => {
    const { ask } = await serving({ clientCa: true, users: `alice:${HASH}` });
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
  });
});

describe('a server with users', () => {
  const PROTECTED = ['/', '/metrics', '/status.json', '/readyz', '/-/ready', '/nothing'];

  it.each(PROTECTED)('asks for a password at %s', async (path) => {
    const { ask } = await serving({ users: `alice:${HASH}` });
    expect(await ask(path)).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="mosquitto-cert-watcher", charset="UTF-8"' },
    });
  });

  it.each(PROTECTED.slice(0, -1))('answers at %s with the password', async (path) => {
    const { ask } = await serving({ users: `alice:${HASH}` });
    expect(await ask(path, { auth: RIGHT })).toMatchObject({ status: 200, body: `${path}\n` });
  });

  it.each(['/healthz', '/-/healthy'])('answers at %s without a password to its own machine', async (path) => {
    const { ask } = await serving({ users: `alice:${HASH}` });
    expect(await ask(path)).toMatchObject({ status: 200 });
  });

  it('asks for a password without TLS, too', async () => {
    const { port, said } = await serving({ identity: 'plain', users: `alice:${HASH}` });
    const ask = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${port}/`, { headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ Authorization: `Basic ${btoa(RIGHT)}` })).status).toBe(200);
    expect(said[0]?.details).toEqual({ address: `127.0.0.1:${port}`, port, passwords: true });
  });

  it('takes a new user without being started again', async () => {
    const { ask, put } = await serving({ users: `alice:${HASH}` });
    await put('users', `bob:${HASH}`);
    const isIn = async () => (await ask('/', { auth: 'bob:U*U' })).status === 200;
    await until('bob', isIn, { withinMs: 20_000 });
    expect(await ask('/', { auth: RIGHT })).toMatchObject({ status: 401 });
  });

  it('keeps the users that it had where the file becomes unusable, and says so', async () => {
    const { ask, put, server, file } = await serving({ users: `alice:${HASH}` });
    await put('users', 'alice:sesame');
    await until('the trouble', () => server.troubles().length > 0);
    expect(server.troubles()).toMatchObject([
      { part: 'metrics_auth', problem: expect.stringMatching(`^${file('users')} is not usable: line 1 `) },
    ]);
    expect(await ask('/', { auth: RIGHT })).toMatchObject({ status: 200 });
  });

  it('leaves the loop its time, whatever guessers send', MEASURED, async () => {
    const { ask } = await serving({ users: `alice:${HASH.replace('$05$', '$12$')}` });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    await ask('/healthz');
    delay.enable();
    await Promise.all(Array.from({ length: 20 }, (_, index) => ask('/', { auth: `alice:${index}` })));
    delay.disable();
    // a hundredth of the time may be the machine's own
    expect(delay.percentile(99) / 1e6).toBeLessThan(25);
  });
});

it.skipIf(!OPENSSL.ok)(`a real OpenSSL is content with the handshake${skipped(OPENSSL)}`, async () => {
  const { port, file, put } = await serving();
  await put('ca.crt', authority.certPem);
  const args = [
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-CAfile',
    file('ca.crt'),
    '-verify_return_error',
    '-ign_eof',
  ];
  const said = await new Promise<string>((resolve) => {
    const child = execFile('openssl', args, (_error, stdout, stderr) => resolve(stdout + stderr));
    child.stdin?.end('GET /healthz HTTP/1.0\r\n\r\n');
  });
  expect(said).toMatch(/Verify return code: 0 \(ok\)/);
  expect(said).toMatch(/HTTP\/1\.1 200 OK/);
});
