import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createSelfSigned, daysFromNow } from '../../lab/certificates.ts';
import * as fix from '../../lab/core-fixtures.ts';
import { lookAtPages } from '../../src/cli/check-pages.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import { temporaryDirectory } from '../support/directory.ts';

const HASH = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
const directory = await temporaryDirectory(afterAll);
const file = (name: string) => join(directory, name);

const identity = await createSelfSigned({ cn: 'gateway', notAfter: new Date('2126-01-01T00:00:00Z') });
const late = await createSelfSigned({ cn: 'late', notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) });
await writeFile(file('server.crt'), identity.certPem);
await writeFile(file('server.key'), identity.keyPem);
await writeFile(file('late.crt'), late.certPem);
await writeFile(file('late.key'), late.keyPem);
await writeFile(file('users'), `alice:${HASH}\nbob:${HASH}\n`);
await writeFile(file('bad'), 'alice:sesame\n');

const TLS = { certFile: file('server.crt'), keyFile: file('server.key'), clientCaFile: undefined };

const look = (change: Partial<Settings>) => lookAtPages(fix.settings({ metricsEnabled: true, ...change }));

describe('of the pages, check', () => {
  it('says nothing where nothing is asked for', async () => {
    expect(await look({})).toEqual([]);
  });

  it('says nothing where nothing is served', async () => {
    expect(await look({ metricsEnabled: false, metricsAuthFile: file('bad') })).toEqual([]);
  });

  it('says what is asked for', async () => {
    const metricsTls = { ...TLS, clientCaFile: file('server.crt') };
    expect(await look({ metricsTls, metricsAuthFile: file('users') })).toMatchObject([
      {
        level: 'ok',
        message:
          'TLS as CN=gateway, valid until 2126-01-01T00:00:00Z; client certificates; passwords of 2 users',
      },
    ]);
  });

  it.each([[undefined], ['0.0.0.0'], ['192.0.2.1']])(
    'warns of passwords without TLS on %s',
    async (metricsHost) => {
      expect(await look({ metricsHost, metricsAuthFile: file('users') })).toMatchObject([
        { level: 'warning', message: expect.stringContaining('in the clear') },
      ]);
    },
  );

  it.each([['127.0.0.1'], ['::1'], ['localhost']])('does not warn of them on %s', async (metricsHost) => {
    expect(await look({ metricsHost, metricsAuthFile: file('users') })).toMatchObject([{ level: 'ok' }]);
  });

  it.each([
    [
      'a certificate that is missing',
      { metricsTls: { ...TLS, certFile: file('none') } },
      /none does not exist$/,
    ],
    ['a key of another', { metricsTls: { ...TLS, keyFile: file('late.key') } }, /late\.key does not belong/],
    [
      'a CA that is none',
      { metricsTls: { ...TLS, clientCaFile: file('users') } },
      /users holds no PEM certificate/,
    ],
    [
      'a bad line',
      { metricsTls: TLS, metricsAuthFile: file('bad') },
      /bad is not usable: line 1 has no bcrypt hash/,
    ],
    [
      'a certificate that has expired',
      { metricsTls: { ...TLS, certFile: file('late.crt'), keyFile: file('late.key') } },
      /\(CN=late\) expired on/,
    ],
  ])('warns of %s', async (_what, change, message) => {
    const rows = await look(change);
    expect(rows).toMatchObject([{ level: 'warning', message: expect.stringMatching(message) }]);
    expect(JSON.stringify(rows)).not.toContain('sesame');
  });
});
