import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../../lab/certificates.ts';
import { closedPort, startTcpServer } from '../../../lab/tls-servers.ts';
import { until } from '../../../lab/until.ts';
import { createResolve, type LookUp } from '../../../src/adapters/webhook/resolve.ts';
import { createTrust } from '../../../src/adapters/webhook/trust.ts';
import { createWebhook, type WebhookOptions } from '../../../src/adapters/webhook/webhook.ts';
import type { SecretUrl } from '../../../src/core/model/settings.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { HANGS, OK, startReceiver, status } from '../../support/receiver.ts';

const SECRET = '/services/T0AB/s3cret';
const PAYLOAD = { headers: { 'Content-Type': 'application/json' }, body: '{"text":"grüezi"}' };
const never = new AbortController().signal;

interface Options extends Partial<Omit<WebhookOptions, 'url' | 'trust'>> {
  readonly caFile?: string;
}

function webhook(url: string | SecretUrl, { caFile, ...options }: Options = {}) {
  return createWebhook({
    url: typeof url === 'string' ? { kind: 'value', url } : url,
    setting: 'NOTIFY_URL',
    resolve: createResolve(),
    trust: createTrust(caFile),
    userAgent: 'mosquitto-cert-watcher/1.2.3',
    ...options,
  });
}

async function post(url: string | SecretUrl, options?: Options) {
  const answer = await webhook(url, options).post(PAYLOAD, never);
  expect(JSON.stringify(answer)).not.toMatch(/s3cret|T0AB/);
  return answer;
}

describe('a webhook', () => {
  it('is posted to once, as it was given, and says what the receiver said', async () => {
    const { port, received } = await startReceiver();
    expect(await post(`http://127.0.0.1:${port}${SECRET}?token=s3cret`)).toEqual({
      ok: true,
      status: 200,
      said: 'ok',
    });
    expect(received).toEqual([
      {
        method: 'POST',
        url: `${SECRET}?token=s3cret`,
        headers: expect.objectContaining({
          'content-type': 'application/json',
          'content-length': '18',
          'user-agent': 'mosquitto-cert-watcher/1.2.3',
        }),
        body: PAYLOAD.body,
      },
    ]);
  });

  it('gets user and password of its address as a header', async () => {
    const { port, received } = await startReceiver();
    await post(`http://user:s3cret@127.0.0.1:${port}/`);
    expect(received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('user:s3cret').toString('base64')}`);
  });

  it.each([
    ['', '/api/v2/alerts'],
    ['/', '/api/v2/alerts'],
    ['/prefix/', '/prefix/api/v2/alerts'],
    ['/api/v2/alerts', '/api/v2/alerts'],
  ])('gets the path of its kind behind its own: %j', async (path, url) => {
    const { port, received } = await startReceiver();
    await webhook(`http://127.0.0.1:${port}${path}`).post({ ...PAYLOAD, endpoint: '/api/v2/alerts' }, never);
    expect(received.map((each) => each.url)).toEqual([url]);
  });

  it('is asked for a heartbeat with GET and without a body', async () => {
    const { port, received } = await startReceiver();
    expect(await webhook(`http://127.0.0.1:${port}/ping/s3cret`).get(never)).toMatchObject({ ok: true });
    expect(received).toMatchObject([{ method: 'GET', url: '/ping/s3cret', body: '' }]);
  });

  it('is found in a file, which may be replaced at any time', async () => {
    const [first, second] = [await startReceiver(), await startReceiver()];
    const path = join(await temporaryDirectory(), 'url');
    const hook = webhook({ kind: 'file', path });
    await writeFile(path, `http://127.0.0.1:${first.port}/\n`);
    await hook.post(PAYLOAD, never);
    await writeFile(path, `http://127.0.0.1:${second.port}/\r\n`);
    await hook.post(PAYLOAD, never);
    expect([first.received.length, second.received.length]).toEqual([1, 1]);
  });

  it.each([
    ['s3cret', /is not one line with http/],
    ['', /is empty/],
  ])('is not found in a file that holds %j, of which nothing is shown', async (content, error) => {
    const path = join(await temporaryDirectory(), 'url');
    await writeFile(path, content);
    expect(await post({ kind: 'file', path })).toMatchObject({
      cause: 'local_file',
      error: expect.stringMatching(error),
    });
  });

  it('is not found in a file that is missing', async () => {
    const answer = await post({ kind: 'file', path: '/nowhere/url' });
    expect(answer).toMatchObject({ ok: false, cause: 'local_file', error: '/nowhere/url does not exist' });
  });

  it('is down', async () => {
    const port = await closedPort();
    expect(await post(`http://127.0.0.1:${port}${SECRET}`)).toMatchObject({
      ok: false,
      cause: 'tcp',
      error: expect.stringContaining(`http://127.0.0.1:${port}/… cannot be reached: connect ECONNREFUSED`),
    });
  });

  it('has a name that does not resolve', async () => {
    expect(await post(`http://receiver.invalid${SECRET}`)).toMatchObject({ ok: false, cause: 'dns' });
  });

  it('does not answer in time', async () => {
    const { port } = await startReceiver(HANGS);
    expect(await post(`http://127.0.0.1:${port}${SECRET}`, { timeoutMs: 100 })).toMatchObject({
      ok: false,
      cause: 'timeout',
      error: `no answer from http://127.0.0.1:${port}/… within 0.1 s`,
    });
  });

  it.each([500, 502, 503, 408, 429])('is in trouble: %i', async (code) => {
    const { port } = await startReceiver(status(code, `no ${SECRET} today`));
    expect(await post(`http://127.0.0.1:${port}${SECRET}`)).toMatchObject({
      ok: false,
      cause: 'receiver_error',
      error: `http://127.0.0.1:${port}/… answers with HTTP ${code}: no … today`,
    });
  });

  it.each([400, 401, 403, 404, 410])('refuses: %i', async (code) => {
    const { port } = await startReceiver(status(code));
    expect(await post(`http://127.0.0.1:${port}${SECRET}`)).toMatchObject({ ok: false, cause: 'refused' });
  });

  it.each([301, 302, 303, 307, 308])('is not followed where it redirects to: %i', async (code) => {
    const other = await startReceiver();
    const location = `http://127.0.0.1:${other.port}${SECRET}`;
    const { port, received } = await startReceiver(status(code, '', { Location: location }));
    expect(await post(`http://127.0.0.1:${port}${SECRET}`)).toMatchObject({
      ok: false,
      cause: 'redirected',
      error: `http://127.0.0.1:${port}/… redirects (HTTP ${code}) to http://127.0.0.1:${other.port}/…`,
    });
    expect([received.length, other.received.length]).toEqual([1, 0]);
  });

  it('speaks something else', async () => {
    const server = await startTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9\r\n'));
    try {
      expect(await post(`http://127.0.0.1:${server.port}/`)).toMatchObject({
        ok: false,
        cause: 'bad_answer',
      });
    } finally {
      await server.close();
    }
  });

  it('has said enough with its status, whatever it goes on to send', async () => {
    const { port } = await startReceiver((response) => {
      response.writeHead(200);
      const more = () => response.write('x'.repeat(65_536), () => setImmediate(more));
      response.on('error', () => undefined);
      more();
    });
    const answer = await post(`http://127.0.0.1:${port}/`);
    expect(answer).toMatchObject({ ok: true, status: 200 });
    expect(answer.ok && answer.said.length).toBeLessThan(500);
  });

  it('has said enough with its status, also where the rest never comes', async () => {
    const { port } = await startReceiver((response) => void response.writeHead(200).write('accepted'));
    expect(await post(`http://127.0.0.1:${port}/`)).toEqual({ ok: true, status: 200, said: 'accepted' });
  });

  it('is left at once when nobody waits any more', async () => {
    const { port, received } = await startReceiver(HANGS);
    const stop = new AbortController();
    const answer = webhook(`http://127.0.0.1:${port}/`).post(PAYLOAD, stop.signal);
    await until('the request', () => received.length === 1);
    stop.abort();
    expect(await answer).toMatchObject({ ok: false });
  });
});

describe('a webhook over TLS', () => {
  async function secured(cn = 'Private CA') {
    const authority = await createAuthority({ cn });
    const receiver = await startReceiver(OK, await authority.issue({ cn: 'hook', sans: ['127.0.0.1'] }));
    const caFile = join(await temporaryDirectory(), 'ca.pem');
    await writeFile(caFile, authority.certPem);
    return { authority, receiver, caFile, url: `https://127.0.0.1:${receiver.port}${SECRET}` };
  }

  it('is verified with the authority in NOTIFY_CA_FILE', async () => {
    const { url, caFile, receiver } = await secured();
    expect(await post(url, { caFile })).toMatchObject({ ok: true });
    expect(receiver.received).toHaveLength(1);
  });

  it('is told nothing where its authority is not known', async () => {
    const { url, receiver } = await secured();
    expect(await post(url)).toMatchObject({
      ok: false,
      cause: 'tls',
      hint: 'if a CA of your own has issued its certificate, set NOTIFY_CA_FILE to that CA',
    });
    expect(receiver.received).toEqual([]);
  });

  it('is told nothing where its certificate is for another name', async () => {
    const authority = await createAuthority({ cn: 'Private CA' });
    const receiver = await startReceiver(
      OK,
      await authority.issue({ cn: 'hook', sans: ['other.example.com'] }),
    );
    const caFile = join(await temporaryDirectory(), 'ca.pem');
    await writeFile(caFile, authority.certPem);
    expect(await post(`https://127.0.0.1:${receiver.port}/`, { caFile })).toMatchObject({
      cause: 'tls',
      hint: 'its certificate is for another name: use that name in the address',
    });
    expect(receiver.received).toEqual([]);
  });

  it('is verified with a file that was replaced meanwhile', async () => {
    const { url, caFile } = await secured();
    const other = await createAuthority({ cn: 'Other CA' });
    const hook = webhook(url, { caFile });
    expect(await hook.post(PAYLOAD, never)).toMatchObject({ ok: true });
    await writeFile(caFile, other.certPem);
    expect(await hook.post(PAYLOAD, never)).toMatchObject({ ok: false, cause: 'tls' });
  });

  it('is told nothing where the file with its authority cannot be used', async () => {
    const { url, caFile, receiver } = await secured();
    await writeFile(caFile, 'no PEM');
    expect(await post(url, { caFile })).toMatchObject({
      cause: 'local_file',
      error: expect.stringContaining(`${caFile} holds no PEM certificate`),
    });
    expect(receiver.received).toEqual([]);
  });

  it('speaks plain HTTP', async () => {
    const { port } = await startReceiver();
    expect(await post(`https://127.0.0.1:${port}${SECRET}`)).toMatchObject({
      cause: 'tls',
      hint: expect.stringContaining('that is not TLS'),
    });
  });
});

describe('names of receivers', () => {
  const lookUps = () => {
    const asked: { readonly name: string; answer(): void }[] = [];
    const lookUp: LookUp = (name) =>
      new Promise((resolve) => {
        asked.push({ name, answer: () => resolve([{ address: '192.0.2.1', family: 4 }]) });
      });
    const resolve = createResolve(lookUp);
    const ask = (name: string) =>
      new Promise((done) => resolve(name, { all: true }, (_, found) => done(found)));
    return { asked, ask };
  };

  it('are looked up one at a time, so that a silent name server holds one thread', async () => {
    const { asked, ask } = lookUps();
    const answers = [ask('a.example.com'), ask('b.example.com'), ask('a.example.com'), ask('b.example.com')];
    await until('the first', () => asked.length === 1);
    asked[0]?.answer();
    await until('the second', () => asked.length === 2);
    asked[1]?.answer();
    expect(await Promise.all(answers)).toHaveLength(4);
    expect(asked.map(({ name }) => name)).toEqual(['a.example.com', 'b.example.com']);
  });
});
