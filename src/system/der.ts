/** Just enough of DER (X.690) to find a value in a certificate or a revocation list. */

export const INTEGER = 0x02;
export const SEQUENCE = 0x30;

export interface DerValue {
  /** the first octet of its identifier */
  readonly tag: number;
  readonly content: Buffer;
}

/** The values of a DER text one after the other, as far as they are whole; the first `most` of them. */
export function valuesIn(der: Buffer, most = 8): DerValue[] {
  const values: DerValue[] = [];
  let offset = 0;
  while (offset + 2 <= der.length && values.length < most) {
    const first = der[offset + 1] ?? 0;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (lengthBytes > 4 || offset + 2 + lengthBytes > der.length) return values;
    const length = lengthBytes === 0 ? first : der.readUIntBE(offset + 2, lengthBytes);
    const start = offset + 2 + lengthBytes;
    if (start + length > der.length) return values;
    values.push({ tag: der[offset] ?? 0, content: der.subarray(start, start + length) });
    offset = start + length;
  }
  return values;
}

/** A value with its header. */
export function derOf({ tag, content }: DerValue): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const octets = Math.ceil(length.toString(16).length / 2);
  const size = Buffer.alloc(octets);
  size.writeUIntBE(length, 0, octets);
  return Buffer.concat([Buffer.from([tag, 0x80 | octets]), size, content]);
}
