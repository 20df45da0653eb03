import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainNoPem, type PemBlock, parsePem } from '../../src/core/pem.ts';

const BLOCK = '-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n';
const WHOLE: PemBlock = { label: 'CERTIFICATE', base64: 'TUlJ', encrypted: false };

const label = fc.constantFrom('CERTIFICATE', 'X509 CERTIFICATE', 'EC PRIVATE KEY', 'DH PARAMETERS');
const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) => Buffer.from(bytes).toString('base64'));
/** Anything that people write around blocks; it must not look like the start of one. */
const comment = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((text) => !text.includes('-----'));
const lineEnd = fc.constantFrom('\n', '\r\n');
const blocks = fc.array(fc.record({ label, base64, before: comment }), { maxLength: 5 });

function write(parts: readonly { label: string; base64: string; before: string }[], end: string): string {
  const lines = parts.flatMap(({ label, base64, before }) => [
    before,
    `-----BEGIN ${label}-----`,
    ...(base64.match(/.{1,64}/g) ?? []),
    `-----END ${label}-----`,
  ]);
  return lines.map((line) => line + end).join('');
}

function problemOf(text: string): string {
  const result = parsePem(text);
  return result.ok ? 'no problem' : result.problem;
}

describe('parsePem', () => {
  it('finds every block in file order, whatever text and line ends are around it', () => {
    fc.assert(
      fc.property(blocks, lineEnd, (parts, end) => {
        const expected = parts.map(({ label, base64 }) => ({ label, base64, encrypted: false }));
        expect(parsePem(write(parts, end))).toEqual({ ok: true, blocks: expected });
      }),
    );
  });

  it('never throws, whatever the file holds', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('-----BEGIN A-----', '-----END A-----', '-----', 'AAAA', ''),
    );
    fc.assert(
      fc.property(fc.array(line), lineEnd, (lines, end) => {
        expect(parsePem(lines.join(end))).toHaveProperty('ok');
      }),
    );
  });

  it('takes no file that is cut off within a block', () => {
    const end = BLOCK.indexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----'.length;
    fc.assert(
      fc.property(fc.integer({ min: '-----BEGIN CERTIFICATE-----'.length, max: end - 1 }), (length) => {
        expect(parsePem(BLOCK + BLOCK.slice(0, length)).ok).toBe(false);
      }),
    );
  });

  it('finds nothing in an empty text', () => {
    expect(parsePem('')).toEqual({ ok: true, blocks: [] });
  });

  it.each([
    ['a UTF-8 byte order mark', `\uFEFF${BLOCK}`],
    ['no line end after the last line', BLOCK.trimEnd()],
    ['blanks after the dashes', BLOCK.replaceAll('-----\n', '----- \t\n')],
    ['blanks around and in the base64', BLOCK.replace('TUlJ', '  TU lJ\t')],
    ['one blank line after the BEGIN line', BLOCK.replace('TUlJ', '\nTUlJ')],
    ['a BEGIN line with a dash too few before the block', `-----BEGIN CERTIFICATE----\n${BLOCK}`],
    ['an indented BEGIN line before the block', ` -----BEGIN CERTIFICATE-----\n${BLOCK}`],
  ])('accepts %s', (_, text) => {
    expect(parsePem(text)).toEqual({ ok: true, blocks: [WHOLE] });
  });

  it.each([
    ['RFC 1421 headers', 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n', 'RSA PRIVATE KEY'],
    ["PKCS #8's label", '', 'ENCRYPTED PRIVATE KEY'],
  ])('sees by %s that a key needs a passphrase', (_, headers, label) => {
    const text = `-----BEGIN ${label}-----\n${headers}TUlJ\n-----END ${label}-----\n`;
    expect(parsePem(text)).toEqual({ ok: true, blocks: [{ label, base64: 'TUlJ', encrypted: true }] });
  });

  it('says of a file that ends within a block that it looks half-written', () => {
    expect(problemOf('-----BEGIN CERTIFICATE-----\nTUlJ\n')).toBe(
      'PEM block 1 (CERTIFICATE, line 1) has no END line; the file looks half-written',
    );
  });

  it('says which of several blocks is broken, and in which line it begins', () => {
    expect(problemOf(`# mine\r\n${BLOCK}-----BEGIN X509 CRL-----\nTUlJ\n`)).toContain(
      'PEM block 2 (X509 CRL, line 5)',
    );
  });

  it.each([
    ['the END line of another label', BLOCK.replace('END CERTIFICATE', 'END X509 CRL')],
    ['the BEGIN line of the next block', `-----BEGIN CERTIFICATE-----\nTUlJ\n${BLOCK}`],
    ['an END line that lacks a dash', BLOCK.replace('END CERTIFICATE-----', 'END CERTIFICATE----')],
  ])('says of a block that is closed by %s which line that is', (_, text) => {
    expect(problemOf(text)).toBe(
      'PEM block 1 (CERTIFICATE, line 1) is not closed by its END line but by line 3',
    );
  });

  it.each(['TUl!', '=TUlJ', 'TUlJ===', 'TUlJ\0', '# TUlJ'])('refuses %j as base64', (line) => {
    expect(problemOf(BLOCK.replace('TUlJ', line))).toBe(
      'PEM block 1 (CERTIFICATE, line 1) is not valid base64',
    );
  });

  it.each([
    ['in the middle', 'TUlJ\n\nTUlJ'],
    ['at the end', 'TUlJ\n'],
    ['twice at the beginning', '\n\nTUlJ'],
  ])('refuses a blank line %s of the base64, as OpenSSL does', (_, body) => {
    expect(problemOf(BLOCK.replace('TUlJ', body))).toBe(
      'PEM block 1 (CERTIFICATE, line 1) has a blank line in it',
    );
  });

  it('refuses headers of anything but encryption, as OpenSSL does', () => {
    expect(problemOf(BLOCK.replace('TUlJ', 'Comment: mine\n\nTUlJ'))).toBe(
      'PEM block 1 (CERTIFICATE, line 1) has headers but is not encrypted',
    );
  });

  it('takes a lone carriage return for no line end, as OpenSSL does', () => {
    expect(parsePem(BLOCK.replaceAll('\n', '\r'))).toEqual({ ok: true, blocks: [] });
  });

  it('reads a mebibyte of tiny blocks without stalling the program', { timeout: 2_000 }, () => {
    const tiny = '-----BEGIN A-----\n-----END A-----\n';
    const count = Math.floor(1024 ** 2 / tiny.length);
    const result = parsePem(tiny.repeat(count));
    expect(result.ok && result.blocks.length).toBe(count);
  });
});

describe('explainNoPem', () => {
  it.each([
    ['DER of a certificate', '\x30\x82\x01\x02', 'looks like DER'],
    ['DER of something short', '\x30\x81\x90', 'looks like DER'],
    ['UTF-16, little endian', '\xFF\xFE-\0-\0', 'looks like UTF-16'],
    ['UTF-16, big endian', '\xFE\xFF\0-\0-', 'looks like UTF-16'],
    ['an indented block', '# mine\n  -----BEGIN CERTIFICATE-----\n', 'BEGIN line is indented'],
    ['anything else', 'hello', 'no line begins with -----BEGIN'],
  ])('recognises %s', (_, latin1, words) => {
    expect(explainNoPem(latin1)).toContain(words);
  });
});
