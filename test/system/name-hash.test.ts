/** The hash of a subject, against `openssl x509 -subject_hash`. */

import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { subjectHash } from '../../src/system/name-hash.ts';
import { program, skipped } from '../support/needs.ts';

const OPENSSL = program('openssl');

function byOpenssl(pem: string): string {
  const { stdout } = spawnSync('openssl', ['x509', '-noout', '-subject_hash'], {
    input: pem,
    encoding: 'utf8',
  });
  return stdout.trim();
}

describe.skipIf(!OPENSSL.ok)(`the hash of a subject${skipped(OPENSSL)}`, () => {
  it.each([
    'CN=Example CA',
    'CN=EXAMPLE ca',
    'CN=  two   blanks  ,O=Example',
    'C=DE,O=Häuser & Söhne GmbH,CN=CA №1',
    'CN=one+OU=two,O=three',
    'DC=example,DC=com,CN=CA',
    'O=Ångström\\, Inc.',
  ])('is that of OpenSSL: %s', async (subject) => {
    const { certPem } = await (await createAuthority({ cn: 'CA' })).issue({ cn: 'x', subject });
    expect(subjectHash(new X509Certificate(certPem).raw)).toBe(byOpenssl(certPem));
  });
});

it('does not exist where there is no certificate', () => {
  expect([Buffer.alloc(0), Buffer.from('3003020100', 'hex')].map(subjectHash)).toEqual([
    undefined,
    undefined,
  ]);
});
