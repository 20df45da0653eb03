import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHttpUrl, shownUrl, withoutUrl } from '../../src/system/secret-url.ts';

function url(text: string): URL {
  const found = parseHttpUrl(text);
  if (found === undefined) throw new Error(`not an address: ${text}`);
  return found;
}

describe('an address that is a secret', () => {
  it.each([
    ['https://hooks.example.com/services/T0/B0/s3cret', 'https://hooks.example.com/…'],
    ['http://user:s3cret@example.com:8080/', 'http://example.com:8080'],
    ['https://example.com/?token=s3cret', 'https://example.com/…'],
    ['http://[::1]:9093', 'http://[::1]:9093'],
  ])('is shown as scheme and host: %s', (text, shown) => {
    expect(shownUrl(url(text))).toBe(shown);
  });

  it.each([
    'ftp://example.com',
    'example.com/path',
    'https://',
    'https://exa mple.com',
    'https://example.com/\nX: y',
    `https://example.com/${'x'.repeat(8_000)}`,
    '',
  ])('is none that could be used: %j', (text) => {
    expect(parseHttpUrl(text)).toBeUndefined();
  });

  it('is taken out of what others say, whole and in parts, spelled in any way', () => {
    const secret = url('https://user:pass%20word@example.com/services/T0AB/s3cr%C3%A9t?token=abcdef');
    const said = 'no page /services/T0AB/s3cr%C3%A9t for token abcdef, nor s3crét, pass word, user';
    expect(withoutUrl(said, secret)).toBe('no page … for … …, nor …, …, …');
  });

  it('is taken out wherever it stands', () => {
    const token = fc.stringMatching(/^[A-Za-z0-9]{8,40}$/);
    const around = fc.string();
    fc.assert(
      fc.property(token, around, around, (secret, before, after) => {
        const said = withoutUrl(`${before}${secret}${after}`, url(`https://example.com/hook/${secret}`));
        expect(said).not.toContain(secret);
      }),
    );
  });
});
