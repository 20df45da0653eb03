/** `bridge_tls_version` and `bridge_capath`: the probe offers and trusts what the bridge does. */

import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../../lab/certificates.ts';
import { startTlsServer } from '../../../lab/tls-servers.ts';
import type { TlsVersion } from '../../../src/core/model/tls-version.ts';
import { caDirectory, hashedName } from '../../support/ca-directory.ts';
import { runProbe } from '../../support/run-probe.ts';

const authority = await createAuthority({ cn: 'Example CA' });
const stranger = await createAuthority({ cn: 'Another CA' });
const identity = await authority.issue({ cn: 'broker', sans: ['localhost'] });
const { chainPem: cert, keyPem: key } = await authority.issue({ cn: 'edge' });
const set = { ca: authority.certPem, cert, key };
const internals = { settleMinMs: 20 };

async function server(options: { minVersion?: TlsVersion; maxVersion?: TlsVersion } = {}) {
  const { port, close } = await startTlsServer(identity, authority.certPem, options);
  onTestFinished(close);
  return port;
}

describe('with bridge_tls_version tlsv1.3, the probe', () => {
  test('is accepted by an upstream that speaks both', async () => {
    const verdict = await runProbe(set, { port: await server(), oldestTls: 'TLSv1.3', internals });
    expect(verdict).toMatchObject({ ok: true, protocol: 'TLSv1.3' });
  });

  test('says that an upstream of TLS 1.2 alone is out of reach for the bridge', async () => {
    const port = await server({ maxVersion: 'TLSv1.2' });
    expect(await runProbe(set, { port, oldestTls: 'TLSv1.3', internals })).toMatchObject({
      ok: false,
      cause: 'protocol',
      hint: expect.stringMatching(/does not take TLS 1\.3, and with bridge_tls_version tlsv1\.3 .* tlsv1\.2/),
    });
  });
});

test.each([
  ['TLSv1.2', 'TLSv1.2'],
  ['TLSv1.3', 'TLSv1.3'],
] as const)('without it, the probe takes an upstream of %s alone', async (version, protocol) => {
  const port = await server({ minVersion: version, maxVersion: version });
  expect(await runProbe(set, { port, internals })).toMatchObject({ ok: true, protocol });
});

describe('with bridge_capath, the probe', () => {
  const probed = async (caPath: string, caFile?: string) =>
    runProbe(set, { port: await server(), caPath, caFile, internals });

  test('trusts what OpenSSL finds in the directory', async () => {
    const path = await caDirectory({
      [hashedName(stranger.certPem)]: stranger.certPem,
      [hashedName(authority.certPem)]: authority.certPem,
    });
    expect((await probed(path)).ok).toBe(true);
  });

  test('does not trust what it would not find', async () => {
    const path = await caDirectory({
      [hashedName(stranger.certPem)]: stranger.certPem,
      'ca.crt': authority.certPem,
    });
    expect(await probed(path)).toMatchObject({
      cause: 'server_cert_untrusted',
      hint: expect.stringContaining(`${path} does not`),
    });
  });

  test('does not ask the upstream where nothing is found, and says how to fix it', async () => {
    const path = await caDirectory({ 'ca.crt': authority.certPem });
    expect(await probed(path)).toMatchObject({
      cause: 'local_file',
      file: path,
      hint: expect.stringContaining(`openssl rehash ${path}`),
    });
  });

  test('trusts the file beside it too', async () => {
    const path = await caDirectory({ [hashedName(stranger.certPem)]: stranger.certPem });
    const file = join(await caDirectory({ 'ca.crt': authority.certPem }), 'ca.crt');
    expect((await probed(path, file)).ok).toBe(true);
    expect((await probed(join(path, 'none'), file)).ok).toBe(true);
  });
});

test('a probe of what a mosquitto.conf says names its lines in hints, and no settings', async () => {
  const verdict = await runProbe(set, {
    port: await server(),
    serverName: 'elsewhere.example.com',
    isOfConf: true,
    internals,
  });
  expect(verdict).toMatchObject({
    cause: 'server_name_mismatch',
    hint: expect.stringMatching(/give the connection an address by a name that it is for$/),
  });
});
