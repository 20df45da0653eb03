/** What is read of a mosquitto.conf, against what the Mosquitto of this machine opens, listens on and refuses. */

import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { MOSQUITTO } from '../../lab/broker-image.ts';
import { createAuthority } from '../../lab/certificates.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { type BrokerConf, isEncrypted, speaksTls } from '../../src/core/model/broker-conf.ts';
import type { ConfFile } from '../../src/core/text/conf-scope.ts';
import { type ReadConf, readConfAs } from '../../src/core/text/mosquitto-conf.ts';
import { DIALECT, MOSQUITTO_VERSION } from '../support/mosquitto-version.ts';
import { all, BROKER, NAME_SPACES, program, skipped } from '../support/needs.ts';

const NEED = all(NAME_SPACES, BROKER, program('strace'));

const authority = await createAuthority({ cn: 'CA' });
const server = await authority.issue({ cn: 'broker', sans: ['localhost'], key: 'rsa-2048' });
const crl = await authority.crl([]);

const directory = await mkdtemp(join(tmpdir(), 'mosquitto-conf-'));
afterAll(() => removeTree(directory));

/** A few names of each kind, all of which lead to files that work together. */
const FILES = ['a', 'b', 'c'].flatMap((name) => [
  [`${name}.ca`, authority.certPem],
  [`${name}.crt`, server.chainPem],
  [`${name}.key`, server.keyPem],
  [`${name}.crl`, crl],
]);
for (const [name = '', text = ''] of FILES) await writeFile(join(directory, name), text);
const OURS = new RegExp(`${directory}/([abc]\\.(?:ca|crt|key|crl))`, 'g');

interface Layout {
  readonly main: string;
  /** by name, in the directory `conf.d` */
  readonly included: Readonly<Record<string, string>>;
}

interface Seen {
  /** where it says that it stops; undefined: it runs */
  readonly stopsAt: string | undefined;
  readonly stops: boolean;
  readonly ports: readonly number[];
  readonly files: readonly string[];
}

/** Where bridges connect to: a listener that speaks no TLS. */
const UPSTREAM_PORT = 2_999;

/** Runs the broker in a network of its own until it has ended, or for a moment in which its bridges connect. */
function run(path: string): Seen {
  const trace = `${path}.trace`;
  const script = `ip link set lo up
${MOSQUITTO} -p ${UPSTREAM_PORT} >/dev/null 2>&1 &
sleep 0.05
strace -f -qq -e trace=openat,open -o ${trace} ${MOSQUITTO} -v -c ${path} >${path}.log 2>&1 & broker=$!
for _ in $(seq 400); do
  grep -q ' running' ${path}.log && sleep 0.6 && break
  kill -0 $broker 2>/dev/null || break
  sleep 0.05
done
cat ${path}.log; echo '--- trace'; cat ${trace}`;
  // what is still there at its end is gone with its processes
  const spaces = ['--net', '--pid', '--fork', '--kill-child'];
  const { stdout } = spawnSync('unshare', [...spaces, '/bin/sh', '-c', script], { encoding: 'utf8' });
  const [log = '', opened = ''] = stdout.split('--- trace');
  const place = [...log.matchAll(/Error found at '?([^\s']+):(\d+)/g)][0];
  const ports = [...log.matchAll(/Opening ipv4 listen socket on port (\d+)/g)].map(([, port]) =>
    Number(port),
  );
  return {
    stops: !/ running\b/.test(log),
    stopsAt: place && `${place[1]}:${place[2]}`,
    ports: [...new Set(ports)].toSorted((a, b) => a - b),
    files: named([...opened.matchAll(OURS)].map(([, name = '']) => name)),
  };
}

function named(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted();
}

/** What we say about the same files. */
async function compare(
  { main, included }: Layout,
  name: string,
): Promise<{ ours: unknown; theirs: unknown; text: string } | undefined> {
  const path = join(directory, `${name}.conf`);
  const confD = join(directory, `${name}.d`);
  await mkdir(confD, { recursive: true });
  const files: ConfFile[] = [];
  for (const [file, text] of Object.entries(included).toSorted()) {
    files.push({ path: join(confD, file), text: text.replaceAll('@', directory) });
    await writeFile(join(confD, file), text.replaceAll('@', directory));
  }
  const text = main.replaceAll('@', directory).replaceAll('conf.d', confD);
  await writeFile(path, text);
  const reading: ReadConf['reading'] = readConfAs(DIALECT, { path, text }, () => files);
  if (reading.ok && isInItsOwnWay(reading.conf)) return undefined;
  const seen = run(path);
  const all = [text, ...files.map((file) => `--- ${file.path}\n${file.text}`)].join('\n');
  if (!reading.ok) {
    const { at, problem } = reading.problem;
    const place = seen.stopsAt === undefined ? undefined : `${at.path}:${at.line}`;
    return {
      ours: { stops: true, stopsAt: place, problem },
      theirs: { stops: seen.stops, stopsAt: seen.stopsAt, problem },
      text: all,
    };
  }
  const { listeners, bridges } = reading.conf;
  const paths = [
    ...listeners
      .filter(speaksTls)
      .flatMap(({ certfile, keyfile, cafile, crlfile }) => [certfile, keyfile, cafile, crlfile]),
    ...bridges.flatMap((bridge) =>
      isEncrypted(bridge) ? [bridge.cafile, bridge.certfile, bridge.keyfile] : [],
    ),
  ];
  const names = named(
    paths.flatMap((each) => (each === undefined ? [] : [each.slice(directory.length + 1)])),
  );
  const ports = listeners.map(({ port }) => port).toSorted((a, b) => a - b);
  const ours = { stops: false, ports: ports.length === 0 ? [1883] : [...new Set(ports)], files: names };
  return { ours, theirs: { stops: seen.stops, ports: seen.ports, files: seen.files }, text: all };
}

/** It is read well, and cannot run: two listeners want one port, or two bridges are one client. */
function isInItsOwnWay({ listeners, bridges }: BrokerConf): boolean {
  const isTwice = (values: readonly unknown[]) => new Set(values).size < values.length;
  const clients = bridges.flatMap(({ remoteClientId }) => remoteClientId ?? []);
  return isTwice(listeners.map(({ port }) => port)) || isTwice(clients);
}

const name = fc.constantFrom('a', 'b', 'c');
const file = (suffix: string) => name.map((each) => `@/${each}.${suffix}`);
const option = (key: string, value: fc.Arbitrary<string>) => value.map((text) => `${key} ${text}`);
const flag = fc.constantFrom('true', 'false', '1', '0');

const PORTS = ['2883', '2884', '2885'];
const listenerLine = fc.constantFrom(...PORTS).map((port) => `listener ${port}`);

/** A listener as people write it, and one in which something is repeated or missing. */
const listenerBlock = fc
  .tuple(
    listenerLine,
    fc.constantFrom(' 127.0.0.1', '', ' 127.0.0.1 # inside'),
    fc.array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: fc
            .tuple(file('crt'), file('key'))
            .map(([crt, key]) => `certfile ${crt}\nkeyfile  ${key}`),
        },
        option('cafile', file('ca')),
        option('crlfile', file('crl')),
        option('require_certificate', flag),
        option('allow_anonymous', flag),
        fc.constantFrom(
          '# a remark',
          '   ',
          'max_connections 10',
          'tls_version tlsv1.2',
          'certfile @/a.crt',
          'keyfile @/a.key',
        ),
      ),
      { maxLength: 4 },
    ),
  )
  .map(([head, host, lines]) => [`${head}${host}`, ...lines].join('\n'));

const bridgeBlock = fc
  .tuple(
    fc.constantFrom('one', 'two', 'three'),
    fc.constantFrom('address', 'addresses'),
    fc.array(
      fc.oneof(
        {
          weight: 3,
          arbitrary: fc
            .tuple(file('crt'), file('key'))
            .map(([crt, key]) => `bridge_certfile ${crt}\nbridge_keyfile ${key}`),
        },
        { weight: 3, arbitrary: option('bridge_cafile', file('ca')) },
        option('bridge_insecure', flag),
        option('notifications', flag),
        option('notifications_local_only', flag),
        option('clientid', name),
        option('remote_clientid', name),
        option('bridge_alpn', fc.constantFrom('mqtt', 'x')),
        fc.constantFrom(
          'topic a out 0',
          'topic b both',
          'topic # in 3',
          'bridge_cafile',
          'cleansession true',
          'start_type automatic',
          'bridge_insecure maybe',
          'bridge_tls_version tlsv1.2',
          'bridge_keyfile @/b.key',
          'topic "a b" out 0',
          'restart_timeout 5 2',
          'address 127.0.0.1:2999',
        ),
      ),
      { maxLength: 5 },
    ),
  )
  .map(([id, key, lines]) =>
    [`connection ${id}`, `${key} 127.0.0.1:${UPSTREAM_PORT}`, 'topic # out 0', ...lines].join('\n'),
  );

const plainLine = fc.oneof(
  option('port', fc.constantFrom('2886', '2887')),
  fc.constantFrom(
    '# remark',
    '',
    'persistence false',
    'max_connections 10',
    'max_packet_size 10',
    'per_listener_settings false',
    'bind_address 127.0.0.1',
  ),
  fc.tuple(file('crt'), file('key')).map(([crt, key]) => `certfile ${crt}\nkeyfile ${key}`),
  option('cafile', file('ca')),
  option('bridge_cafile', file('ca')),
);

const block = fc.oneof(
  { weight: 3, arbitrary: listenerBlock },
  { weight: 3, arbitrary: bridgeBlock },
  { weight: 1, arbitrary: plainLine },
);

const layout: fc.Arbitrary<Layout> = fc
  .record({
    before: fc.array(block, { maxLength: 3 }),
    // a line for the listener before an include that adds listeners writes to memory that is gone, in both versions
    after: fc.array(fc.oneof(listenerBlock, bridgeBlock), { maxLength: 2 }),
    included: fc.option(fc.array(fc.array(block, { maxLength: 2 }), { minLength: 1, maxLength: 2 }), {
      freq: 2,
    }),
    ending: fc.constantFrom('\n', '\r\n'),
  })
  .map(({ before, after, included, ending }) => {
    const lines = [
      'user root',
      'log_dest stderr',
      ...before,
      ...(included ? ['include_dir conf.d'] : []),
      ...after,
    ];
    const files = (included ?? []).map((blocks, index) => [`${index}.conf`, `${blocks.join('\n')}\n`]);
    return { main: `${lines.join('\n')}\n`.replaceAll('\n', ending), included: Object.fromEntries(files) };
  });

/** Always the same ones, unless told. */
const CONFS = Number(process.env['CONFS'] ?? 25);
const SEED = Number(process.env['SEED'] ?? 1);

describe.skipIf(!NEED.ok)(`a configuration${skipped(NEED)}`, () => {
  test(`is read as Mosquitto ${MOSQUITTO_VERSION} reads it`, async () => {
    const layouts = fc.sample(layout, { numRuns: CONFS, seed: SEED });
    const kinds = { runs: 0, stops: 0 };
    for (const [index, each] of layouts.entries()) {
      const compared = await compare(each, `${index}`);
      if (compared === undefined) continue;
      const { ours, theirs, text } = compared;
      expect(ours, text).toEqual(theirs);
      kinds[(theirs as Seen).stops ? 'stops' : 'runs'] += 1;
    }
    expect(Math.min(kinds.runs, kinds.stops)).toBeGreaterThan(1);
  });
});
