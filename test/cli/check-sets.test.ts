/** The doctor's look at a broker: for each bridge and listener what it uses, and what each address says. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import * as fix from '../../lab/core-fixtures.ts';
import { closedPort, plainAlert, startSecondFlightRelay, startTlsServer } from '../../lab/tls-servers.ts';
import { check } from '../../src/cli/check.ts';
import type { TlsVersion } from '../../src/core/model/tls-version.ts';
import { hashedName } from '../support/ca-directory.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { startScriptedEngine } from '../support/scripted-engine.ts';

const authority = await createAuthority({ cn: 'Cloud CA' });
const identity = await authority.issue({ cn: 'upstream', sans: ['127.0.0.1'] });
const client = await authority.issue({ cn: 'edge' });

/** The rows about a broker with a bridge to these ports, and a listener. */
async function rowsOf(ports: readonly number[], more: readonly string[] = []) {
  const directory = await temporaryDirectory();
  const write = (name: string, text: string) => writeFile(join(directory, name), text);
  await write('tls.crt', client.chainPem);
  await write('tls.key', client.keyPem);
  await write(hashedName(authority.certPem), authority.certPem);
  const files = (prefix: string) =>
    [`certfile ${directory}/tls.crt`, `keyfile ${directory}/tls.key`, `capath ${directory}`].map(
      (line) => `${prefix}${line}`,
    );
  const lines = [
    'listener 8883',
    ...files(''),
    'tls_version tlsv1.3',
    'connection cloud',
    `addresses ${ports.map((port) => `127.0.0.1:${port}`).join(' ')}`,
    'topic # out 0',
    ...files('bridge_'),
    ...more,
  ];
  const mosquittoConf = join(directory, 'mosquitto.conf');
  await write('mosquitto.conf', `${lines.join('\n')}\n`);
  const engine = await startScriptedEngine({});
  const settings = fix.settings({
    mosquittoConf,
    // no other watcher of this machine watches a broker of this name
    targetLabel: 'mosquitto-of-check-sets',
    engine: engine.endpoint,
    upstream: undefined,
    tlsSni: undefined,
    stabilityWindowMs: 0,
  });
  let text = '';
  await check(settings, { json: true, color: false }, new AbortController().signal, (part) => {
    text += part;
  });
  const rows: { name: string; level: string | null; message: string }[] = JSON.parse(text).check.rows;
  const told = rows
    .filter(({ name }) => /^(bridge|listener) /.test(name))
    .map(({ name, level, message }) => `${name} | ${level} | ${message.replaceAll(directory, 'DIR')}`);
  return { told, document: JSON.parse(text) };
}

async function upstream(maxVersion: TlsVersion = 'TLSv1.3') {
  const { port, close } = await startTlsServer(identity, authority.certPem, { maxVersion });
  onTestFinished(close);
  return port;
}

/** Says of every client certificate that it does not know its issuer. */
async function refusingUpstream() {
  const behind = await upstream('TLSv1.2');
  const { port, close } = await startSecondFlightRelay(behind, (socket) => socket.end(plainAlert(48)));
  onTestFinished(close);
  return port;
}

it('tells what a bridge offers, whom it trusts, and what each of its addresses says', async () => {
  const [well, closed] = [await upstream(), await closedPort()];
  const { told, document } = await rowsOf([closed, well]);
  expect(told).toEqual(
    expect.arrayContaining([
      'bridge cloud | null | CA certificates of its upstream: in the directory DIR',
      'bridge cloud | null | TLS: offers TLS 1.2 or newer',
      `bridge cloud | null | upstream: 127.0.0.1:${closed}: the upstream cannot be reached: tcp, connect ECONNREFUSED 127.0.0.1:${closed}`,
      `bridge cloud | ok | upstream: 127.0.0.1:${well} raised no objection (TLSv1.3)`,
      'listener 8883 | null | CA certificates of clients, looked up at each handshake: in the directory DIR',
      'listener 8883 | null | TLS: accepts TLS 1.3 only',
    ]),
  );
  const [bridge] = document.sets;
  expect(bridge).toMatchObject({ oldest_tls: 'TLSv1.2', probe: { ok: true, address: `127.0.0.1:${well}` } });
  expect(bridge.probe.addresses).toMatchObject([
    { upstream: `127.0.0.1:${closed}`, ok: false, cause: 'tcp' },
    { upstream: `127.0.0.1:${well}`, ok: true, cause: null, protocol: 'TLSv1.3' },
  ]);
});

it('warns of an address that refuses the set, although another one takes it', async () => {
  const [well, strict] = [await upstream(), await refusingUpstream()];
  const { told } = await rowsOf([well, strict]);
  expect(told).toEqual(
    expect.arrayContaining([
      `bridge cloud | ok | upstream: 127.0.0.1:${well} raised no objection (TLSv1.3)`,
      expect.stringContaining(
        `bridge cloud | warning | upstream: 127.0.0.1:${strict}: the upstream refuses the client certificate`,
      ),
    ]),
  );
});

it('says that the bridge offers TLS 1.3 alone, and what that means at an address of TLS 1.2', async () => {
  const [well, old] = [await upstream(), await upstream('TLSv1.2')];
  const { told, document } = await rowsOf([old, well], ['bridge_tls_version tlsv1.3']);
  expect(told).toEqual(
    expect.arrayContaining([
      'bridge cloud | null | TLS: offers TLS 1.3 only',
      expect.stringContaining(
        `bridge cloud | null | upstream: 127.0.0.1:${old}: the upstream does not speak TLS`,
      ),
      `bridge cloud | ok | upstream: 127.0.0.1:${well} raised no objection (TLSv1.3)`,
    ]),
  );
  expect(document.sets[0].probe.addresses[0].hint).toMatch(/bridge_tls_version tlsv1.3/);
});

it('has one verdict, and no list, where there is one address', async () => {
  const { document } = await rowsOf([await upstream()]);
  expect(document.sets[0].probe).toMatchObject({ ok: true, addresses: null });
});
