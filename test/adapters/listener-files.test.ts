/** The files of a listener as the tools lay them out, with and without a CA file. */

import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { createCertFiles } from '../../src/adapters/cert-files.ts';
import { createPairProbe } from '../../src/adapters/tls-probe/probe.ts';
import type { CertificateSet } from '../../src/core/model/files.ts';
import { temporaryDirectory } from '../support/directory.ts';

const root = await createAuthority({ cn: 'Root' });
const issuing = await root.intermediate({ cn: 'Issuing' });
const first = await issuing.issue({ cn: 'mqtt.example.com', usages: ['server'] });
const second = await issuing.issue({ cn: 'mqtt.example.com', usages: ['server'] });

interface Names {
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly caCertFile?: string;
}

const CERTBOT: Names = { clientCertFile: 'fullchain.pem', clientKeyFile: 'privkey.pem' };

async function observed(certDir: string, names: Names): Promise<CertificateSet> {
  const files = await createCertFiles({ certDir, caCertFile: undefined, ...names }).observe(0);
  if (files.kind !== 'complete') throw new Error(JSON.stringify(files));
  return files;
}

/** What the comparison of key and certificate says. */
async function pair(certDir: string, { clientCertFile, clientKeyFile }: Names) {
  const probe = createPairProbe({
    caFile: undefined,
    certFile: join(certDir, clientCertFile),
    keyFile: join(certDir, clientKeyFile),
    timeoutMs: 5_000,
  });
  const verdict = await probe.run({ signal: new AbortController().signal, nowMs: Date.now() });
  return verdict?.ok === true ? verdict.proof : verdict?.cause;
}

/** certbot: numbered files in archive/, links to them in live/. */
async function certbot() {
  const directory = await temporaryDirectory();
  const live = join(directory, 'live/mqtt.example.com');
  const archive = join(directory, 'archive/mqtt.example.com');
  await mkdir(live, { recursive: true });
  await mkdir(archive, { recursive: true });
  const renew = async (serial: number, { chainPem, keyPem }: typeof first) => {
    for (const [name, text] of [
      ['privkey', keyPem],
      ['fullchain', chainPem],
    ]) {
      await writeFile(join(archive, `${name}${serial}.pem`), text ?? '');
      await unlink(join(live, `${name}.pem`)).catch(() => undefined);
      await symlink(`../../archive/mqtt.example.com/${name}${serial}.pem`, join(live, `${name}.pem`));
    }
  };
  return { live, renew };
}

describe('the files of a listener', () => {
  it('are the links in live/ of certbot, which lead to another file after a renewal', async () => {
    const { live, renew } = await certbot();
    await renew(1, first);
    const before = await observed(live, CERTBOT);
    await renew(2, second);
    const after = await observed(live, CERTBOT);
    expect(before).toMatchObject({ leafFile: 'fullchain.pem', authorities: [], authoritiesFile: '' });
    expect(before.intermediates.map(({ subject }) => subject)).toEqual(['CN=Issuing']);
    expect([after.fingerprint === before.fingerprint, await pair(live, CERTBOT)]).toEqual([false, 'pair']);
  });

  it('are the two that acme.sh --install-cert writes, by their names', async () => {
    const directory = await temporaryDirectory();
    const names: Names = { clientCertFile: 'fullchain.cer', clientKeyFile: 'mqtt.example.com.key' };
    await writeFile(join(directory, 'mqtt.example.com.key'), first.keyPem);
    await writeFile(join(directory, 'fullchain.cer'), first.chainPem);
    expect((await observed(directory, names)).leaf.subject).toBe('CN=mqtt.example.com');
    expect(await pair(directory, names)).toBe('pair');
  });

  it('are certificates/ of lego, beside files of other domains', async () => {
    const directory = join(await temporaryDirectory(), 'certificates');
    await mkdir(directory);
    const names: Names = { clientCertFile: 'mqtt.example.com.crt', clientKeyFile: 'mqtt.example.com.key' };
    for (const name of ['mqtt.example.com', 'other.example.com']) {
      await writeFile(join(directory, `${name}.crt`), first.chainPem);
      await writeFile(join(directory, `${name}.key`), first.keyPem);
      await writeFile(join(directory, `${name}.json`), '{}');
    }
    await writeFile(join(directory, 'mqtt.example.com.issuer.crt'), issuing.certPem);
    expect((await observed(directory, names)).leafFile).toBe('mqtt.example.com.crt');
    expect(await pair(directory, names)).toBe('pair');
  });

  it('are what step ca renew replaces: the certificate alone, with the same key', async () => {
    const directory = await temporaryDirectory();
    const names: Names = { clientCertFile: 'mqtt.crt', clientKeyFile: 'mqtt.key' };
    const renewed = await issuing.issue({ cn: 'mqtt.example.com', privateKey: first.key });
    await writeFile(join(directory, 'mqtt.key'), first.keyPem);
    await writeFile(join(directory, 'mqtt.crt'), first.chainPem);
    const before = await observed(directory, names);
    await writeFile(join(directory, 'mqtt.crt.new'), renewed.chainPem);
    await rename(join(directory, 'mqtt.crt.new'), join(directory, 'mqtt.crt'));
    const after = await observed(directory, names);
    expect([after.fingerprint === before.fingerprint, await pair(directory, names)]).toEqual([false, 'pair']);
  });

  it('have CA certificates where a CA file is named, which are part of the set', async () => {
    const { live, renew } = await certbot();
    await renew(1, first);
    const without = await observed(live, CERTBOT);
    await writeFile(join(live, 'clients.pem'), root.certPem);
    const names = { ...CERTBOT, caCertFile: 'clients.pem' };
    const one = await observed(live, names);
    await writeFile(join(live, 'clients.pem'), root.certPem + issuing.certPem);
    const two = await observed(live, names);
    expect(new Set([without.fingerprint, one.fingerprint, two.fingerprint]).size).toBe(3);
    expect(two.authorities).toHaveLength(2);
  });

  it('are told as half renewed where the key is the one of the certificate before', async () => {
    const { live, renew } = await certbot();
    await renew(1, { ...first, keyPem: second.keyPem });
    expect(await pair(live, CERTBOT)).toBe('client_key_mismatch');
  });
});
