/** The fleet command before a real Mosquitto: what gateways have published there, and what anybody else has. */

import { execFileSync } from 'node:child_process';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { connectPublisher, fleetOf } from '../../lab/fleet.ts';
import { startMosquitto, startMosquittoWith } from '../../lab/real-servers.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { fleet, fleetJson, startFleet } from '../support/fleet-command.ts';
import { describeWith, program } from '../support/needs.ts';
import { type Stage, test } from '../support/stage.ts';

const ANYBODY = ['allow_anonymous true'];

async function broker(stage: Stage, lines: readonly string[] = ANYBODY, port?: number) {
  const server = await startMosquittoWith(lines, port);
  stage.onEnd(server.close);
  const url = `mqtt://127.0.0.1:${server.port}`;
  return { ...server, url };
}

async function publisher(stage: Stage, port: number) {
  const client = await connectPublisher(port);
  stage.onEnd(client.end);
  return client;
}

describeWith(program('mosquitto'), 'fleet', () => {
  test('shows every gateway, the worst first, with what to do', async ({ stage }) => {
    const { port, url } = await broker(stage);
    const client = await publisher(stage, port);
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'bridge_up' });
    await client.gateway({ topic: 'cert-watcher/edge-2', situation: 'rejected' });
    await client.gateway({ topic: 'cert-watcher/edge-3', situation: 'bridge_up' }, 'offline');
    const { code, output } = await fleet('--url', url);
    expect(output).toMatch(/^CRITICAL: 3 gateways: 2 critical, 1 ok\n/);
    expect(output).toMatch(
      /try: let the upstream trust the issuer of client\.crt\n {2}edge-2 .*edge-3.*\nok 1 gateway\n {2}edge-1 /s,
    );
    expect(code).toBe(2);
  });

  test.each([
    ['bridge_up', 0, 'ok'],
    ['expiring', 1, 'warning'],
    ['rejected', 2, 'critical'],
    ['starting', 3, 'unknown'],
  ])('ends like check: a gateway that is %s with %i', async (situation, exitCode, status) => {
    // a stage of its own is not needed: nothing is left behind
    const server = await startMosquittoWith(ANYBODY);
    const client = await connectPublisher(server.port);
    await client.gateway({ topic: 'site/a/edge-1', situation });
    const { code, document } = await fleetJson(
      '--url',
      `mqtt://127.0.0.1:${server.port}`,
      '--topic',
      'site/+/+',
    );
    await client.end();
    await server.close();
    expect({ code, document }).toMatchObject({ code: exitCode, document: { status, exit_code: exitCode } });
  });

  test('reads 3,000 gateways completely, although the broker drops messages of a subscription', async ({
    stage,
  }) => {
    const { port, url } = await broker(stage, [...ANYBODY, 'max_queued_messages 500']);
    const client = await publisher(stage, port);
    await client.fleet(fleetOf(3_000));
    const { document } = await fleetJson('--url', url);
    expect(document).toMatchObject({
      complete: true,
      counts: { critical: 90, warning: 150, unknown: 0, ok: 2_760 },
    });
    expect(document.gateways).toHaveLength(3_000);
  });

  test('reads gateways that have published nothing but their states', async ({ stage }) => {
    const { port, url } = await broker(stage);
    const client = await publisher(stage, port);
    const { publishedState } = await import('../../lab/fleet.ts');
    await client.publish('cert-watcher/edge-1/state', await publishedState('bridge_up'));
    const { code, document } = await fleetJson('--url', url);
    expect({ code, document }).toMatchObject({
      code: 0,
      document: { gateways: [{ online: null, status: 'ok' }] },
    });
  });

  test('is not fooled, driven or ended by what anybody has published', async ({ stage }) => {
    const { port, url } = await broker(stage);
    const client = await publisher(stage, port);
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'bridge_up' });
    await client.publish('cert-watcher/nasty/state', '\u001b]0;owned\u0007');
    await client.publish('cert-watcher/long/state', Buffer.alloc(2 ** 20, 0x20));
    await client.publish('cert-watcher/\u202egdep\u202c\u200b/availability', 'online');
    await client.publish('cert-watcher/bytes/availability', Buffer.from([0xff, 0xfe]));
    const { code, output } = await fleet('--url', url);
    expect(output.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(output).toContain('were too long to be a state');
    expect(output).toMatch(/edge-1 {2,}89 d left/);
    expect(code).toBe(3);
  });

  test('follows changes, also through a restart of the broker, and ends with 0', async ({ stage }) => {
    const first = await broker(stage);
    const client = await publisher(stage, first.port);
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'bridge_up' });
    const run = startFleet(['--url', first.url, '--watch']);
    stage.onEnd(() => run.stop('SIGKILL'));
    await run.line('the table', (line) => line.startsWith('OK: 1 gateway'));
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'rejected' });
    await run.line('the change', (line) => /edge-1 critical \(was ok\): the upstream refuses/.test(line));
    await client.end();
    await first.close();
    await run.line('the loss', (line) => /trying again$/.test(line));
    const second = await broker(stage, ANYBODY, first.port);
    const again = await publisher(stage, second.port);
    await again.gateway({ topic: 'cert-watcher/edge-2', situation: 'bridge_up' });
    await run.line('a new gateway', (line) => /edge-2 ok \(/.test(line));
    await run.line('the one that is gone', (line) => /edge-1 is gone$/.test(line));
    run.stop('SIGTERM');
    expect(await run.ended).toBe(0);
  });

  test('writes a line of JSON for each gateway and each change', async ({ stage }) => {
    const { port, url } = await broker(stage);
    const client = await publisher(stage, port);
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'bridge_up' });
    const run = startFleet(['--url', url, '--watch', '--json']);
    stage.onEnd(() => run.stop('SIGKILL'));
    await run.line('the gateway', (line) => line !== '' && JSON.parse(line).status === 'ok');
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'expired' });
    await run.line('the change', (line) => line !== '' && JSON.parse(line).cause === 'cert_expired');
    run.stop('SIGINT');
    expect(await run.ended).toBe(0);
  });

  test('ends when nobody reads what it writes any more', async ({ stage }) => {
    const { port, url } = await broker(stage);
    const client = await publisher(stage, port);
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'bridge_up' });
    const run = startFleet(['--url', url, '--watch']);
    stage.onEnd(() => run.stop('SIGKILL'));
    await run.line('the table', (line) => line.startsWith('OK: 1 gateway'));
    run.closeOutput();
    await client.gateway({ topic: 'cert-watcher/edge-1', situation: 'expired' });
    expect(await run.ended).toBe(0);
  });
});

describeWith(program('mosquitto'), 'the ACL that is shipped for the upstream', () => {
  test('lets a gateway publish what is its own, and whoever runs fleet read all of it', async ({ stage }) => {
    const passwords = join(stage.directory, 'passwords');
    await writeFile(passwords, '', { mode: 0o600 });
    for (const user of ['edge-1', 'fleet'])
      execFileSync('mosquitto_passwd', ['-b', passwords, user, 'sesame']);
    const acl = join(stage.directory, 'acl');
    await copyFile(fileURLToPath(new URL('../../deploy/mosquitto/upstream-acl', import.meta.url)), acl);
    const lines = ['allow_anonymous false', `password_file ${passwords}`, `acl_file ${acl}`];
    const { port, url } = await broker(stage, lines);
    const gateway = await connectPublisher(port, { username: 'edge-1', password: 'sesame' });
    stage.onEnd(gateway.end);
    await gateway.gateway({ topic: 'cert-watcher/edge-1', situation: 'bridge_up' });
    await gateway.gateway({ topic: 'cert-watcher/edge-2', situation: 'bridge_up' });
    const credentials = join(stage.directory, 'credentials');
    await writeFile(credentials, 'fleet:sesame\n');
    const { document } = await fleetJson('--url', url, '--credentials-file', credentials);
    expect(document.gateways).toMatchObject([{ topic: 'cert-watcher/edge-1', status: 'ok' }]);
  });
});

describeWith(program('mosquitto'), 'fleet without an answer', () => {
  test('ends with 3 and says why: nobody listens, no gateway, a wrong password, not MQTT', async ({
    stage,
  }) => {
    const passwords = join(stage.directory, 'passwords');
    await writeFile(passwords, '', { mode: 0o600 });
    execFileSync('mosquitto_passwd', ['-b', passwords, 'fleet', 'sesame']);
    const wrong = join(stage.directory, 'wrong');
    const right = join(stage.directory, 'right');
    await writeFile(wrong, 'fleet:guess\n');
    await writeFile(right, 'fleet:sesame\n');
    const locked = await broker(stage, ['allow_anonymous false', `password_file ${passwords}`]);
    const said = async (...flags: string[]) => {
      const { code, output } = await fleet(...flags);
      return `${code} ${output}`;
    };
    const nobody = `mqtt://127.0.0.1:${await closedPort()}`;
    expect(await said('--url', nobody)).toMatch(/^3 UNKNOWN: .* cannot be reached: connect ECONNREFUSED/);
    expect(await said('--url', locked.url)).toMatch(/^3 UNKNOWN: .* refuses the login/);
    const guessed = await said('--url', locked.url, '--credentials-file', wrong);
    expect(guessed).toMatch(/^3 UNKNOWN: .* refuses the login/);
    expect(guessed).not.toContain('guess');
    const empty = await said('--url', locked.url, '--credentials-file', right);
    expect(empty).toMatch(/^3 UNKNOWN: no gateway has published at cert-watcher\/\+/);
    expect(empty).toContain('may this user read');
    const tls = await said('--url', locked.url.replace('mqtt:', 'mqtts:'));
    expect(tls).toMatch(/^3 UNKNOWN: .* has (ended the handshake|closed the connection)/);
  });

  test('with 2, before it asks anybody, where a flag or a file cannot be used', async ({ stage }) => {
    const garbage = join(stage.directory, 'garbage');
    await writeFile(garbage, 'no certificate');
    const problem = async (...flags: string[]) => {
      const { code, output, errors } = await fleet(...flags);
      return `${code} ${output}${errors.split('\n')[0]}`;
    };
    expect(await problem()).toMatch(/^2 mosquitto-cert-watcher: fleet needs --url/);
    expect(await problem('--url', 'mqtt://user:secret@host')).not.toContain('secret');
    const tls = ['--url', 'mqtts://127.0.0.1:1'];
    expect(await problem(...tls, '--ca-file', '/nowhere')).toMatch(
      /^2 .*--ca-file: \/nowhere does not exist/,
    );
    expect(await problem(...tls, '--cert-file', garbage)).toMatch(/^2 .*belong together/);
    expect(await problem(...tls, '--cert-file', garbage, '--key-file', garbage)).toMatch(
      /^2 .*cannot be used/,
    );
    expect(await problem(...tls, '--credentials-file', garbage)).toMatch(
      /^2 .*not one line with user:password/,
    );
    expect(await problem(...tls, '--topic', 'a/#')).toMatch(/^2 .*--topic="a\/#" is not a topic/);
  });
});

describeWith(program('mosquitto'), 'fleet with TLS', () => {
  test('presents its certificate, and trusts the CA that it is given, alone', async ({ stage }) => {
    const authority = await createAuthority({ cn: 'Upstream CA' });
    const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'], key: 'rsa-2048' });
    const operator = await authority.issue({ cn: 'operator' });
    const server = await startMosquitto({ identity, trusted: authority.certPem, version: 'TLSv1.3' });
    stage.onEnd(server.close);
    const file = async (name: string, text: string) => {
      await writeFile(join(stage.directory, name), text);
      return join(stage.directory, name);
    };
    const ca = ['--ca-file', await file('ca', authority.certPem)];
    const cert = [
      '--cert-file',
      await file('cert', operator.chainPem),
      '--key-file',
      await file('key', operator.keyPem),
    ];
    const url = ['--url', `mqtts://127.0.0.1:${server.port}`];
    expect((await fleet(...url, ...ca, ...cert)).output).toMatch(/^UNKNOWN: no gateway has published/);
    expect((await fleet(...url, ...ca)).output).toMatch(/^UNKNOWN: .* has (ended the handshake|closed)/);
    expect((await fleet(...url, ...cert)).output).toMatch(/^UNKNOWN: .* cannot be trusted/);
  });
});
