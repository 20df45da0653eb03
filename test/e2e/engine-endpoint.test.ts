/** What listens where the settings point: an engine behind TLS, and the engine of an ordinary user. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { executable } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { createDockerd } from '../support/dockerd.ts';
import { all, describeWith, program, ROOT } from '../support/needs.ts';
import { startPodman } from '../support/podman.ts';
import { startHaproxyAs } from '../support/socket-proxy.ts';
import { makeSet, SHORT, type Stage, test } from '../support/stage.ts';

const HAPROXY =
  executable('haproxy') === undefined
    ? { ok: false as const, reason: 'no haproxy here' }
    : { ok: true as const };

/** What a server with TLS needs, as files. */
async function identity(stage: Stage) {
  const authority = await createAuthority({ cn: 'Engine CA' });
  const { certPem, keyPem } = await authority.issue({ cn: 'engine', sans: ['127.0.0.1'] });
  const at = (name: string) => join(stage.directory, name);
  await writeFile(at('engine-ca.pem'), authority.certPem);
  await writeFile(at('engine-cert.pem'), certPem);
  await writeFile(at('engine-key.pem'), keyPem);
  await writeFile(at('engine.pem'), certPem + keyPem);
  return at;
}

/** What the watcher says of an engine there. */
async function saidOf(stage: Stage, settings: Record<string, string>) {
  await stage.certs.install(await makeSet());
  const daemon = stage.daemon({ ...SHORT, CERT_DIR: stage.certs.path, ...settings });
  return (await daemon.says('restart_failed')).details;
}

describeWith(all(ROOT, program('dockerd')), 'an engine that demands TLS', () => {
  test('is told with a hint that says so', async ({ stage }) => {
    const at = await identity(stage);
    const port = await closedPort();
    const tls = ['--tlsverify', '--tlscacert', at('engine-ca.pem'), '--tlscert', at('engine-cert.pem')];
    const args = ['--host', `tcp://127.0.0.1:${port}`, ...tls, '--tlskey', at('engine-key.pem')];
    const engine = await createDockerd(at('engine'), { args });
    stage.onEnd(engine.end);
    await engine.start();
    expect(await saidOf(stage, { DOCKER_HOST: `tcp://127.0.0.1:${port}` })).toMatchObject({
      cause: 'call_refused',
      hint: expect.stringMatching(/^that port expects TLS/),
    });
  });
});

describeWith(HAPROXY, 'a proxy that demands TLS', () => {
  test('is told with a hint that thinks of it', async ({ stage }) => {
    const at = await identity(stage);
    const lines = [
      'defaults',
      '    mode http',
      '    timeout connect 5s',
      '    timeout client 5s',
      '    timeout server 5s',
      'frontend plain',
      '    bind :2375',
      '    http-request return status 200',
      'frontend tls',
      `    bind 127.0.0.1:0 ssl crt ${at('engine.pem')}`,
      '    http-request return status 200',
    ];
    const port = await closedPort();
    const text = `${lines.join('\n')}\n`.replace('127.0.0.1:0', `127.0.0.1:${port}`);
    const proxy = await startHaproxyAs(stage.directory, text);
    stage.onEnd(proxy.close);
    const { hint } = await saidOf(stage, { DOCKER_HOST: `tcp://127.0.0.1:${port}` });
    expect(hint).toMatch(/TLS/);
  });
});

describeWith(all(ROOT, program('podman')), 'the engine of an ordinary user', () => {
  test('grants what that user may do, and is not called root', async ({ stage }) => {
    const podman = await startPodman(join(stage.directory, 'podman'), { uid: 12_345 });
    stage.onEnd(podman.end);
    // it is slow the first time, or beside other tests, and the watcher does not wait for it for long
    const isPrompt = async () => {
      const askedMs = performance.now();
      await podman.api.ask('GET', '/info');
      return performance.now() - askedMs < 1_500;
    };
    await until('podman to say at once what it is', isPrompt, { withinMs: 240_000 });
    await stage.certs.install(await makeSet());
    const daemon = stage.daemon({ ...SHORT, CERT_DIR: stage.certs.path, DOCKER_SOCK: podman.api.socketPath });
    const { details } = await daemon.says('engine_access');
    expect(details).toMatchObject({ access: 'whole_engine' });
    expect(details['message']).toMatch(/every right of the user who runs it \(rootless\)/);
  });
});
