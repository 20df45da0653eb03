/** The reader of MQTT packets, with the library that writes them as its measure. */

import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import {
  createPacketReader,
  type Header,
  type Inbound,
  isConnack,
  isMessage,
  isPingresp,
  isPuback,
  isSuback,
  publishOf,
} from '../../src/system/mqtt-packets.ts';

const everything = () => true;

/** What a reader says of these bytes, whatever pieces they come in. */
function readAll(
  bytes: Uint8Array,
  { pieces = [], longest = 100, isExpected = everything }: Partial<ReadOptions> = {},
): readonly Inbound[] {
  const reader = createPacketReader(longest, isExpected);
  const found: Inbound[] = [];
  let at = 0;
  for (const length of [...pieces, bytes.length]) {
    found.push(...reader.read(Buffer.from(bytes.subarray(at, at + length))));
    at += length;
  }
  return found;
}

interface ReadOptions {
  readonly pieces: readonly number[];
  readonly longest: number;
  readonly isExpected: Parameters<typeof createPacketReader>[1];
}

const message = fc.record({
  topic: fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0')),
  payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  retain: fc.boolean(),
});
const pieces = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 });

describe('a reader of packets', () => {
  it('finds in every message what was written, whatever pieces it comes in', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), pieces, (messages, lengths) => {
        const bytes = Buffer.concat(
          messages.map((each) => generate({ cmd: 'publish', qos: 0, dup: false, ...each })),
        );
        const found = readAll(bytes, { pieces: lengths, longest: 1_000 }).map((inbound) =>
          inbound.kind === 'packet' ? publishOf(inbound.header, inbound.body) : inbound,
        );
        expect(found).toEqual(
          messages.map(({ topic, payload, retain }) => ({ topic, payload, retained: retain })),
        );
      }),
    );
  });

  it('passes over what is longer than it keeps, and reads on behind it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 101, max: 100_000 }), pieces, (length, lengths) => {
        const long = generate({
          cmd: 'publish',
          topic: 'a',
          payload: Buffer.alloc(length),
          qos: 0,
          retain: true,
          dup: false,
        });
        const found = readAll(Buffer.concat([long, generate({ cmd: 'pingresp' })]), { pieces: lengths });
        expect(found.map(({ kind }) => kind)).toEqual(['skipped', 'packet']);
      }),
    );
  });

  it('takes any bytes, and never keeps more than its bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), pieces, (bytes, lengths) => {
        for (const inbound of readAll(bytes, { pieces: lengths })) {
          if (inbound.kind === 'packet') expect(inbound.body.length).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  it('says the same of the same bytes, whatever pieces they come in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), pieces, (bytes, lengths) => {
        expect(readAll(bytes, { pieces: lengths })).toEqual(readAll(bytes));
      }),
    );
  });

  it('reads nothing behind a length that has a fifth byte', () => {
    const bytes = Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01, 0xd0, 0]);
    expect(readAll(bytes)).toEqual([{ kind: 'malformed' }]);
  });

  it('reads nothing behind a packet that is not expected, and says so by its header alone', () => {
    const bytes = Buffer.from([0x20, 0x03, 0, 0, 0, 0xd0, 0]);
    const header = { type: 2, flags: 0, length: 3 };
    expect(readAll(bytes.subarray(0, 2), { isExpected: isConnack })).toEqual([
      { kind: 'unexpected', header },
    ]);
    expect(readAll(bytes, { isExpected: isConnack })).toEqual([{ kind: 'unexpected', header }]);
  });

  it.each([
    ['connack', isConnack, generate({ cmd: 'connack', returnCode: 0, sessionPresent: false })],
    [
      'suback',
      (header: Header) => isSuback(header, 1),
      generate({ cmd: 'suback', messageId: 1, granted: [0] }),
    ],
    ['puback', isPuback, generate({ cmd: 'puback', messageId: 1 })],
    ['pingresp', isPingresp, generate({ cmd: 'pingresp' })],
    [
      'publish',
      isMessage,
      generate({ cmd: 'publish', topic: 'a', payload: '', qos: 0, retain: true, dup: false }),
    ],
  ])('knows a %s by its header', (_what, isExpected, bytes) => {
    expect(readAll(bytes, { isExpected }).map(({ kind }) => kind)).toEqual(['packet']);
  });

  it('takes a message whose topic does not end within it for none', () => {
    const header = { type: 3, flags: 0, length: 3 };
    expect(publishOf(header, Buffer.from([0, 2, 0x61]))).toBeUndefined();
    expect(publishOf(header, Buffer.from([0]))).toBeUndefined();
  });
});
