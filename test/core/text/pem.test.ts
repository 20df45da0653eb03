import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainNoPem, headerProblem, type PemBlock, parsePem } from '../../../src/core/text/pem.ts';

const BLOCK = '-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n';
const WHOLE: PemBlock = { label: 'CERTIFICATE', line: 1, base64: 'TUlJ', header: '', encrypted: false };

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

/** A text with one character for each byte of its UTF-8. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function problemOf(text: string): string {
  return parsePem(text).problem ?? 'no problem';
}

/** Label and base64 of each block. */
function blocksOf(text: string): readonly string[] {
  return parsePem(text).blocks.map(({ label, base64 }) => `${label} ${base64}`);
}

describe('parsePem', () => {
  it('finds every block in file order, whatever text and line ends are around it', () => {
    fc.assert(
      fc.property(blocks, lineEnd, (parts, end) => {
        const expected = parts.map(({ label, base64 }) => `${label} ${base64}`);
        expect(blocksOf(latin1(write(parts, end)))).toEqual(expected);
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
        expect(parsePem(latin1(lines.join(end)))).toHaveProperty('blocks');
      }),
    );
  });

  it('takes no file that is cut off within a block', () => {
    const end = BLOCK.indexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----'.length;
    fc.assert(
      fc.property(fc.integer({ min: '-----BEGIN CERTIFICATE-----'.length, max: end - 1 }), (length) => {
        expect(problemOf(BLOCK + BLOCK.slice(0, length))).not.toBe('no problem');
      }),
    );
  });

  it('finds nothing in an empty text', () => {
    expect(parsePem('')).toEqual({ blocks: [], problem: undefined, ignored: [] });
  });

  it.each([
    ['a UTF-8 byte order mark', latin1(`\uFEFF${BLOCK}`)],
    ['no line end after the last line', BLOCK.trimEnd()],
    ['blanks after the dashes', BLOCK.replaceAll('-----\n', '----- \t\n')],
    ['blanks around and in the base64', BLOCK.replace('TUlJ', '  TU lJ\t')],
    ['one blank line after the BEGIN line', BLOCK.replace('TUlJ', '\nTUlJ')],
    ['a carriage return within the base64', BLOCK.replace('TUlJ', 'TU\rlJ')],
    ['a NUL at the end of the file', `${BLOCK}\0\0\0`],
    ['lines of more than 254 characters', BLOCK.replace('TUlJ', `TUlJ${' '.repeat(600)}`)],
  ])('accepts %s', (_, text) => {
    expect(parsePem(text)).toEqual({ blocks: [WHOLE], problem: undefined, ignored: [] });
  });

  it.each([
    ['RFC 1421 headers', 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n', 'RSA PRIVATE KEY'],
    ["PKCS #8's label", '', 'ENCRYPTED PRIVATE KEY'],
  ])('sees by %s that a key needs a passphrase', (_, headers, label) => {
    const text = `-----BEGIN ${label}-----\n${headers}TUlJ\n-----END ${label}-----\n`;
    expect(parsePem(text).blocks).toEqual([
      { label, line: 1, base64: 'TUlJ', header: headers.trim() && expect.any(String), encrypted: true },
    ]);
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
    ['an END line that lacks a dash', BLOCK.replace('END CERTIFICATE-----', 'END CERTIFICATE----')],
  ])('says of a block that is closed by %s which line that is', (_, text) => {
    expect(problemOf(text)).toBe(
      'PEM block 1 (CERTIFICATE, line 1) is not closed by its END line but by line 3',
    );
  });

  it.each(['TUl!', '=TUlJ', 'TUlJ===', 'TUlJA', '# TUlJ', '\xFFTUlJ'])('refuses %j as base64', (line) => {
    expect(problemOf(BLOCK.replace('TUlJ', line))).toBe(
      'PEM block 1 (CERTIFICATE, line 1) is not valid base64',
    );
  });

  it('takes what stands before a blank line in the base64 for headers, as OpenSSL does', () => {
    const [block] = parsePem(BLOCK.replace('TUlJ', 'TUlJ\n\nTUlJ')).blocks;
    expect(block && headerProblem(block)).toBe('has a blank line in it');
  });

  it.each([
    ['a blank line at the end of the base64', 'TUlJ\n', 'has nothing in it'],
    ['two blank lines', '\n\nTUlJ', 'has a blank line in it'],
    ['no base64', '', 'has nothing in it'],
    ['a blank line and then a line that is too long', `\n${'TUlJ'.repeat(17)}`, 'lines of 64 characters'],
    ['a blank line and then a short line before another', '\nTUlJ\nTUlJ', 'lines of 64 characters'],
  ])('refuses a block with %s, as OpenSSL does', (_, body, problem) => {
    expect(problemOf(BLOCK.replace('TUlJ', body))).toContain(problem);
  });

  it('refuses headers of anything but encryption, as OpenSSL does', () => {
    const [block] = parsePem(BLOCK.replace('TUlJ', 'Comment: mine\n\nTUlJ')).blocks;
    expect(block && headerProblem(block)).toBe('has headers but is not encrypted');
  });

  it('takes a lone carriage return for no line end, as OpenSSL does', () => {
    expect(blocksOf(BLOCK.replaceAll('\n', '\r'))).toEqual([]);
  });

  it('reads a mebibyte of tiny blocks without stalling the program', { timeout: 2_000 }, () => {
    const tiny = '-----BEGIN A-----\nTUlJ\n-----END A-----\n';
    const count = Math.floor(1024 ** 2 / tiny.length);
    expect(parsePem(tiny.repeat(count)).blocks.length).toBe(count);
  });

  it('keeps what it has read before a block that is broken', () => {
    const pem = parsePem(`${BLOCK}-----BEGIN CERTIFICATE-----\n`);
    expect([pem.blocks.length, pem.problem]).toEqual([1, expect.stringContaining('PEM block 2')]);
  });

  it('sees bytes above 127 at the end of a line as OpenSSL does on x86 and on ARM', () => {
    const text = latin1(BLOCK.replaceAll('-----\n', '-----\u00A0\n'));
    expect([true, false].map((isSigned) => parsePem(text, isSigned).blocks.length)).toEqual([1, 0]);
  });
});

describe('what OpenSSL passes over in silence', () => {
  const MARK = latin1('\uFEFF');

  it('is not a byte order mark right behind a block: OpenSSL takes it off', () => {
    const pem = parsePem(BLOCK + MARK + BLOCK);
    expect([pem.blocks.length, pem.ignored]).toEqual([2, []]);
  });

  it.each([
    [
      'a byte order mark later on',
      `${BLOCK}\n${MARK}${BLOCK}`,
      'has a BEGIN in line 5 that OpenSSL does not see, because it has a byte order mark before it',
    ],
    ['an indented block', `${BLOCK} ${BLOCK}`, 'because it is indented'],
    [
      'a block behind other text',
      `${BLOCK}x${BLOCK}`,
      'because it does not stand at the beginning of its line',
    ],
    [
      'a BEGIN line that lacks a dash',
      `${BLOCK}${BLOCK.replace('-----\n', '----\n')}`,
      'because it does not end with five dashes',
    ],
    [
      'a block behind a NUL',
      `${BLOCK}\0\n${BLOCK}`,
      'ends for OpenSSL at line 4, which begins with a NUL byte',
    ],
  ])('is said: %s', (_, text, words) => {
    const pem = parsePem(text);
    expect([pem.blocks.length, pem.ignored]).toEqual([1, [expect.stringContaining(words)]]);
  });

  it('is what follows a block whose END line is missing: the first is loaded, the second is not', () => {
    const pem = parsePem(`-----BEGIN CERTIFICATE-----\nTUlJ\n${BLOCK.replace('TUlJ', 'AAAA')}`);
    expect(pem.blocks.map(({ base64 }) => base64)).toEqual(['TUlJ']);
    expect(pem.ignored).toEqual([expect.stringContaining('what follows there is dropped')]);
  });

  it('is nothing worth a word where a block is commented out', () => {
    expect(parsePem(BLOCK.replaceAll(/^/gm, '# ') + BLOCK).ignored).toEqual([]);
  });

  it('is said of no more than a few places', () => {
    expect(parsePem(` ${BLOCK}`.repeat(100)).ignored.length).toBe(5);
  });
});

describe('explainNoPem', () => {
  it.each([
    ['DER of a certificate', '\x30\x82\x01\x02', 'looks like DER'],
    ['DER of something short', '\x30\x81\x90', 'looks like DER'],
    ['UTF-16, little endian', '\xFF\xFE-\0-\0', 'looks like UTF-16'],
    ['UTF-16, big endian', '\xFE\xFF\0-\0-', 'looks like UTF-16'],
    ['an indented block', '# mine\n  -----BEGIN CERTIFICATE-----\n', 'BEGIN line is indented'],
    ['line ends that are written out', '-----BEGIN CERTIFICATE-----\\nTUlJ\\n', 'a backslash and an n'],
    ['line ends of old Macs', '-----BEGIN CERTIFICATE-----\rTUlJ\r', 'carriage returns alone'],
    ['a block on one line', '-----BEGIN CERTIFICATE----- TUlJ -----END CERTIFICATE-----', 'all on one line'],
    ['two byte order marks', '\xEF\xBB\xBF\xEF\xBB\xBF-----BEGIN A-----', 'a byte order mark stands before'],
    ['a BEGIN line that lacks a dash', '-----BEGIN CERTIFICATE----\n', 'does not end with five dashes'],
    ['a file of zeros', '\0\0\0', 'begins with a NUL byte'],
    ['anything else', 'hello', 'no line begins with -----BEGIN'],
  ])('recognises %s', (_, latin1, words) => {
    expect(explainNoPem(latin1)).toContain(words);
  });
});
