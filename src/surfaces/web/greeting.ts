/** The first bytes of a connection to a TLS port: a client's hello, or something else. */

export interface Opening {
  /** `other`: not TLS; a client that uses plain HTTP can be informed */
  readonly kind: 'hello' | 'other';
  /** everything that has been read */
  readonly bytes: Buffer;
}

/** RFC 8446, 5.1: one byte of type, two of version, two of length. */
const HEADER_BYTES = 5;
const HANDSHAKE = 0x16;
const LONGEST_RECORD = 2 ** 14;

/**
 * Reads until the first record is complete, so that it can be processed in one go; never more than one record's bytes.
 */
export function createGreeting(): { take(chunk: Buffer): Opening | undefined } {
  let kept: Buffer | undefined;
  let length = 0;

  function join(chunk: Buffer): Buffer {
    if (kept === undefined) return chunk;
    length += chunk.copy(kept, length);
    return kept.subarray(0, length);
  }

  function keep(bytes: Buffer): void {
    if (kept !== undefined) return;
    kept = Buffer.allocUnsafeSlow(HEADER_BYTES + LONGEST_RECORD);
    length = bytes.copy(kept);
  }

  return {
    take(chunk) {
      // a chunk that does not fit is the rest of a record that is too long: OpenSSL will report it
      const bytes = join(chunk);
      if (bytes[0] !== HANDSHAKE) return { kind: 'other', bytes };
      if (bytes.length >= HEADER_BYTES) {
        const whole = HEADER_BYTES + Math.min(bytes.readUInt16BE(3), LONGEST_RECORD);
        if (bytes.length >= whole) return { kind: 'hello', bytes };
      }
      keep(bytes);
      return undefined;
    },
  };
}
