/** What OpenSSL finds in a directory of CA certificates, and what it does not. */

import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { createCaDirectory } from '../../src/system/ca-directory.ts';
import { caDirectory, hashedName } from '../support/ca-directory.ts';

const [one, two] = [
  (await createAuthority({ cn: 'One' })).certPem,
  (await createAuthority({ cn: 'Two' })).certPem,
];
/** Another authority of the same name: after a change of its key. */
const next = (await createAuthority({ cn: 'One' })).certPem;

async function look(path: string) {
  const found = await createCaDirectory(path, (certificates) =>
    certificates.map(({ subject }) => subject),
  ).look();
  return found.ok
    ? { found: found.value, ignored: found.ignored }
    : { kind: found.kind, problem: found.problem };
}

describe('a directory of CA certificates', () => {
  it('is searched by the hashes of subjects, from 0 on', async () => {
    const path = await caDirectory({
      [hashedName(one)]: one,
      [hashedName(one, 1)]: next,
      [hashedName(two)]: two,
    });
    expect((await look(path)).found?.toSorted()).toEqual(['CN=One', 'CN=One', 'CN=Two']);
  });

  it('is searched no further than to a gap', async () => {
    const path = await caDirectory({ [hashedName(one)]: one, [hashedName(one, 2)]: next });
    expect(await look(path)).toEqual({ found: ['CN=One'], ignored: [] });
  });

  it('may hold links, and what has other names is not seen', async () => {
    const path = await caDirectory({ 'one.pem': one, 'two.pem': two });
    await symlink('one.pem', join(path, hashedName(one)));
    expect(await look(path)).toEqual({ found: ['CN=One'], ignored: [] });
  });

  it('says what is not found although it has such a name', async () => {
    const path = await caDirectory({
      [hashedName(one)]: one,
      'aaaaaaaa.0': two,
      [hashedName(two)]: 'nothing',
    });
    const { ignored } = await look(path);
    expect(ignored?.toSorted()).toEqual([
      expect.stringMatching(new RegExp(`^has a ${hashedName(two)} that holds no PEM certificate`)),
      'has a aaaaaaaa.0 that holds no certificate with that hash',
    ]);
  });

  it('is of no use where nothing in it has such a name', async () => {
    expect(await look(await caDirectory({ 'ca.crt': one }))).toEqual({
      kind: 'empty',
      problem: 'holds no certificate under a name that OpenSSL looks for (<hash>.0)',
    });
  });

  it('may be missing, or a file', async () => {
    const path = await caDirectory({ file: one });
    expect(await look(join(path, 'none'))).toEqual({ kind: 'missing', problem: 'does not exist' });
    expect(await look(join(path, 'file'))).toEqual({
      kind: 'io_error',
      problem: 'is a file, not a directory',
    });
  });

  it('is not read beyond what an operating system has', async () => {
    const names = Array.from({ length: 501 }, (_, index) => [
      `${index.toString(16).padStart(8, '0')}.0`,
      one,
    ]);
    expect(await look(await caDirectory(Object.fromEntries(names)))).toEqual({
      kind: 'io_error',
      problem: 'holds more than 500 files of CA certificates',
    });
  });

  it('is another one once a certificate has come or gone', async () => {
    const path = await caDirectory({ [hashedName(one)]: one });
    const directory = createCaDirectory(path, (certificates) => certificates.length);
    const counts = async () => {
      const found = await directory.look();
      return found.ok ? found.value : found.kind;
    };
    expect(await counts()).toBe(1);
    await writeFile(join(path, hashedName(two)), two);
    expect(await counts()).toBe(2);
    await rm(join(path, hashedName(one)));
    expect(await counts()).toBe(1);
  });
});
