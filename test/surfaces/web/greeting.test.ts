import { describe, expect, it } from 'vitest';
import { createGreeting } from '../../../src/surfaces/web/greeting.ts';

/** A record of TLS with so many bytes in it. */
function record(length: number): Buffer {
  return Buffer.concat([Buffer.from([0x16, 3, 1, length >> 8, length & 0xff]), Buffer.alloc(length, 7)]);
}

describe('the first bytes of a client', () => {
  it('are a hello where its record is whole', () => {
    expect(createGreeting().take(record(517))).toEqual({ kind: 'hello', bytes: record(517) });
  });

  it('are a hello however small the pieces are in which it comes', () => {
    const greeting = createGreeting();
    const bytes = record(517);
    const openings = [...bytes].map((byte) => greeting.take(Buffer.of(byte)));
    expect(openings.slice(0, -1).every((opening) => opening === undefined)).toBe(true);
    expect(openings.at(-1)).toEqual({ kind: 'hello', bytes });
  });

  it('are passed on with what comes behind the hello', () => {
    const bytes = Buffer.concat([record(9), Buffer.from('more')]);
    expect(createGreeting().take(bytes)).toEqual({ kind: 'hello', bytes });
  });

  it('are not waited for beyond the longest record, which OpenSSL refuses', () => {
    const greeting = createGreeting();
    const bytes = record(65_535);
    expect(greeting.take(bytes.subarray(0, 10_000))).toBeUndefined();
    const opening = greeting.take(bytes.subarray(10_000));
    expect(opening?.kind).toBe('hello');
    expect(opening?.bytes.length).toBe(2 ** 14 + 5);
  });

  it('are something else where they are no handshake', () => {
    const bytes = Buffer.from('GET / HTTP/1.1\r\n');
    expect(createGreeting().take(bytes)).toEqual({ kind: 'other', bytes });
  });
});
