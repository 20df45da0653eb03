/** The watch of bridges against real Mosquittos: one that bridges to another, up, down and back. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { test as base, describe, expect } from 'vitest';
import { createAuthority } from '../../../lab/certificates.ts';
import { startMosquitto, startMosquittoWith } from '../../../lab/real-servers.ts';
import { removeTree } from '../../../lab/remove-tree.ts';
import { closedPort } from '../../../lab/tls-servers.ts';
import { until } from '../../../lab/until.ts';
import {
  type BridgeClient,
  type BridgeListenerOptions,
  createBridgeListener,
} from '../../../src/adapters/broker-listener/bridges.ts';
import { presentedLeaf } from '../../../src/adapters/broker-listener/certificate.ts';
import { parseCertificates } from '../../../src/system/x509.ts';
import {
  CONNACK,
  type FakeBrokerOptions,
  headOfLongMessage,
  SUBACK,
  startFakeBroker,
  stateOf,
} from '../../support/fake-broker.ts';
import { MEASURED } from '../../support/measured.ts';
import { describeWith, program } from '../../support/needs.ts';

const LOCAL = '127.0.0.1';

/** What a test has opened is closed when it ends, last things first. */
const test = base.extend('room', async ({ task }, { onCleanup }) => {
  const directory = await mkdtemp(join(tmpdir(), `bridge-watch-${task.id}-`));
  const undoes: (() => unknown)[] = [() => removeTree(directory)];
  onCleanup(async () => {
    for (const undo of undoes.toReversed()) await undo();
  });
  const watch = (
    port: number,
    options: Partial<BridgeListenerOptions> & { readonly onChange?: () => void } = {},
  ): BridgeClient => {
    const { onChange = () => undefined, ...others } = options;
    const watching = createBridgeListener({
      url: { tls: false, host: LOCAL, port },
      credentialsFile: undefined,
      caFile: join(directory, 'ca.crt'),
      bridgeName: undefined,
      ...others,
    });
    watching.open(onChange);
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
  const fake = async (options: FakeBrokerOptions = {}) => {
    const server = await startFakeBroker(options);
    undoes.push(() => server.close());
    return server;
  };
  return { watch, broker, fake, file, undoes };
});

const bridgeTo = (port: number) => [
  'allow_anonymous true',
  'connection upstream',
  `address ${LOCAL}:${port}`,
  'remote_clientid edge.cloud',
  'topic # out 0',
  'restart_timeout 1 1',
];

const isUp = (watch: BridgeClient) => until('the bridge to be up', () => upOf(watch) === true);
const isDown = (watch: BridgeClient) => until('the bridge to be down', () => upOf(watch) === false);

function upOf(watch: BridgeClient): boolean | undefined {
  const sight = watch.sight();
  return sight.ok ? sight.bridges[0]?.up : undefined;
}

async function problemOf(watch: BridgeClient, pattern: RegExp): Promise<string> {
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
    const [fell, rose] = [before, watch.sight()].map((sight) => (sight.ok ? sight.bridges[0] : undefined));
    // Mosquitto says once more that it is down when it tries again
    expect(fell?.fellAt).toBeGreaterThan(fell?.roseAt ?? Number.NaN);
    expect(rose?.roseAt).toBeGreaterThan(fell?.fellAt ?? Number.NaN);
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

  test('is reported as the only one that counts, or as unknown to the broker', async ({ room }) => {
    const upstream = await room.broker(['allow_anonymous true']);
    const edge = await room.broker(bridgeTo(upstream.port));
    await isUp(room.watch(edge.port, { bridgeName: 'edge.cloud' }));
    const stranger = room.watch(edge.port, { bridgeName: 'another' });
    await until('the broker to have told all', () => stranger.sight().ok);
    expect(stranger.sight()).toMatchObject({ ok: true, bridges: [], messages: 0 });
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

  test('is not reported where the user may not read $SYS: that is said', async ({ room }) => {
    const acl = await room.file('acl', 'topic read other/#\n');
    const edge = await room.broker(['allow_anonymous true', `acl_file ${acl}`]);
    const watch = room.watch(edge.port);
    // Mosquitto grants the subscription and sends nothing
    await until('the login', () => watch.sight().ok);
    expect(watch.sight()).toMatchObject({ ok: true, bridges: [] });
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
      const parsed = parseCertificates(Buffer.from(identity.certPem), 'chain');
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

/** The names of the bridges that are up, as soon as there is one called so. */
async function namesWith(watch: BridgeClient, name: string): Promise<readonly string[]> {
  return until(`a bridge called ${name}`, () => {
    const sight = watch.sight();
    const names = sight.ok ? sight.bridges.filter(({ up }) => up).map(({ connection }) => connection) : [];
    return names.includes(name) && names;
  });
}

const MEGABYTE = 2 ** 20;

describe('a client that publishes on the topics of bridges', () => {
  test('a message of 60 MB blinds nobody: it is passed over, and what follows it is heard', async ({
    room,
  }) => {
    const { port } = await room.fake({
      afterwards: (socket) => {
        socket.write(headOfLongMessage(60 * MEGABYTE));
        socket.write(Buffer.alloc(60 * MEGABYTE), () => socket.write(stateOf('edge.cloud', '1', true)));
      },
    });
    const watch = room.watch(port);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const measuring = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 2);
    await namesWith(watch, 'edge.cloud');
    clearInterval(measuring);
    expect(watch.sight()).toMatchObject({ leftOut: { messages: true, bridges: false } });
    // the 60 MB are the other side's
    expect(most).toBeLessThan(62 * MEGABYTE);
  });

  test('30,000 bridges that it makes up cost no more than 64', async ({ room }) => {
    const made = Array.from({ length: 30_000 }, (_, index) => stateOf(`made-up-${index}`, '1', true));
    let changes = 0;
    const { port } = await room.fake({ afterwards: (socket) => void socket.write(Buffer.concat(made)) });
    const watch = room.watch(port, {
      onChange: () => {
        changes += 1;
      },
    });
    const names = await namesWith(watch, 'made-up-0');
    expect(names).toHaveLength(64);
    expect(watch.sight()).toMatchObject({ leftOut: { bridges: true }, messages: 30_000 });
    expect(changes).toBe(1);
  });

  test('with BRIDGE_NAME nothing but that bridge is kept', async ({ room }) => {
    const others = Array.from({ length: 100 }, (_, index) => stateOf(`made-up-${index}`, '1', true));
    const { port } = await room.fake({
      afterwards: (socket) => void socket.write(Buffer.concat([...others, stateOf('edge.cloud', '1', true)])),
    });
    const watch = room.watch(port, { bridgeName: 'edge.cloud' });
    expect(await namesWith(watch, 'edge.cloud')).toEqual(['edge.cloud']);
    expect(watch.sight()).toMatchObject({ leftOut: { bridges: false } });
  });

  test('a name of 60 kB is not kept, and one of 256 bytes is', async ({ room }) => {
    const long = 'n'.repeat(256);
    const { port } = await room.fake({
      afterwards: (socket) =>
        void socket.write(Buffer.concat([stateOf('n'.repeat(60_000), '1', true), stateOf(long, '1', true)])),
    });
    expect(await namesWith(room.watch(port), long)).toEqual([long]);
  });

  test('an empty message makes the bridge forgotten, not down', async ({ room }) => {
    const broker = await room.fake({
      afterwards: (socket) => void socket.write(stateOf('edge.cloud', '1', true)),
    });
    const watch = room.watch(broker.port);
    await namesWith(watch, 'edge.cloud');
    broker.send(stateOf('edge.cloud', ''));
    await until('it to be forgotten', () => {
      const sight = watch.sight();
      return sight.ok && sight.bridges.length === 0;
    });
  });

  test('a bridge that flaps a thousand times wakes the loop a few times', async ({ room }) => {
    let changes = 0;
    const broker = await room.fake({
      afterwards: (socket) => void socket.write(stateOf('edge.cloud', '1', true)),
    });
    const watch = room.watch(broker.port, {
      onChange: () => {
        changes += 1;
      },
    });
    await namesWith(watch, 'edge.cloud');
    for (let round = 0; round < 500; round += 1) {
      broker.send(Buffer.concat([stateOf('edge.cloud', '0'), stateOf('edge.cloud', '1')]));
    }
    broker.send(stateOf('edge.other', '1'));
    await namesWith(watch, 'edge.other');
    const sight = watch.sight();
    expect(sight.ok && sight.bridges.find(({ connection }) => connection === 'edge.cloud')).toMatchObject({
      up: true,
      changes: 1_001,
      fellAt: 1_000,
      roseAt: 1_001,
    });
    expect(changes).toBeLessThanOrEqual(3);
  });

  test('what is retained is never taken for something that has just happened', async ({ room }) => {
    const { port } = await room.fake({
      afterwards: (socket) =>
        void socket.write(
          Buffer.concat([stateOf('edge.cloud', '0', true), stateOf('edge.cloud', '1', true)]),
        ),
    });
    const watch = room.watch(port);
    await namesWith(watch, 'edge.cloud');
    expect(watch.sight()).toMatchObject({ lastLive: 0, bridges: [{ fellAt: 0, roseAt: 0 }] });
  });
});

describe('a broker that does not keep to the protocol', () => {
  const ODD_ANSWERS: readonly (readonly [string, FakeBrokerOptions, RegExp])[] = [
    ['a connack of three bytes', { connack: Buffer.from([0x20, 3, 0, 0, 0]) }, /connack of 3 bytes/],
    ['a connack that never ends', { connack: headOfLongMessage(200 * MEGABYTE) }, /publish of \d+ bytes/],
    ['a length of five bytes', { connack: Buffer.from([0x20, 0xff, 0xff, 0xff, 0xff, 1]) }, /without an end/],
    ['a second connack', { suback: CONNACK }, /connack of 2 bytes/],
    ['a suback for something else', { suback: Buffer.from([0x90, 3, 0, 9, 0]) }, /was not asked for/],
    ['a suback with two codes', { suback: Buffer.from([0x90, 4, 0, 1, 0, 0]) }, /suback of 4 bytes/],
    ['a second suback', { suback: Buffer.concat([SUBACK, SUBACK]) }, /suback of 3 bytes/],
    ['a refused subscription', { suback: Buffer.from([0x90, 3, 0, 1, 0x80]) }, /does not let us read/],
    ['a message at QoS 2', { suback: Buffer.from([0x34, 6, 0, 1, 0x61, 0, 1, 0x31]) }, /publish of 6 bytes/],
    ['a topic that does not end', { suback: Buffer.from([0x30, 2, 0xff, 0xff]) }, /topic has no end/],
    ['a puback', { suback: Buffer.from([0x40, 2, 0, 1]) }, /puback of 2 bytes/],
    ['a refused login', { connack: Buffer.from([0x20, 2, 0, 3]) }, /return code 3/],
  ];
  for (const [what, answers, problem] of ODD_ANSWERS) {
    test(`${what}: it is told, the connection is given up, and the next one is made`, async ({ room }) => {
      const broker = await room.fake(answers);
      const watch = room.watch(broker.port);
      await problemOf(watch, problem);
      await until('another attempt', () => broker.visits() > 1);
      expect(broker.open()).toBeLessThanOrEqual(1);
    });
  }

  test('messages before the answer to the subscription are heard', async ({ room }) => {
    const { port } = await room.fake({ suback: Buffer.concat([stateOf('edge.cloud', '1', true), SUBACK]) });
    await namesWith(room.watch(port), 'edge.cloud');
  });

  test('packets that come byte by byte are heard', async ({ room }) => {
    const { port } = await room.fake({
      afterwards: async (socket) => {
        for (const byte of stateOf('edge.cloud', '1', true)) {
          socket.write(Buffer.from([byte]));
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    });
    await namesWith(room.watch(port), 'edge.cloud');
  });

  test('tiny packets without an end leave time for everything else', MEASURED, async ({ room }) => {
    const flood = new Worker(new URL('../../support/ping-flood.ts', import.meta.url));
    room.undoes.push(() => flood.terminate());
    const [port] = await once(flood, 'message');
    await namesWith(room.watch(port), 'edge.cloud');
    const [cpu, loop] = [process.threadCpuUsage(), performance.eventLoopUtilization()];
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const { user, system } = process.threadCpuUsage(cpu);
    expect(performance.eventLoopUtilization(loop).utilization).toBeLessThan(0.25);
    expect(user + system).toBeLessThan(500_000);
  });

  test('one that says nothing is told, given up, and tried again', async ({ room }) => {
    const broker = await room.fake({ connack: Buffer.alloc(0) });
    const watch = room.watch(broker.port);
    await problemOf(watch, /has not answered for 5 s/);
    await until('another attempt', () => broker.visits() > 1);
  });

  test('a watch that is closed leaves nothing behind, whenever that is', async ({ room }) => {
    for (const answers of [{ connack: Buffer.alloc(0) }, { suback: Buffer.alloc(0) }, {}]) {
      const broker = await room.fake(answers);
      const watch = room.watch(broker.port);
      await until('a visit', () => broker.visits() === 1);
      await watch.close();
      await until('the connection to be closed', () => broker.open() === 0);
      expect(broker.visits()).toBe(1);
    }
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
