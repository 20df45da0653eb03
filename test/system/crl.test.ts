/** Revocation lists: the dates that openssl reads, and nothing but a problem for what is none. */

import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { parseLists } from '../../src/system/crl.ts';
import { program, skipped } from '../support/needs.ts';

const OPENSSL = program('openssl');

const authority = await createAuthority({ cn: 'CA' });
const revoked = await authority.issue({ cn: 'revoked' });

const whole = (ms: number) => Math.floor(ms / 1_000) * 1_000;
const listOf = (thisUpdateMs: number, nextUpdateMs: number) =>
  authority.crl([revoked], { thisUpdate: new Date(thisUpdateMs), nextUpdate: new Date(nextUpdateMs) });

/** What openssl says of the first list. */
function byOpenssl(pem: string) {
  const { stdout } = spawnSync('openssl', ['crl', '-noout', '-lastupdate', '-nextupdate'], {
    input: pem,
    encoding: 'utf8',
  });
  const [, last = '', next = ''] = /lastUpdate=(.*)\nnextUpdate=(.*)/.exec(stdout) ?? [];
  return { thisUpdateMs: Date.parse(last), nextUpdateMs: Date.parse(next) };
}

describe.skipIf(!OPENSSL.ok)(`a revocation list, by openssl${skipped(OPENSSL)}`, () => {
  it.each([
    Date.UTC(1999, 1, 3),
    Date.UTC(2026, 5, 1, 12, 30, 15),
    Date.UTC(2049, 11, 31),
    Date.UTC(2051, 0, 1),
  ])('has the dates that are read there, from %d on', async (fromMs) => {
    const pem = await listOf(fromMs, fromMs + 86_400_000);
    const parsed = parseLists(Buffer.from(pem));
    expect(parsed).toMatchObject({ ok: true, lists: [byOpenssl(pem)] });
  });
});

describe('a revocation list', () => {
  it('may stand beside another one, with text around them', async () => {
    const now = whole(Date.now());
    const both = `# of the house\n${await listOf(now, now + 1_000)}\nother\n${await listOf(now, now + 2_000)}`;
    const parsed = parseLists(Buffer.from(both));
    expect(parsed.ok && parsed.lists.map(({ nextUpdateMs }) => nextUpdateMs)).toEqual([
      now + 1_000,
      now + 2_000,
    ]);
  });

  it('is not what a certificate, an empty file or half a list is', async () => {
    const pem = await listOf(0, 1_000);
    const half = pem.split('\n').slice(0, 3).join('\n');
    for (const text of [authority.certPem, '', half, pem.replace(/^M.*$/m, 'AAAA')])
      expect(parseLists(Buffer.from(text)).ok).toBe(false);
  });

  it('of any bytes is a value, never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const base64 = Buffer.from(bytes).toString('base64');
        parseLists(Buffer.from(`-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`));
      }),
    );
  });
});
