import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoted, withoutSecrets } from '../../src/config/shown.ts';

describe('an address in a complaint', () => {
  it.each([
    ['mqtts://broker:8883', 'mqtts://broker:8883'],
    ['broker:mqtts', 'broker:mqtts'],
    ['[2001:db8::1]:8883', '[2001:db8::1]:8883'],
    ['2001:db8::1:8883', '2001:db8::1:8883'],
    ['mqtts://s3cret@broker', 'mqtts://…@broker'],
    ['tcp://s3cret:s3cret@engine:2375', 'tcp://…@engine:2375'],
    ['s3cret:s3cret@broker:8883', '…@broker:8883'],
    ['s3cret:s3cret:broker', '…'],
    ['MQTTS://s3cret@broker', 'MQTTS://…@broker'],
    [' mqtts://s3cret@broker', ' mqtts://…@broker'],
    ['mqtts://s3cret:a@s3cret@broker', 'mqtts://…@broker'],
    ['mqtts://s3cret:a/s3cret@broker', 'mqtts://…'],
    ['mqtts://s3cret:a,s3cret@broker', 'mqtts://…@broker'],
    ['mqtts://s3cret:a\ns3cret@broker', 'mqtts://…@broker'],
    ['mqtts://broker:8883/', 'mqtts://broker:8883/'],
    ['mqtts://broker:8883/s3cret', 'mqtts://broker:8883/…'],
    ['mqtts://broker:8883?password=s3cret', 'mqtts://broker:8883?…'],
    ['mqtts://broker:8883#s3cret', 'mqtts://broker:8883#…'],
    ['mqtts://broker/?password=x@s3cret', 'mqtts://…'],
    ['mqtts://broker#x@s3cret', 'mqtts://…'],
    ['mqtts://left,mqtt://s3cret:a@right', 'mqtts://left,mqtt://…@right'],
    ['mqtts://s3cret@left, mqtt://right?s3cret', 'mqtts://…@left, mqtt://right?…'],
    ['s3cret@', '…@'],
    ['', ''],
  ])('is shown without what may be a secret: %j', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown);
  });

  it('never shows a password before a host, whatever it is made of', () => {
    // a password that looks like the beginning of another address is taken for one
    const password = fc.string({ minLength: 1 }).map((text) => `s3cret${text.replaceAll('mqtt', '')}s3cret`);
    const scheme = fc.constantFrom('', 'mqtt://', 'mqtts://', 'tcp://', 'ssh://', 'unix://');
    fc.assert(
      fc.property(scheme, password, (before, secret) => {
        expect(withoutSecrets(`${before}watcher:${secret}@broker:8883`)).not.toContain('s3cret');
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('any other value in a complaint', () => {
  it.each([
    ['a/b', '"a/b"'],
    ['5 min', '"5 min"'],
    ['a\0', '"a\\u0000"'],
    ['https://user:s3cret@host/s3cret', '"https://…@host/…"'],
    ['x'.repeat(10_000), `"${'x'.repeat(200)}…"`],
    [`user:${'s3cret'.repeat(1_000)}@host`, '"…@host"'],
  ])('stands there in quotes, short, and without what may be a secret: %j', (text, shown) => {
    expect(quoted(text)).toBe(shown);
  });
});
