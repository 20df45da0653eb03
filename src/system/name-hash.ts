/** The hash of a certificate's subject by which OpenSSL looks it up in a directory (`openssl x509 -subject_hash`). */

import { createHash } from 'node:crypto';
import { type DerValue, derOf, SEQUENCE, valuesIn } from './der.ts';

/** More parts than this are in no name. */
const MOST_PARTS = 200;

const VERSION = 0xa0;
const UTF8 = 0x0c;

/** Reads a string of each type that OpenSSL makes alike (ASN1_MASK_CANON); undefined: it is no such string. */
function textOf({ tag, content }: DerValue): string | undefined {
  switch (tag) {
    case UTF8:
      return content.toString('utf8');
    // PrintableString, IA5String, VisibleString; T61String, which OpenSSL takes for Latin-1
    case 0x13:
    case 0x16:
    case 0x1a:
    case 0x14:
      return content.toString('latin1');
    // BMPString
    case 0x1e:
      return Buffer.from(content.subarray(0, content.length & ~1))
        .swap16()
        .toString('utf16le');
    // UniversalString
    case 0x1c:
      return String.fromCodePoint(
        ...Array.from({ length: content.length >> 2 }, (_, index) => content.readUInt32BE(index * 4)),
      );
    default:
      return undefined;
  }
}

/** `asn1_string_canon` of crypto/x509/x_name.c: blanks at the ends go, others become one, ASCII letters small. */
function canonical(value: DerValue): DerValue {
  const text = textOf(value);
  if (text === undefined) return value;
  const plain = text
    .replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return { tag: UTF8, content: Buffer.from(plain) };
}

/** Eight hexadecimal digits; undefined: the certificate cannot be read. */
export function subjectHash(certificate: Buffer): string | undefined {
  const [outer] = valuesIn(certificate, 1);
  const [tbs] = outer === undefined ? [] : valuesIn(outer.content, 1);
  const fields = tbs === undefined ? [] : valuesIn(tbs.content);
  const [, , , , subject] = fields[0]?.tag === VERSION ? fields.slice(1) : fields;
  if (subject?.tag !== SEQUENCE) return undefined;
  try {
    const parts = valuesIn(subject.content, MOST_PARTS).map(({ tag, content }) => {
      const entries = valuesIn(content, MOST_PARTS).map((entry) => {
        const [type, value] = valuesIn(entry.content, 2);
        if (type === undefined || value === undefined) throw new RangeError('an entry without a value');
        return derOf({ tag: entry.tag, content: Buffer.concat([derOf(type), derOf(canonical(value))]) });
      });
      // DER, 11.6: the values of a set are in order
      return derOf({ tag, content: Buffer.concat(entries.toSorted(Buffer.compare)) });
    });
    const digest = createHash('sha1').update(Buffer.concat(parts)).digest();
    return digest.readUInt32LE(0).toString(16).padStart(8, '0');
  } catch (error) {
    // a name that is not one: not even OpenSSL finds it by that
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
