import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import * as fix from '../../lab/core-fixtures.ts';
import type { FilesObservation } from '../../src/core/model/files.ts';
import { lastingProblem } from '../../src/core/model/named-set.ts';
import { createNamedSets } from '../../src/wiring/named-sets.ts';
import { caDirectory, hashedName } from '../support/ca-directory.ts';
import { temporaryDirectory } from '../support/directory.ts';

const authority = await createAuthority({ cn: 'Cloud CA' });
const next = await createAuthority({ cn: 'Next CA' });
const client = await authority.issue({ cn: 'edge' });

const WINDOW_MS = 10_000;
const CONFIGURATION = 'listener 8883\ncertfile /certs/tls.crt\nkeyfile /certs/tls.key\n';
const BROKEN = `${CONFIGURATION}connection third\nbridge_insecure perhaps\n`;

/** A configuration that its reader has just been created for. */
async function configuration(text: string) {
  const path = join(await temporaryDirectory(), 'mosquitto.conf');
  await writeFile(path, text);
  const settings = fix.settings({ mosquittoConf: path, stabilityWindowMs: WINDOW_MS });
  const { certFiles } = await createNamedSets(settings, path);
  const problemOf = ({ conf }: FilesObservation, monoMs: number) =>
    conf && lastingProblem(conf, monoMs, WINDOW_MS)?.text;
  return {
    write: (next: string) => writeFile(path, next),
    problemAt: async (monoMs: number) => problemOf(await certFiles.observe(monoMs), monoMs),
  };
}

describe('a configuration that cannot be read', () => {
  it('is told at once where it never could be', async () => {
    const { problemAt } = await configuration(BROKEN);
    expect(await problemAt(0)).toMatch(/bridge_insecure without true or false/);
  });

  it('is not told while it may still be being written', async () => {
    const { write, problemAt } = await configuration(CONFIGURATION);
    await problemAt(0);
    await write('');
    expect(await problemAt(1_000)).toBeUndefined();
    await write(CONFIGURATION);
    expect(await problemAt(2_000)).toBeUndefined();
    await write(BROKEN);
    expect(await problemAt(WINDOW_MS + 1_000)).toBeUndefined();
  });

  it('is told once it has been so for the stability window', async () => {
    const { write, problemAt } = await configuration(CONFIGURATION);
    await problemAt(0);
    await write(BROKEN);
    await problemAt(1_000);
    expect(await problemAt(1_000 + WINDOW_MS)).toMatch(/bridge_insecure without true or false/);
  });
});

describe('several sets', () => {
  it('are looked at again whenever one of them is final, until all of them are', async () => {
    const directory = await temporaryDirectory();
    const write = async (name: string, certPem: string) => {
      await writeFile(join(directory, `${name}.crt`), certPem);
      await writeFile(join(directory, `${name}.key`), client.keyPem);
    };
    await write('a', client.chainPem);
    await write('b', client.chainPem);
    const listener = (port: number, name: string) =>
      `listener ${port}\ncertfile ${directory}/${name}.crt\nkeyfile ${directory}/${name}.key\n`;
    const conf = join(directory, 'mosquitto.conf');
    await writeFile(conf, `${listener(8883, 'a')}${listener(8884, 'b')}`);
    const { certFiles } = await createNamedSets(fix.settings({ mosquittoConf: conf }), conf);
    const finalFrom = async (monoMs: number) => (await certFiles.observe(monoMs)).finalFromMonoMs;
    expect(await finalFrom(0)).toBe(1_000);
    await write('b', `${client.chainPem}\n`);
    expect(await finalFrom(400)).toBe(1_000);
    expect(await finalFrom(1_000)).toBe(1_400);
    expect(await finalFrom(1_400)).toBeUndefined();
  });
});

describe('the directory of bridge_capath', () => {
  async function bridge(files: Readonly<Record<string, string>>, cafile?: string) {
    const path = await caDirectory(files);
    const set = await caDirectory({
      'ca.crt': authority.certPem,
      'tls.crt': client.chainPem,
      'tls.key': client.keyPem,
    });
    const lines = [
      'connection cloud',
      'address upstream.example.com:8883',
      'topic # out 0',
      `bridge_certfile ${set}/tls.crt`,
      `bridge_keyfile ${set}/tls.key`,
      `bridge_capath ${path}`,
      ...(cafile === undefined ? [] : [`bridge_cafile ${set}/${cafile}`]),
    ];
    const conf = join(set, 'mosquitto.conf');
    await writeFile(conf, `${lines.join('\n')}\n`);
    const { certFiles } = await createNamedSets(fix.settings({ mosquittoConf: conf }), conf);
    const observe = async () => (await certFiles.observe(0)).sets?.[0]?.files;
    return { path, observe };
  }

  it('is part of its set: the certificates in it are told, and another one is another set', async () => {
    const { path, observe } = await bridge({ [hashedName(authority.certPem)]: authority.certPem });
    const before = await observe();
    expect(before).toMatchObject({
      kind: 'complete',
      authorities: [{ subject: 'CN=Cloud CA' }],
      authoritiesFile: path,
    });
    await writeFile(join(path, 'README'), 'nothing that OpenSSL looks for');
    expect(await observe()).toEqual(before);
    await writeFile(join(path, hashedName(next.certPem)), next.certPem);
    const after = await observe();
    expect(after).toMatchObject({ kind: 'complete' });
    expect(after).not.toMatchObject({ fingerprint: before?.kind === 'complete' ? before.fingerprint : '' });
  });

  it('makes the set incomplete where nothing is found in it', async () => {
    const { path, observe } = await bridge({ 'ca.crt': authority.certPem });
    expect(await observe()).toMatchObject({
      kind: 'incomplete',
      complaints: [{ file: path, cause: 'empty', hint: expect.stringContaining('openssl rehash') }],
    });
  });

  it('may be empty beside a CA file, which is told', async () => {
    const { path, observe } = await bridge({ 'ca.crt': authority.certPem }, 'ca.crt');
    expect(await observe()).toMatchObject({
      kind: 'complete',
      authorities: [{ subject: 'CN=Cloud CA' }],
      ignored: [{ file: path, cause: 'ignored' }],
    });
  });
});
