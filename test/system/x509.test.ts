import { createHash } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../../lab/certificates.ts';
import {
  type CertificateUse,
  distinguishedName,
  MAX_CERTIFICATES,
  parseCertificates,
} from '../../src/system/x509.ts';

let root: Authority;
let issuing: Authority;
let client: Issued;

beforeAll(async () => {
  root = await createAuthority({ cn: 'Root' });
  issuing = await root.intermediate({ cn: 'Issuing' });
  client = await issuing.issue({ cn: 'edge-1' });
});

/** The subjects of the certificates in a file, or what is wrong with it. */
function read(file: string | Buffer, use: CertificateUse = 'chain'): readonly string[] | string {
  const result = parseCertificates(typeof file === 'string' ? Buffer.from(file) : file, use);
  return result.ok ? result.certificates.map(({ subject }) => subject) : result.problem;
}

function pemOf(der: Uint8Array, label = 'CERTIFICATE'): string {
  const body = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

function der({ certificate }: Issued): Buffer {
  return Buffer.from(new Uint8Array(certificate.rawData));
}

/** What `openssl x509 -text` writes before the block. */
const TEXT_PREAMBLE = `Certificate:
    Data:
        Version: 3 (0x2)
        Issuer: CN=Issuing
        Validity
            Not Before: Mar  1 12:00:00 2026 GMT
        X509v3 extensions:
            X509v3 Basic Constraints: critical
                CA:FALSE
    Signature Value:
        30:45:02:20:6a
`;

describe('parseCertificates', () => {
  it('reads the facts off a certificate', async () => {
    const [notBefore, notAfter] = [new Date('2026-01-02T03:04:05Z'), new Date('2027-06-07T08:09:10Z')];
    const issued = await root.issue({ cn: 'edge-2', notBefore, notAfter });
    const result = parseCertificates(Buffer.from(issued.certPem), 'chain');
    expect(result.ok && result.certificates).toEqual([
      expect.objectContaining({
        subject: 'CN=edge-2',
        issuer: 'CN=Root',
        notBeforeMs: notBefore.getTime(),
        notAfterMs: notAfter.getTime(),
        isCa: false,
        mayBeClient: true,
        sha256: createHash('sha256').update(der(issued)).digest('hex'),
        der: der(issued),
        pem: issued.certPem,
      }),
    ]);
  });

  it('sees that a certificate is an authority', () => {
    const result = parseCertificates(Buffer.from(root.certPem), 'chain');
    expect(result.ok && result.certificates[0]?.isCa).toBe(true);
  });

  it('reads dates from the oldest to the last that a certificate can bear', async () => {
    const [notBefore, notAfter] = [new Date('1950-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')];
    const { certPem } = await root.issue({ notBefore, notAfter });
    const result = parseCertificates(Buffer.from(certPem), 'chain');
    expect(result.ok && result.certificates[0]).toMatchObject({
      notBeforeMs: notBefore.getTime(),
      notAfterMs: notAfter.getTime(),
    });
  });

  it.each([
    ['leaf first', ['client', 'issuing', 'root'], ['CN=edge-1', 'CN=Issuing', 'CN=Root']],
    ['root first', ['root', 'issuing', 'client'], ['CN=Root', 'CN=Issuing', 'CN=edge-1']],
    ['leaf in the middle', ['issuing', 'client', 'root'], ['CN=Issuing', 'CN=edge-1', 'CN=Root']],
    ['one of them twice', ['client', 'client'], ['CN=edge-1', 'CN=edge-1']],
  ])('keeps the order of a bundle: %s', (_, order, subjects) => {
    const files: Record<string, Issued> = { client, issuing, root };
    expect(read(order.map((name) => files[name]?.certPem).join(''))).toEqual(subjects);
  });

  it.each<[string, () => string | Buffer]>([
    ['comments around the block', () => `# the broker's own\n${client.certPem}# end\n`],
    ['CRLF', () => client.certPem.replaceAll('\n', '\r\n')],
    ['a UTF-8 byte order mark', () => `\uFEFF${client.certPem}`],
    ['a byte order mark and CRLF', () => `\uFEFF${client.certPem}`.replaceAll('\n', '\r\n')],
    ['the output of openssl -text before it', () => TEXT_PREAMBLE + client.certPem],
    ['the private key in front of it', () => client.keyPem + client.certPem],
    ['no line end at the end', () => client.certPem.trimEnd()],
    [
      'all of the base64 in one line',
      () => `-----BEGIN CERTIFICATE-----\n${der(client).toString('base64')}\n-----END CERTIFICATE-----\n`,
    ],
    [
      'bytes that are no UTF-8 in a comment',
      () => Buffer.concat([Buffer.of(0xe9, 0x0a), Buffer.from(client.certPem)]),
    ],
    ["OpenSSL's old label", () => client.certPem.replaceAll('CERTIFICATE', 'X509 CERTIFICATE')],
    [
      "OpenSSL's label for a certificate with trust settings",
      () => client.certPem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'),
    ],
  ])('accepts %s', (_, file) => {
    expect(read(file())).toEqual(['CN=edge-1']);
  });

  it('takes the certificate without the trust settings that follow it', () => {
    const noTrust = Buffer.from([0x30, 0x00]);
    const result = parseCertificates(
      Buffer.from(pemOf(Buffer.concat([der(client), noTrust]), 'TRUSTED CERTIFICATE')),
      'chain',
    );
    expect(result.ok && result.certificates[0]).toMatchObject({ der: der(client), trust: noTrust });
  });

  it('yields each certificate as a PEM block of its own that OpenSSL loads', () => {
    const bundle = `# first\r\n${client.certPem}junk\r\n${issuing.certPem}`;
    const result = parseCertificates(Buffer.from(bundle), 'chain');
    const cert = result.ok ? result.certificates.map(({ pem }) => pem).join('') : '';
    expect(() => createSecureContext({ cert, key: client.keyPem })).not.toThrow();
  });

  it.each<[string, () => string | Buffer, string]>([
    [
      'DER',
      () => der(client),
      'holds no PEM certificate: it looks like DER; convert it with openssl x509 -inform der -outform pem',
    ],
    [
      'UTF-16',
      () => Buffer.from(`\uFEFF${client.certPem}`, 'utf16le'),
      'holds no PEM certificate: it looks like UTF-16; save it as plain text',
    ],
    [
      'an indented block',
      () => client.certPem.replace(/^/gm, '  '),
      'holds no PEM certificate: its BEGIN line is indented; remove the leading white space',
    ],
    [
      'something else altogether',
      () => 'hello\n',
      'holds no PEM certificate: no line begins with -----BEGIN',
    ],
    [
      'half a block',
      () => client.certPem.slice(0, client.certPem.length / 2),
      'PEM block 1 (CERTIFICATE, line 1) has no END line; the file looks half-written',
    ],
    [
      'a whole block and half of another',
      () => client.certPem + issuing.certPem.slice(0, -40),
      'has no END line; the file looks half-written',
    ],
    [
      'base64 with odd letters in it',
      () => client.certPem.replace('MII', 'M*I'),
      'PEM block 1 (CERTIFICATE, line 1) is not valid base64',
    ],
    ['only a key', () => client.keyPem, 'holds no certificate, only PRIVATE KEY'],
    [
      'a key and a revocation list',
      () => client.keyPem + pemOf(Buffer.of(1), 'X509 CRL'),
      'holds no certificate, only PRIVATE KEY, X509 CRL',
    ],
    [
      'a block without content',
      () => pemOf(Buffer.alloc(0)),
      'PEM block 1 (CERTIFICATE, line 1) has nothing in it',
    ],
    ['a block of garbage', () => pemOf(Buffer.from('garbage')), 'is not a certificate: '],
    [
      'garbage after a good certificate',
      () => client.certPem + pemOf(Buffer.from('garbage')),
      'is not a certificate: ',
    ],
    ['DER that is cut short', () => pemOf(der(client).subarray(0, -1)), 'is not a certificate: '],
    [
      'DER with something behind it',
      () => pemOf(Buffer.concat([der(client), Buffer.of(0)])),
      'is not a certificate: ',
    ],
    [
      'a key that calls itself a certificate',
      () => client.keyPem.replaceAll('PRIVATE KEY', 'CERTIFICATE'),
      'is not a certificate: ',
    ],
  ])('says what is wrong with %s', (_, file, problem) => {
    expect(read(file())).toContain(problem);
  });

  it('refuses a certificate whose dates are nonsense', () => {
    const text = der(client).toString('latin1');
    // the first date is notBefore; there is no 30 February
    const broken = Buffer.from(text.replace(/\d{12}Z/, '270230000000Z'), 'latin1');
    expect(read(pemOf(broken))).toBe(
      'PEM block 1 (CERTIFICATE, line 1) is not a certificate: its dates cannot be read',
    );
  });

  it('loads a certificate whose dates are nonsense where it is not the one that is presented, and says so', () => {
    const text = der(issuing).toString('latin1');
    const broken = pemOf(Buffer.from(text.replace(/\d{12}Z/, '270230000000Z'), 'latin1'));
    const result = parseCertificates(Buffer.from(client.certPem + broken), 'chain');
    expect(result).toMatchObject({
      ok: true,
      certificates: [{ subject: 'CN=edge-1' }, { subject: 'CN=Issuing', notAfterMs: 0 }],
      ignored: [expect.stringContaining('whose dates cannot be read')],
    });
  });

  it.each<[string, CertificateUse, () => string, readonly string[], string]>([
    [
      'trust settings behind the first of a chain',
      'chain',
      () => client.certPem + issuing.certPem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'),
      ['CN=edge-1'],
      'has a PEM block 2 (TRUSTED CERTIFICATE, line',
    ],
    [
      'a label with a blank too many',
      'authorities',
      () => root.certPem + issuing.certPem.replaceAll('CERTIFICATE', 'CERTIFICATE '),
      ['CN=Root'],
      'has a PEM block 2 (CERTIFICATE , line',
    ],
    ['PKCS #7', 'chain', () => client.certPem + pemOf(Buffer.of(1), 'PKCS7'), ['CN=edge-1'], '(PKCS7, line'],
  ])('says what OpenSSL does not load: %s', (_, use, file, subjects, words) => {
    const result = parseCertificates(Buffer.from(file()), use);
    expect(result.ok && result.certificates.map(({ subject }) => subject)).toEqual(subjects);
    expect(result.ok && result.ignored).toEqual([expect.stringContaining(words)]);
  });

  it.each(['chain', 'authorities'] as const)(
    'takes no notice of a key or a CRL in the file: %s',
    async (use) => {
      const result = parseCertificates(Buffer.from(root.keyPem + root.certPem + (await root.crl([]))), use);
      expect(result).toMatchObject({ ok: true, ignored: [] });
    },
  );

  it.each([
    ['a revocation list', () => pemOf(Buffer.of(1), 'X509 CRL'), 'is not a revocation list: '],
    ['a key', () => pemOf(Buffer.of(1), 'PRIVATE KEY'), 'is not a private key: '],
  ])('refuses a CA file with %s that is broken, as OpenSSL does', (_, block, words) => {
    expect(read(root.certPem + block(), 'authorities')).toContain(words);
  });

  it('takes no notice of what is behind a certificate in a CA file, as OpenSSL does', () => {
    expect(read(pemOf(Buffer.concat([der(root), Buffer.of(0)])), 'authorities')).toEqual(['CN=Root']);
  });

  it.each(['chain', 'authorities'] as const)(
    'takes no more certificates than it can judge in time: %s',
    (use) => {
      const most = MAX_CERTIFICATES[use];
      expect(read(root.certPem.repeat(most), use)).toHaveLength(most);
      expect(read(root.certPem.repeat(most + 1), use)).toBe(`holds more than ${most} certificates`);
    },
  );

  it('calls a certificate without a subject by the first of its names', async () => {
    const { certPem } = await root.issue({ subject: '', sans: ['edge-7.example.com', '192.0.2.7'] });
    expect(read(certPem)).toEqual(['DNS:edge-7.example.com']);
  });

  it('cuts a name that would fill the log', async () => {
    const { certPem } = await root.issue({ cn: 'x'.repeat(100_000) });
    const [subject = ''] = read(certPem);
    expect(subject.length).toBeLessThan(500);
  });

  it('tells certificates of one name and key from others', async () => {
    const again = await root.intermediate({ cn: 'Issuing', privateKey: issuing.key });
    const other = await root.intermediate({ cn: 'Issuing' });
    const result = parseCertificates(
      Buffer.from(issuing.certPem + again.certPem + other.certPem),
      'authorities',
    );
    const [first, second, third] = result.ok ? result.certificates.map(({ sameAs }) => sameAs) : [];
    expect([first === second, first === third]).toEqual([true, false]);
  });

  it('says what is wrong in one line', () => {
    expect(read(pemOf(Buffer.from('garbage')))).not.toContain('\n');
  });

  it('never says what stands in a key', () => {
    const secret = client.keyPem.split('\n')[1] ?? '';
    const broken = client.keyPem.replace('-----END PRIVATE KEY-----', '');
    expect(read(broken)).not.toContain(secret);
  });

  it('never calls a file good that OpenSSL cannot load', () => {
    const line = fc.constantFrom(
      '',
      ' ',
      '# comment',
      'Comment: x',
      '-----BEGIN CERTIFICATE-----',
      'AAAA',
      '=',
    );
    const damage = fc.record({
      at: fc.nat(),
      remove: fc.integer({ min: 0, max: 2 }),
      insert: fc.array(line, { maxLength: 2 }),
    });
    const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(damage, lineEnd, ({ at, remove, insert }, end) => {
        const lines = client.certPem.split('\n');
        lines.splice(at % lines.length, remove, ...insert);
        const file = lines.join(end);
        fc.pre(typeof read(file) !== 'string');
        expect(() => createSecureContext({ cert: file })).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });
});

describe('distinguishedName', () => {
  it.each<[string, string, string]>([
    ['puts the most specific part first', 'C=DE\nO=Example\nCN=edge-1', 'CN=edge-1,O=Example,C=DE'],
    ['leaves escaped commas alone', 'O=Example\\, Inc.\nCN=edge-1', 'CN=edge-1,O=Example\\, Inc.'],
    ['keeps two parts of one kind apart', 'DC=com\nDC=example', 'DC=example,DC=com'],
    [
      'joins the parts of a multi-valued name without blanks',
      'O=Example\nCN=a + OU=b',
      'CN=a+OU=b,O=Example',
    ],
    ['leaves an escaped plus sign alone', 'CN=a \\+ b', 'CN=a \\+ b'],
  ])('%s', (_, multiline, name) => {
    expect(distinguishedName(multiline)).toBe(name);
  });

  it('is empty for a certificate without a subject', () => {
    expect(distinguishedName(undefined)).toBe('');
  });

  it('shows what stands in a real certificate', async () => {
    const { certPem } = await createAuthority({ subject: 'C=DE,O=Example\\, Inc.,OU=Edge,CN=Zoë' });
    expect(read(certPem)).toEqual(['CN=Zoë,OU=Edge,O=Example\\, Inc.,C=DE']);
  });
});
