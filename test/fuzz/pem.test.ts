/**
 * Whatever a certificate file looks like: we load of it what OpenSSL loads by the calls that Mosquitto makes, and refuse
 * what it refuses. Files are generated, always of the same shapes; another SEED and more FILES play others.
 */

import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createAuthority } from '../../lab/certificates.ts';
import { parsePrivateKey } from '../../src/system/private-key.ts';
import { parseCertificates } from '../../src/system/x509.ts';
import { describeWith } from '../support/needs.ts';
import { type Loaded, loadWithOpenSsl, OPENSSL_LOADS } from '../support/openssl-loads.ts';
import { sample } from '../support/thorough.ts';

const FILES = Number(process.env['FILES'] ?? sample({ many: 6_000, some: 2_000 }));
const SEED = Number(process.env['SEED'] ?? 20_261_125);

const root = await createAuthority({ cn: 'Root' });
const issuing = await root.intermediate({ cn: 'Issuing' });
const client = await issuing.issue({ cn: 'edge-1' });
const crl = await root.crl([]);
const DERS = [client, issuing, root].map(({ certificate }) =>
  Buffer.from(new Uint8Array(certificate.rawData)),
);
const KEYS = [
  client,
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('ed25519'),
].map((pair) => ('privateKey' in pair ? pair.privateKey : pair.key).export({ type: 'pkcs8', format: 'der' }));
const AUXILIARY = Buffer.from([0x30, 0x00]);

/** Mostly the first, now and then one of the others. */
function mostly<T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 60, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

const BOM = '\xEF\xBB\xBF';
const certificateLabel = mostly(
  'CERTIFICATE',
  'X509 CERTIFICATE',
  'TRUSTED CERTIFICATE',
  'CERTIFICATE ',
  ' CERTIFICATE',
  'CERTIFICATE-',
  'certificate',
  'CERTIFICATE REQUEST',
  'PKCS7',
  'X509 CRL',
  'EC PARAMETERS',
  '',
);
const keyLabel = mostly(
  'PRIVATE KEY',
  'EC PRIVATE KEY',
  'RSA PRIVATE KEY',
  'ANY PRIVATE KEY',
  'ENCRYPTED PRIVATE KEY',
  'PRIVATE KEY ',
  'private key',
  'PUBLIC KEY',
  'CERTIFICATE',
);
const before = mostly('', ' ', '\t', BOM, BOM + BOM, '#', '\xA0', '-', '\v');
const behind = mostly('', ' ', '\t ', '\v', '\f', '\xC2\xA0', '\0', '\x7F', 'x', '-', '\r');
const dashes = mostly('-----', '----', '------', '');
const lineEnd = mostly('\n', '\r\n', '\r', '\n\r', ' \n', '\v\n', '\n\n', '\xA0\n', '\0\n');
const width = mostly(64, 1, 4, 63, 65, 72, 76, 77, 253, 254, 255, 256, 508, 1_000, 100_000);
const padding = mostly<(base64: string) => string>(
  (base64) => base64,
  (base64) => `${base64}=`,
  (base64) => `${base64}==`,
  (base64) => base64.replace(/=+$/, ''),
  (base64) => `=${base64}`,
  (base64) => `${base64}====`,
  (base64) => `${base64.slice(0, 40)}==${base64.slice(40)}`,
);
const tail = mostly(
  Buffer.alloc(0),
  Buffer.of(0),
  AUXILIARY,
  Buffer.from('garbage'),
  Buffer.from([0x30, 0x80]),
);
const intruder = fc.constantFrom(
  '',
  ' ',
  '\t',
  '# comment',
  'Comment: mine',
  'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n',
  '-',
  '--',
  '-----',
  '-----END CERTIFICATE----',
  '-----BEGIN CERTIFICATE-----',
  '====',
  '\0',
  '\xFF',
  '\v',
);
const intruders = fc.oneof(
  { weight: 30, arbitrary: fc.constant([]) },
  {
    weight: 3,
    arbitrary: fc.array(fc.record({ at: fc.nat(30), text: intruder }), { minLength: 1, maxLength: 2 }),
  },
);

/** A block with one of `contents` in it, mostly as it should be. */
function blockOf(contents: fc.Arbitrary<Buffer>, label: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .record({
      der: contents,
      label,
      endLabel: mostly(undefined, 'CERTIFICATE', 'X509 CRL', ''),
      before,
      behind,
      endBefore: before,
      endBehind: behind,
      dashes,
      endDashes: dashes,
      lineEnd,
      width,
      padding,
      tail,
      intruders,
      hasEnd: mostly(true, false),
    })
    .map((shape) => {
      const base64 = shape.padding(Buffer.concat([shape.der, shape.tail]).toString('base64'));
      const lines = base64.match(new RegExp(`.{1,${shape.width}}`, 'gs')) ?? [];
      for (const { at, text } of shape.intruders) lines.splice(at % (lines.length + 1), 0, text);
      const whole = [
        `${shape.before}-----BEGIN ${shape.label}${shape.dashes}${shape.behind}`,
        ...lines,
        ...(shape.hasEnd
          ? [
              `${shape.endBefore}-----END ${shape.endLabel ?? shape.label}${shape.endDashes}${shape.endBehind}`,
            ]
          : []),
      ];
      return whole.map((line) => line + shape.lineEnd).join('');
    });
}

const between = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '\n',
      '\r\n\r\n',
      '# comment\n',
      BOM,
      `${BOM}\n`,
      `\n${BOM}`,
      '\0\n',
      'text\0text\n',
      `${'x'.repeat(253)}\n`,
      `${'x'.repeat(254)}\n`,
      'x'.repeat(254),
      '-----BEGIN\n',
      '-----BEGIN CERTIFICATE\n',
      '-----END CERTIFICATE-----\n',
      'Bag Attributes\n    friendlyName: edge\nsubject=CN = edge\n',
      '-----BEGIN NOTE-----\nComment: headers\n\nAAAA\n-----END NOTE-----\n',
      '-----BEGIN NOTE-----\n-----END NOTE-----\n',
      client.keyPem,
      crl,
      crl.replace('MI', 'MA'),
    ),
  },
);

/** Nothing, mostly. */
function seldom<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

const damage = fc.record({
  at: fc.nat(),
  length: fc.nat(3),
  bytes: fc.string({ unit: 'binary-ascii', maxLength: 2 }),
});
const cut = fc.double({ min: 0, max: 1, noNaN: true });

/** Blocks with something before and behind them, now and then damaged or cut short. */
function fileOf(block: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return fc
    .record({
      parts: fc.array(fc.tuple(between, block), { minLength: 1, maxLength: 4 }),
      end: between,
      damage: seldom(damage),
      cut: seldom(cut),
      lastLineEnd: mostly(true, false),
    })
    .map(({ parts, end, damage, cut, lastLineEnd }) => {
      let text = parts.flat().join('') + end;
      if (damage !== undefined) {
        const at = damage.at % (text.length + 1);
        text = text.slice(0, at) + damage.bytes + text.slice(at + damage.length);
      }
      if (cut !== undefined) text = text.slice(0, Math.ceil(text.length * cut));
      if (!lastLineEnd) text = text.trimEnd();
      return Buffer.from(text, 'latin1');
    });
}

const file = fileOf(blockOf(fc.constantFrom(...DERS), certificateLabel));
const keyFile = fileOf(blockOf(fc.constantFrom(...KEYS), keyLabel));

function sorted(certificates: readonly string[]): readonly string[] {
  return [...new Set(certificates)].toSorted();
}

/** Differences that stay, each with its reason. */
const STAYS: Readonly<Record<string, (theirs: Loaded, mine: readonly string[] | string) => boolean>> = {
  // without the dates of the certificate that is presented nothing can be judged, and whoever verifies it refuses it
  'dates of the presented certificate that cannot be read': (_theirs, mine) =>
    typeof mine === 'string' && mine.endsWith('its dates cannot be read'),
  // depends on the security level of the broker's build; the probe reports weak keys and digests (`local_file`)
  'what the security level refuses': (theirs) =>
    'error' in theirs && /too (?:small|weak)|^invalid certificate$/.test(theirs.error),
};

function isExplained(theirs: Loaded, mine: readonly string[] | string): boolean {
  return Object.values(STAYS).some((stays) => stays(theirs, mine));
}

describeWith(OPENSSL_LOADS, 'a certificate file', () => {
  it.each(['chain', 'authorities'] as const)(
    'is loaded as OpenSSL loads it, whatever it looks like: %s',
    { timeout: 300_000 },
    (use) => {
      const files = fc.sample(file, { numRuns: FILES, seed: SEED });
      const loaded = loadWithOpenSsl(files.map((bytes) => ({ use, bytes })));
      let taken = 0;
      const differences = files.flatMap((bytes, index) => {
        const theirs = loaded[index] ?? { error: 'no answer' };
        const their = 'certificates' in theirs ? theirs.certificates : [];
        if (their.length > 0) taken += 1;
        const result = parseCertificates(bytes, use);
        const my = result.ok ? result.certificates.map(({ sha256 }) => sha256) : [];
        const mine = result.ok ? my : result.problem;
        const isSame =
          use === 'chain' ? my.join() === their.join() : sorted(my).join() === sorted(their).join();
        return isSame || isExplained(theirs, mine) ? [] : [{ file: bytes.toString('latin1'), theirs, mine }];
      });
      expect(differences.slice(0, 3)).toEqual([]);
      // neither all good nor all bad
      expect(Math.abs(taken / FILES - 0.5)).toBeLessThan(0.25);
    },
  );
});

describeWith(OPENSSL_LOADS, 'a key file', () => {
  it('is loaded if OpenSSL loads it, whatever it looks like', { timeout: 300_000 }, () => {
    const files = fc.sample(keyFile, { numRuns: FILES / 4, seed: SEED });
    const loaded = loadWithOpenSsl(files.map((bytes) => ({ use: 'key', bytes })));
    const differences = files.flatMap((bytes, index) => {
      const theirs = loaded[index] ?? { error: 'no answer' };
      const mine = parsePrivateKey(bytes);
      // C takes a NUL for the end of a line, and Node hands over the whole of it: no key file has one
      const isSame = 'ok' in theirs === mine.ok || bytes.includes(0);
      return isSame ? [] : [{ file: bytes.toString('latin1'), theirs, mine }];
    });
    expect(differences.slice(0, 3)).toEqual([]);
    const taken = loaded.filter((theirs) => 'ok' in theirs).length;
    expect(Math.abs(taken / loaded.length - 0.5)).toBeLessThan(0.45);
  });
});
