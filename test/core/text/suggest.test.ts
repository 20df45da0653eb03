import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { suggest } from '../../../src/core/text/suggest.ts';

const KEYS = ['cert_dir', 'ca_cert_file', 'client_cert_file', 'check_interval', 'docker_host', 'docker_sock'];
const word = fc.string({ unit: 'grapheme', maxLength: 20 });

describe('suggest', () => {
  it.each([
    ['cert_dirr', 'cert_dir'],
    ['certdir', 'cert_dir'],
    ['cert-dir', 'cert_dir'],
    ['chek_intervall', 'check_interval'],
    ['docker_hots', 'docker_host'],
    ['xert_dix', 'cert_dir'],
    ['client_crt_file', 'client_cert_file'],
  ])('takes %s for %s', (wrong, right) => {
    expect(suggest(wrong, KEYS)).toBe(right);
  });

  it.each(['', 'x', 'password', 'tls_sni', 'listener'])('has nothing to say to %j', (wrong) => {
    expect(suggest(wrong, KEYS)).toBeUndefined();
  });

  it('has nothing to say without candidates', () => {
    expect(suggest('cert_dir', [])).toBeUndefined();
  });

  it('finds a word that is written rightly, among any others', () => {
    fc.assert(
      fc.property(fc.array(word), word, fc.array(word), (before, right, after) => {
        expect(suggest(right, [...before, right, ...after])).toBe(right);
      }),
    );
  });

  it('understands any single letter too much', () => {
    const slip = fc.record({ at: fc.nat(), letter: fc.string({ minLength: 1, maxLength: 1 }) });
    fc.assert(
      fc.property(fc.constantFrom(...KEYS), slip, (right, { at, letter }) => {
        const place = at % (right.length + 1);
        expect(suggest(right.slice(0, place) + letter + right.slice(place), KEYS)).toBe(right);
      }),
    );
  });

  it('understands any letter that is missing', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEYS), fc.nat(), (right, at) => {
        const place = at % right.length;
        expect(suggest(right.slice(0, place) + right.slice(place + 1), KEYS)).toBe(right);
      }),
    );
  });

  it('says the first of two that are equally near', () => {
    expect(suggest('docker_hoc', ['docker_hos', 'docker_hot'])).toBe('docker_hos');
  });
});
