import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { executable } from '../../../lab/real-servers.ts';
import { neededCalls } from '../../../src/core/engine/calls.ts';
import type { Settings } from '../../../src/core/model/settings.ts';
import { haproxyConfiguration, policyJson } from '../../../src/surfaces/terminal/socket-policy.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { startHaproxyAs } from '../../support/socket-proxy.ts';

const ID = 'c'.repeat(64);
const LABEL = { target: { kind: 'label', label: 'role=broker' } } as const;
const SERVICE = { target: { kind: 'service', name: 'edge.mosquitto' } } as const;
const SIGHUP = {
  target: { kind: 'containers', names: ['broker', 'second'] },
  reloadStrategy: 'sighup',
} as const;

const KINDS: readonly [string, Partial<Settings>][] = [
  ['one container', {}],
  ['containers that get a signal', SIGHUP],
  ['a label', LABEL],
  ['a service', SERVICE],
  ['a label, where nothing may be restarted', { ...LABEL, restartEnabled: false }],
  [
    'a socket with blanks and quotes in its path',
    { engine: { kind: 'unix', path: "/run/my 'own'/#1.sock" } },
  ],
];

function configurationFor(change: Partial<Settings>): string {
  const settings = fix.settings(change);
  return haproxyConfiguration(neededCalls(settings), settings.engine);
}

describe('the configuration of HAProxy', () => {
  it('leads to the socket of the settings', () => {
    const engine = { kind: 'unix', path: '/run/podman/podman.sock' } as const;
    expect(configurationFor({ engine })).toMatch(/^ {4}server engine unix@\/run\/podman\/podman\.sock$/m);
  });

  it('never leads to the proxy itself: of a DOCKER_HOST on TCP it takes the port to listen on', () => {
    const text = configurationFor({ engine: { kind: 'tcp', host: 'docker-socket-proxy', port: 2376 } });
    expect(text).toMatch(/^ {4}bind :2376$/m);
    expect(text).toMatch(/^ {4}server engine unix@\/var\/run\/docker\.sock$/m);
    expect(text).not.toContain('docker-socket-proxy');
  });

  it('lets nobody in without a certificate where the watcher speaks TLS', () => {
    const tls = { directory: '/etc/engine' };
    const text = configurationFor({ engine: { kind: 'tcp', host: 'proxy', port: 2376, tls } });
    expect(text).toMatch(/^ {4}bind :2376 ssl crt \S+\.pem ca-file \S+\.pem verify required$/m);
  });

  it('says plainly what a label makes of it', () => {
    expect(configurationFor(LABEL)).toMatch(/^ {4}# .*allows restarting any container$/m);
  });

  it('says plainly what a service makes of it', () => {
    expect(configurationFor(SERVICE)).toMatch(/^ {4}# .*as powerful as the whole engine$/m);
  });
});

describe('the policy as JSON', () => {
  it('is one object on one line', () => {
    expect(policyJson(neededCalls(fix.settings()))).toMatch(/^\{"calls":\[.*\]\}\n$/);
  });

  it('has method, path and reason of each call, and a query where one is required', () => {
    const { calls } = JSON.parse(policyJson(neededCalls(fix.settings(SIGHUP))));
    const kill = '^(/v1\\.[0-9]+)?/containers/[0-9a-f]{64}/kill$';
    expect(calls).toHaveLength(5);
    expect(calls.at(-1)).toEqual({
      method: 'POST',
      path: kill,
      query: '^signal=SIGHUP$',
      why: expect.stringContaining('could kill the broker'),
    });
    expect(calls[0]).toEqual({
      method: 'GET',
      path: '^(/v1\\.[0-9]+)?/_ping$',
      why: expect.any(String),
    });
  });
});

const isMissing = executable('haproxy') === undefined;

describe.skipIf(isMissing)(`HAProxy${isMissing ? ' [skipped: no haproxy here]' : ''}`, () => {
  it.each(KINDS)('takes the configuration without a word: %s', async (_, change) => {
    const file = join(await temporaryDirectory(), 'haproxy.cfg');
    await writeFile(file, configurationFor(change));
    const { status, stderr } = spawnSync(executable('haproxy') ?? '', ['-c', '-q', '-f', file], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('lets a signal through, but no other, whichever way it is said', async () => {
    const { proxy, heard } = await startProxied(SIGHUP);
    const statuses = [
      await proxy.call('POST', `/v1.47/containers/${ID}/kill?signal=SIGHUP`),
      await proxy.call('POST', `/containers/${ID}/kill?signal=SIGHUP`, 'signal=SIGKILL'),
      await proxy.call('POST', `/containers/${ID}/kill`),
      await proxy.call('POST', `/containers/${ID}/kill?signal=SIGKILL`),
      await proxy.call('POST', `/containers/${ID}/kill?signal=SIGHUP&signal=SIGKILL`),
      await proxy.call('POST', `/containers/${ID}/kill?sig%6eal=SIGKILL&signal=SIGHUP`),
      await proxy.call('POST', '/containers/broker/kill?signal=SIGHUP'),
    ];
    expect(statuses).toEqual([200, 200, 403, 403, 403, 403, 403]);
    // without its type a body is no form, and the engine takes the signal of the query
    expect(heard.map(({ type }) => type)).toEqual([undefined, undefined]);
  });

  it.each<[string, Partial<Settings>, string, string, number]>([
    ['the list of containers', LABEL, 'GET', '/v1.47/containers/json?filters=%7B%7D', 200],
    ['the restart of any container', LABEL, 'POST', `/containers/${ID}/restart?t=10`, 200],
    ['no new container', LABEL, 'POST', '/containers/create', 403],
    ['no way out of the path', LABEL, 'POST', '/containers/x%2f..%2fy/restart', 403],
    ['the update of the service', SERVICE, 'POST', '/v1.47/services/edge.mosquitto/update?version=3', 200],
    ['no update of another', SERVICE, 'POST', '/services/edge-mosquitto/update?version=3', 403],
    ['the restart of the broker', {}, 'POST', `/v1.47/containers/${ID}/restart?t=10`, 200],
    ['no restart by name', {}, 'POST', '/v1.47/containers/eclipse-mosquitto/restart?t=10', 403],
    ['no restart', { restartEnabled: false }, 'POST', `/containers/${ID}/restart?t=10`, 403],
  ])('lets through %s', async (_, change, method, path, status) => {
    const { proxy } = await startProxied(change);
    expect(await proxy.call(method, path)).toBe(status);
  });
});

/** HAProxy with the policy for these settings, before an engine that says yes to everything. */
async function startProxied(change: Partial<Settings>) {
  const directory = await temporaryDirectory();
  const path = join(directory, 'engine.sock');
  const heard: { readonly url: string | undefined; readonly type: string | undefined }[] = [];
  const engine = createServer(({ url, headers }, outgoing) => {
    heard.push({ url, type: headers['content-type'] });
    outgoing.end('{}');
  });
  onTestFinished(() => void engine.close());
  engine.listen(path);
  await once(engine, 'listening');
  const proxy = await startHaproxyAs(
    directory,
    configurationFor({ ...change, engine: { kind: 'unix', path } }),
  );
  onTestFinished(proxy.close);
  return { proxy, heard };
}
