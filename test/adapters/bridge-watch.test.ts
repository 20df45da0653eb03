/** The watch of bridges against real Mosquittos: one that bridges to another, up, down and back. */

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, describe, expect } from 'vitest';
import {
  type BridgeWatch,
  type BridgeWatchOptions,
  createBridgeWatch,
} from '../../src/adapters/bridge-watch.ts';
import { presentedLeaf } from '../../src/adapters/listener-certificate.ts';
import { parseCertificates } from '../../src/system/x509.ts';
import { createAuthority } from '../support/certificates.ts';
import { describeWith, program } from '../support/needs.ts';
import { startMosquitto, startMosquittoWith } from '../support/real-servers.ts';
import { closedPort } from '../support/tls-servers.ts';
import { until } from '../support/until.ts';

const LOCAL = '127.0.0.1';

/** What a test has opened is closed when it ends, last things first. */
const test = base.extend('room', async ({ task }, { onCleanup }) => {
  const directory = await mkdtemp(join(tmpdir(), `bridge-watch-${task.id}-`));
  const undoes: (() => unknown)[] = [() => rm(directory, { recursive: true, force: true })];
  onCleanup(async () => {
    for (const undo of undoes.toReversed()) await undo();
  });
  const watch = (port: number, options: Partial<BridgeWatchOptions> = {}): BridgeWatch => {
    const watching = createBridgeWatch({
      url: { tls: false, host: LOCAL, port },
      credentialsFile: undefined,
      caFile: join(directory, 'ca.crt'),
      bridgeName: undefined,
      onChange: () => undefined,
      ...options,
    });
    undoes.push(() => watching.close());
    return watching;
  };
  const broker = async (lines: readonly string[], port?: number) => {
    const server = await startMosquittoWith(lines, port);
    undoes.push(() => server.close());
    return server;
  };
  const file = async (name: string, text: string) => {
    const path = join(directory, name);
    await writeFile(path, text);
    return path;
  };
  return { watch, broker, file, undoes };
});

const bridgeTo = (port: number) => [
  'allow_anonymous true',
  'connection upstream',
  `address ${LOCAL}:${port}`,
  'remote_clientid edge.cloud',
  'topic # out 0',
  'restart_timeout 1 1',
];

const isUp = (watch: BridgeWatch) => until('the bridge to be up', () => upOf(watch) === true);
const isDown = (watch: BridgeWatch) => until('the bridge to be down', () => upOf(watch) === false);

function upOf(watch: BridgeWatch): boolean | undefined {
  const sight = watch.sight();
  return sight.ok ? sight.bridges[0]?.up : undefined;
}

async function problemOf(watch: BridgeWatch, pattern: RegExp): Promise<string> {
  return until(`a problem like ${pattern}`, () => {
    const sight = watch.sight();
    return !sight.ok && pattern.test(sight.problem) && `${sight.problem}; ${sight.hint}`;
  });
}

describeWith(program('mosquitto'), 'the bridge of a real broker', () => {
  test('is seen to be up, to go down with the upstream, and to connect again', async ({ room }) => {
    const upstream = await room.broker(['allow_anonymous true']);
    const edge = await room.broker(bridgeTo(upstream.port));
    const watch = room.watch(edge.port);
    await isUp(watch);
    expect(watch.sight()).toMatchObject({ bridges: [{ connection: 'edge.cloud', up: true }] });
    await upstream.close();
    await isDown(watch);
    const before = watch.sight();
    await room.broker(['allow_anonymous true'], upstream.port);
    await isUp(watch);
    const connects = (sight: typeof before) => (sight.ok ? (sight.bridges[0]?.connects ?? 0) : 0);
    expect(connects(watch.sight())).toBe(connects(before) + 1);
  });

  test('is seen again when the broker has been restarted', async ({ room }) => {
    const upstream = await room.broker(['allow_anonymous true']);
    const edge = await room.broker(bridgeTo(upstream.port));
    const watch = room.watch(edge.port);
    await isUp(watch);
    await edge.close();
    await problemOf(watch, /cannot be reached|has closed/);
    await room.broker(bridgeTo(upstream.port), edge.port);
    await isUp(watch);
  });

  test('is told of as the only one that counts, or as one that the broker does not know', async ({
    room,
  }) => {
    const upstream = await room.broker(['allow_anonymous true']);
    const edge = await room.broker(bridgeTo(upstream.port));
    await isUp(room.watch(edge.port, { bridgeName: 'edge.cloud' }));
    const stranger = room.watch(edge.port, { bridgeName: 'another' });
    await until('the broker to have told all', () => stranger.sight().ok);
    expect(stranger.sight()).toEqual({ ok: true, bridges: [] });
  });

  test('is asked for with user and password out of a file', async ({ room }) => {
    const passwords = await room.file('passwords', '');
    execFileSync('mosquitto_passwd', ['-b', passwords, 'watcher', 'a:b c']);
    const edge = await room.broker(['allow_anonymous false', `password_file ${passwords}`]);
    const good = room.watch(edge.port, { credentialsFile: await room.file('good', 'watcher:a:b c\n') });
    await until('the login', () => good.sight().ok);
    const bad = room.watch(edge.port, { credentialsFile: await room.file('bad', 'watcher:sesame\n') });
    expect(await problemOf(bad, /refuses the login/)).not.toContain('sesame');
    const nobody = room.watch(edge.port);
    expect(await problemOf(nobody, /refuses the login/)).toContain('BROKER_CREDENTIALS_FILE');
  });

  test('is not told of where the user may not read $SYS: that is said', async ({ room }) => {
    const acl = await room.file('acl', 'topic read other/#\n');
    const edge = await room.broker(['allow_anonymous true', `acl_file ${acl}`]);
    const watch = room.watch(edge.port);
    // Mosquitto grants the subscription and sends nothing
    await until('the login', () => watch.sight().ok);
    expect(watch.sight()).toEqual({ ok: true, bridges: [] });
  });
});

describeWith(program('mosquitto'), 'a TLS listener of a real broker', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'shows its certificate, even to who has none (%s)',
    async (version) => {
      const root = await createAuthority();
      const identity = await root.issue({ sans: ['localhost'] });
      const server = await startMosquitto({ identity, trusted: root.certPem, version });
      const leaf = await presentedLeaf({ tls: true, host: LOCAL, port: server.port });
      await server.close();
      const parsed = parseCertificates(Buffer.from(identity.certPem));
      expect(leaf).toBe(parsed.ok ? parsed.certificates[0]?.sha256 : undefined);
    },
  );

  test('is trusted by its CA alone', async ({ room }) => {
    const root = await createAuthority();
    const identity = await root.issue({ sans: ['localhost'] });
    const cert = await room.file('cert', identity.certPem);
    const key = await room.file('key', identity.keyPem);
    const server = await room.broker(['allow_anonymous true', `certfile ${cert}`, `keyfile ${key}`]);
    const url = { tls: true, host: 'localhost', port: server.port };
    const trusting = room.watch(server.port, { url, caFile: await room.file('ca', root.certPem) });
    await until('the login', () => trusting.sight().ok);
    const other = await createAuthority();
    const doubting = room.watch(server.port, { url, caFile: await room.file('other', other.certPem) });
    const doubt = await problemOf(doubting, /cannot be trusted/);
    expect(doubt).toContain('BROKER_CA_FILE');
    expect(doubt).not.toMatch(/Node\.js/);
    const without = room.watch(server.port, { url, caFile: '/nowhere/ca.crt' });
    await problemOf(without, /^\/nowhere\/ca\.crt does not exist/);
  });
});

describe('whatever answers', () => {
  /** A server that does this with everybody who comes. */
  async function odd(treat: (socket: Socket) => void, undoes: (() => unknown)[]) {
    let visits = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      visits += 1;
      sockets.add(socket.on('error', () => undefined));
      treat(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, LOCAL, resolve));
    undoes.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return { port, visits: () => visits };
  }

  const ODDITIES: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['hangs up at once', (socket) => void socket.destroy()],
    ['speaks HTTP', (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['sends noise', (socket) => void socket.write(Buffer.alloc(100_000, 0xa5))],
    ['resets', (socket) => void socket.resetAndDestroy()],
  ];
  for (const [what, treat] of ODDITIES) {
    test(`${what}: it is told as trouble, and the watch goes on`, async ({ room }) => {
      const { port, visits } = await odd(treat, room.undoes);
      const watch = room.watch(port);
      await problemOf(watch, /cannot be reached|has closed/);
      await until('another attempt', () => visits() > 1);
    });
  }

  test('nobody listens there: it says so', async ({ room }) => {
    const watch = room.watch(await closedPort());
    expect(await problemOf(watch, /cannot be reached/)).toMatch(/ECONNREFUSED.*BROKER_URL/);
  });

  test('a credentials file that is none is told without its content', async ({ room }) => {
    const watch = room.watch(1, { credentialsFile: await room.file('file', 'sesame\nopen\n') });
    expect(await problemOf(watch, /is not one line/)).not.toMatch(/sesame|open\b/);
  });
});
