/** A real engine behind TLS, as `dockerd --tlsverify` and the docker CLI have it. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  type CertificateOptions,
  createAuthority,
  daysFromNow,
  type Issued,
} from '../../lab/certificates.ts';
import { PROGRAM } from '../../lab/daemon.ts';
import { executable } from '../../lab/real-servers.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { createDockerd, type OwnEngine } from '../support/dockerd.ts';
import { all, describeWith, ENGINE, program, ROOT } from '../support/needs.ts';
import { startHaproxyAs } from '../support/socket-proxy.ts';
import { type Broker, makeSet, SHORT, type Stage, settled, test } from '../support/stage.ts';

const NEEDS = all(ROOT, program('dockerd'), ENGINE);
const PROXY = executable('haproxy') === undefined ? { ok: false as const, reason: 'no haproxy here' } : NEEDS;

const authority = await createAuthority({ cn: 'Engine CA' });
const stranger = await createAuthority({ cn: 'Other CA' });

let directory: string;
let engine: OwnEngine;
let port: number;

beforeAll(async () => {
  if (!NEEDS.ok) return;
  directory = await mkdtemp(join(tmpdir(), 'cert-watcher-tls-'));
  const { certPem, keyPem } = await authority.issue({
    cn: 'engine',
    sans: ['127.0.0.1'],
    usages: ['server'],
  });
  const at = (name: string) => join(directory, name);
  await writeFile(at('ca.pem'), authority.certPem);
  await writeFile(at('server-cert.pem'), certPem);
  await writeFile(at('server-key.pem'), keyPem);
  await writeFile(at('proxy.pem'), certPem + keyPem);
  port = await closedPort();
  const tls = ['--tlsverify', '--tlscacert', at('ca.pem'), '--tlscert', at('server-cert.pem')];
  engine = await createDockerd(at('engine'), {
    args: ['--host', `tcp://127.0.0.1:${port}`, ...tls, '--tlskey', at('server-key.pem')],
  });
  await engine.start();
});

afterAll(async () => {
  if (!NEEDS.ok) return;
  await engine.end();
  await removeTree(directory);
});

interface Client {
  /** of a watcher that speaks with this engine */
  readonly settings: Readonly<Record<string, string>>;
  /** Puts another certificate there, or another CA. */
  renew(issued: Issued, ca?: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** A directory as the docker CLI has it, with what the engine takes unless it is told otherwise. */
async function client(stage: Stage, options: CertificateOptions = {}, by = authority): Promise<Client> {
  const path = join(stage.directory, 'docker');
  await mkdir(path);
  const put = async (name: string, text: string) => {
    await writeFile(join(path, `.${name}`), text, { mode: 0o600 });
    await rename(join(path, `.${name}`), join(path, name));
  };
  const renew = async ({ certPem, keyPem }: Issued, ca = authority.certPem) => {
    await put('ca.pem', ca);
    await put('cert.pem', certPem);
    await put('key.pem', keyPem);
  };
  await renew(await by.issue({ cn: 'watcher', usages: ['client'], ...options }));
  return {
    settings: { DOCKER_HOST: `tcp://127.0.0.1:${port}`, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: path },
    renew,
    remove: (name) => rm(join(path, name)),
  };
}

async function brokerWithSet(stage: Stage): Promise<Broker> {
  await stage.certs.install(await makeSet());
  return stage.broker({ engine: engine.api });
}

const run = (command: string, env: Readonly<Record<string, string>>, args: readonly string[] = []) =>
  spawnSync(PROGRAM.node, [PROGRAM.main, command, ...args], { env, encoding: 'utf8', timeout: 30_000 });

describeWith(NEEDS, 'an engine over TLS', () => {
  test('restarts the broker once for a rotation', async ({ stage }) => {
    const { settings } = await client(stage);
    const broker = await brokerWithSet(stage);
    const daemon = stage.watch(broker, settings);
    expect((await daemon.says('started')).details).toMatchObject({ engine: settings['DOCKER_HOST'] });
    expect((await daemon.says('engine_access')).details).toMatchObject({ access: 'whole_engine' });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('is looked at by check, and healthcheck lives with the same settings', async ({ stage }) => {
    const { settings } = await client(stage);
    const broker = await brokerWithSet(stage);
    const env = { ...SHORT, ...settings, CERT_DIR: stage.certs.path, MOSQUITTO_CONTAINER: broker.name };
    const { status, stdout } = run('check', env);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/broker/)]);
    expect(run('healthcheck', env).status).toBe(0);
  });

  test('is renewed certificates for while the watcher runs, and they are taken up', async ({ stage }) => {
    const { settings, renew } = await client(stage);
    const broker = await brokerWithSet(stage);
    const daemon = stage.watch(broker, settings);
    await daemon.says('broker_already_current');
    // whoever went on with the old one would be refused
    await renew(await stranger.issue());
    await stage.certs.install(await makeSet());
    await daemon.says('restart_failed');
    expect(broker.restarts()).toBe(0);
    await renew(await authority.issue({ cn: 'renewed', usages: ['client'] }));
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

/** The failure that a watcher with these settings tells. */
async function failureOf(stage: Stage, settings: Readonly<Record<string, string>>) {
  await stage.certs.install(await makeSet());
  const daemon = stage.daemon({ ...SHORT, CERT_DIR: stage.certs.path, ...settings });
  return (await daemon.says('restart_failed')).details;
}

describeWith(NEEDS, 'an engine over TLS that is not spoken with', () => {
  test('is one of another CA', async ({ stage }) => {
    const { settings, renew } = await client(stage);
    await renew(await authority.issue(), stranger.certPem);
    expect(await failureOf(stage, settings)).toMatchObject({
      cause: 'tls_failed',
      error: expect.stringMatching(/ cannot be trusted: /),
      hint: expect.stringMatching(/ca\.pem the CA that has issued the certificate of the engine/),
    });
  });

  test('has a certificate for another name', async ({ stage }) => {
    const { settings } = await client(stage);
    const elsewhere = { ...settings, DOCKER_HOST: `tcp://localhost:${port}` };
    expect(await failureOf(stage, elsewhere)).toMatchObject({
      cause: 'tls_failed',
      error: expect.stringMatching(/ is not for localhost but for IP Address:127\.0\.0\.1$/),
    });
  });

  test('refuses a certificate of another CA', async ({ stage }) => {
    const { settings } = await client(stage, {}, stranger);
    expect(await failureOf(stage, settings)).toMatchObject({
      cause: 'tls_failed',
      error: expect.stringMatching(/ refuses the watcher: /),
      hint: expect.stringMatching(/^was \S+cert\.pem issued by the CA that the engine trusts/),
    });
  });

  test('refuses one that is not for clients', async ({ stage }) => {
    const { settings } = await client(stage, { usages: ['server'] });
    expect((await failureOf(stage, settings))['hint']).toMatch(/, for client authentication\?/);
  });

  test('refuses one that has expired', async ({ stage }) => {
    const dates = { notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) };
    const { settings } = await client(stage, dates);
    expect(await failureOf(stage, settings)).toMatchObject({
      cause: 'tls_failed',
      hint: expect.stringMatching(/cert\.pem expired at \S+Z: have it issued again \(alert \d+, /),
    });
  });

  test('refuses who has none', async ({ stage }) => {
    const { settings, remove } = await client(stage);
    await remove('cert.pem');
    await remove('key.pem');
    expect((await failureOf(stage, settings))['hint']).toMatch(/^it asks for a client certificate: put /);
  });

  test('is told by check, with the hint', async ({ stage }) => {
    const { settings } = await client(stage, {}, stranger);
    await stage.certs.install(await makeSet());
    const env = { ...SHORT, ...settings, CERT_DIR: stage.certs.path };
    const { status, stdout } = run('check', env);
    expect(status).not.toBe(0);
    expect(stdout).toMatch(/refuses the watcher/);
  });
});

describeWith(PROXY, 'a socket proxy over TLS', () => {
  test('is configured by socket-policy, and restarts the broker for a rotation', async ({ stage }) => {
    const { settings } = await client(stage);
    const broker = await brokerWithSet(stage);
    const env = { ...SHORT, ...settings, CERT_DIR: stage.certs.path, MOSQUITTO_CONTAINER: broker.name };
    const own = await closedPort();
    const policy = run('socket-policy', env)
      .stdout.replaceAll('/usr/local/etc/haproxy', directory)
      .replace('/var/run/docker.sock', engine.api.socketPath)
      .replace(`bind :${port} `, `bind 127.0.0.1:${own} `);
    // by a plain port it is seen to be up
    const plain = 'frontend plain\n    bind :2375\n    http-request deny\n';
    const proxy = await startHaproxyAs(stage.directory, `${policy}\n${plain}`);
    stage.onEnd(proxy.close);
    const daemon = stage.watch(broker, { ...settings, DOCKER_HOST: `tcp://127.0.0.1:${own}` });
    expect((await daemon.says('engine_access')).details).toMatchObject({ access: 'restricted' });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

/** In TLS 1.3, without the tickets that tell that a client certificate was taken. */
const WITHOUT_TICKETS = `
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/_ping' else 404)
        self.send_header('Api-Version', '1.44')
        self.end_headers()
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
context.num_tickets = 0
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`;

describeWith(all(NEEDS, program('python3')), 'a server that says nothing after the handshake', () => {
  test('is asked all the same', async ({ stage }) => {
    const { settings } = await client(stage);
    const own = await closedPort();
    const server = spawn('python3', ['-c', WITHOUT_TICKETS, String(own), join(directory, 'proxy.pem')]);
    stage.onEnd(() => server.kill());
    const env = { ...SHORT, ...settings, DOCKER_HOST: `tcp://127.0.0.1:${own}`, CERT_DIR: stage.certs.path };
    await until('an answer', () => /HTTP 404/.test(run('check', env).stdout), { withinMs: 20_000 });
  });
});
