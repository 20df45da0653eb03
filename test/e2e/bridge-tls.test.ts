/** What a real bridge does with its lines about TLS, against what the probe says of the same configuration. */

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import * as fix from '../../lab/core-fixtures.ts';
import { startMosquitto, startMosquittoWith } from '../../lab/real-servers.ts';
import { removeTree } from '../../lab/remove-tree.ts';
import { until } from '../../lab/until.ts';
import type { TlsVersion } from '../../src/core/model/tls-version.ts';
import { createNamedSets } from '../../src/wiring/named-sets.ts';
import { hashedName } from '../support/ca-directory.ts';
import { isAtLeast, MOSQUITTO_VERSION } from '../support/mosquitto-version.ts';
import { all, program, ROOT, skipped } from '../support/needs.ts';
import { runProbe } from '../support/run-probe.ts';

const NEED = all(ROOT, program('mosquitto_sub'));

const authority = await createAuthority({ cn: 'Upstream CA' });
const stranger = await createAuthority({ cn: 'Another CA' });
const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1', 'localhost'], key: 'rsa-2048' });
const edge = await authority.issue({ cn: 'edge', key: 'rsa-2048' });

const directory = await mkdtemp(join(tmpdir(), 'bridge-tls-'));
afterAll(() => removeTree(directory));
await writeFile(join(directory, 'tls.crt'), edge.chainPem);
await writeFile(join(directory, 'tls.key'), edge.keyPem);
await writeFile(join(directory, 'ca.crt'), authority.certPem);

let serial = 0;

async function upstream(version: TlsVersion) {
  const server = await startMosquitto({ identity, trusted: authority.certPem, version });
  onTestFinished(() => server.close());
  return server;
}

/** Whether a bridge with these lines connects to an upstream of this version, and what the watcher says of it. */
async function compared(version: TlsVersion, more: readonly string[]) {
  serial += 1;
  const server = await upstream(version);
  const name = `bridge-${serial}`;
  const lines = [
    `connection ${name}`,
    `address 127.0.0.1:${server.port}`,
    'topic # out 0',
    `remote_clientid ${name}`,
    'restart_timeout 1',
    `bridge_certfile ${directory}/tls.crt`,
    `bridge_keyfile ${directory}/tls.key`,
    ...more,
  ];
  const broker = await startMosquittoWith(['log_type all', ...lines]);
  onTestFinished(() => broker.close());
  const isConnected = async () => (await server.log()).includes(`as ${name} `);
  const hasFailed = async () => /not supported|OpenSSL Error|TLS|verif/i.test(await broker.log());
  await until('the bridge to connect, or to say why not', async () => (await isConnected()) || hasFailed());
  const path = join(directory, `${name}.conf`);
  await writeFile(path, `${lines.join('\n')}\n`);
  const settings = fix.settings({ mosquittoConf: path, upstream: undefined, tlsSni: undefined });
  const sets = await createNamedSets(settings, path);
  const { conf } = await sets.certFiles.observe(0);
  const signal = new AbortController().signal;
  const verdict = await sets.probe.run({ signal, nowMs: Date.now() });
  const own = verdict?.sets?.[`bridge ${name}`];
  return {
    bridge: (await isConnected()) ? 'connects' : 'fails',
    probe: own?.ok !== true ? own?.cause : own.proof === 'pair' ? 'not asked' : 'accepted',
    findings: conf?.findings.map(({ problem }) => problem) ?? [],
  };
}

const CA = [`bridge_cafile ${directory}/ca.crt`];

describe.skipIf(!NEED.ok)(`bridge_tls_version of Mosquitto ${MOSQUITTO_VERSION}${skipped(NEED)}`, () => {
  test.each<[value: string | undefined, upstream: TlsVersion, bridge: string, probe: string]>([
    [undefined, 'TLSv1.2', 'connects', 'accepted'],
    [undefined, 'TLSv1.3', 'connects', 'accepted'],
    ['tlsv1.2', 'TLSv1.2', 'connects', 'accepted'],
    ['tlsv1.2', 'TLSv1.3', 'connects', 'accepted'],
    ['tlsv1.3', 'TLSv1.2', 'fails', 'protocol'],
    ['tlsv1.3', 'TLSv1.3', 'connects', 'accepted'],
    ['TLSv1.3', 'TLSv1.3', 'fails', 'not asked'],
    ['sslv3', 'TLSv1.2', 'fails', 'not asked'],
  ])(
    '%s is a lower limit or none at all: at an upstream of %s it %s',
    async (value, version, bridge, probe) => {
      const line = value === undefined ? [] : [`bridge_tls_version ${value}`];
      const seen = await compared(version, [...CA, ...line]);
      expect({ bridge: seen.bridge, probe: seen.probe }).toEqual({ bridge, probe });
      expect(seen.findings).toEqual(probe === 'not asked' ? [expect.stringMatching(/never connects/)] : []);
    },
  );

  test.each<TlsVersion>(['TLSv1.2', 'TLSv1.3'])(
    'tlsv1.1 is known only to 2.0, which connects to an upstream of %s',
    async (version) => {
      const { bridge, probe, findings } = await compared(version, [...CA, 'bridge_tls_version tlsv1.1']);
      expect(bridge).toBe(isAtLeast(MOSQUITTO_VERSION, '2.1') ? 'fails' : 'connects');
      expect([probe, findings]).toEqual(['accepted', [expect.stringMatching(/2\.1 does not know it/)]]);
    },
  );
});

async function directoryOf(files: Readonly<Record<string, string>>): Promise<string> {
  serial += 1;
  const path = join(directory, `ca-${serial}`);
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

describe.skipIf(!NEED.ok)(`capath of Mosquitto ${MOSQUITTO_VERSION}${skipped(NEED)}`, () => {
  const [own, other] = [authority.certPem, stranger.certPem];

  test.each<[what: string, files: Readonly<Record<string, string>>, bridge: string, probe: string]>([
    ['has the CA under its hash', { [hashedName(own)]: own }, 'connects', 'accepted'],
    ['has it beside others', { [hashedName(other)]: other, [hashedName(own)]: own }, 'connects', 'accepted'],
    [
      'has it under another name',
      { [hashedName(other)]: other, 'ca.crt': own },
      'fails',
      'server_cert_untrusted',
    ],
    [
      'has it behind a gap',
      { [hashedName(other)]: other, [hashedName(own, 1)]: own },
      'fails',
      'server_cert_untrusted',
    ],
  ])('of a bridge %s', async (_what, files, bridge, probe) => {
    const seen = await compared('TLSv1.3', [`bridge_capath ${await directoryOf(files)}`]);
    expect(seen).toEqual({ bridge, probe, findings: [] });
  });

  test('of a listener is looked into at each handshake', async () => {
    const path = await directoryOf({ [hashedName(other)]: other });
    const files = ['tls.crt', 'tls.key'].map((name) => join(path, name));
    await writeFile(files[0] ?? '', identity.chainPem);
    await writeFile(files[1] ?? '', identity.keyPem);
    const lines = [
      `certfile ${files[0]}`,
      `keyfile ${files[1]}`,
      `capath ${path}`,
      'require_certificate true',
    ];
    const broker = await startMosquittoWith(['allow_anonymous true', ...lines]);
    onTestFinished(() => broker.close());
    const set = { ca: own, cert: edge.chainPem, key: edge.keyPem };
    const isAccepted = async () => (await runProbe(set, { port: broker.port, mode: 'mqtt' })).ok;
    expect(await isAccepted()).toBe(false);
    await writeFile(join(path, hashedName(own)), own);
    expect(await isAccepted()).toBe(true);
  });
});
