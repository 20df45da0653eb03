import { describe, expect, it } from 'vitest';
import { bcrypt, parseBcrypt } from '../../src/system/bcrypt.ts';

const LONG = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Passwords and hashes that Openwall publishes for its crypt_blowfish, and one of libxcrypt with letters beyond ASCII. */
const PUBLISHED = [
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'],
  ['U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'],
  ['', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy'],
  [`${LONG}chars after 72 are ignored`, '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui'],
  ['pässwörd', '$2y$06$abcdefghijklmnopqrstuuZRpgtdvy8sTei59Ltc5pdsksVO.fDZe'],
] as const;

function digestOf(password: string, text: string) {
  const hash = parseBcrypt(text);
  if (hash === undefined) throw new Error(`${text} is no bcrypt hash`);
  const work = bcrypt(Buffer.from(password), hash);
  let pieces = 0;
  let step = work.next();
  for (; step.done !== true; step = work.next()) pieces++;
  return { expected: hash.digest, digest: step.value, pieces };
}

describe('bcrypt', () => {
  it.each(PUBLISHED)('finds the published digest of "%s"', (password, text) => {
    const { digest, expected } = digestOf(password, text);
    expect(Buffer.from(digest)).toEqual(Buffer.from(expected));
  });

  it.each(['$2a$', '$2b$', '$2y$'])('takes %s for the same', (prefix) => {
    const { digest, expected } = digestOf('U*U', PUBLISHED[0][1].replace('$2a$', prefix));
    expect(Buffer.from(digest)).toEqual(Buffer.from(expected));
  });

  it('finds another digest of another password', () => {
    const { digest, expected } = digestOf('U*V', PUBLISHED[0][1]);
    expect(Buffer.from(digest)).not.toEqual(Buffer.from(expected));
  });

  it('gives way twice in each of its rounds', () => {
    expect(digestOf('U*U', PUBLISHED[0][1]).pieces).toBe(64);
  });
});

describe('a text that is no hash of bcrypt', () => {
  const [, text] = PUBLISHED[0];
  it.each([
    ['is empty', ''],
    ['is too short', text.slice(0, -1)],
    ['is too long', `${text}.`],
    ['has a letter that does not exist there', text.replace('E5', 'E_')],
    ['is of the faulty kind of 2011', text.replace('$2a$', '$2x$')],
    ['has a cost below 4', text.replace('$05$', '$03$')],
    ['has a cost above 31', text.replace('$05$', '$32$')],
  ])('is refused: it %s', (_what, wrong) => {
    expect(parseBcrypt(wrong)).toBeUndefined();
  });
});
