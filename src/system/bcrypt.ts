/**
 * bcrypt (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999), in steps of less than a millisecond: a
 * password costs tenths of a second, and the caller must be able to do other work in between.
 */

/** What a password is compared with; the parts of the text `$2b$10$…`. */
export interface BcryptHash {
  /** the number of rounds, as a power of two */
  readonly cost: number;
  /** 16 bytes */
  readonly salt: Uint8Array;
  /** 23 bytes */
  readonly digest: Uint8Array;
}

const ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SALT_BYTES = 16;
const DIGEST_BYTES = 23;

/** Further bytes of a password are ignored, in any implementation. */
const LONGEST_PASSWORD = 72;

/** `$2a$`, `$2b$` and `$2y$` are one algorithm; `$2x$` marks hashes made with a bug fixed in 2011. Costs of 4 to 31. */
export function parseBcrypt(text: string): BcryptHash | undefined {
  const [, costText, salt, digest] = /^\$2[aby]\$(\d\d)\$([./\w]{22})([./\w]{31})$/.exec(text) ?? [];
  if (salt === undefined || digest === undefined || /_/.test(text)) return undefined;
  const cost = Number(costText);
  if (cost < 4 || cost > 31) return undefined;
  return { cost, salt: decode(salt, SALT_BYTES), digest: decode(digest, DIGEST_BYTES) };
}

function decode(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const letter of text) {
    held = (held << 6) | ALPHABET.indexOf(letter);
    bits += 6;
    if (bits < 8 || at === length) continue;
    bits -= 8;
    bytes[at++] = held >> bits;
    held &= (1 << bits) - 1;
  }
  return bytes;
}

/**
 * The digest of a password with this salt and cost. Yields 2^(cost + 1) times: after 35 µs of work where V8 compiles it
 * to machine code, and after a millisecond in the executable, where it does not.
 */
export function* bcrypt(
  password: Uint8Array,
  { cost, salt }: Omit<BcryptHash, 'digest'>,
): Generator<void, Uint8Array> {
  const terminated = Uint8Array.of(...password.subarray(0, LONGEST_PASSWORD), 0);
  const keyWords = cyclicWords(terminated.subarray(0, LONGEST_PASSWORD), SUBKEYS);
  const saltWords = cyclicWords(salt, SUBKEYS);
  const cipher = initialCipher();
  expandKey(cipher, keyWords, saltWords);
  for (let round = 0; round < 2 ** cost; round++) {
    expandKey(cipher, keyWords, NO_SALT);
    yield;
    expandKey(cipher, saltWords, NO_SALT);
    yield;
  }
  return digestOf(cipher);
}

const SUBKEYS = 18;
const BOX_WORDS = 256;
const NO_SALT = new Int32Array(4);

/** The state of Blowfish. */
interface Cipher {
  readonly subkeys: Int32Array;
  readonly boxes: readonly [Int32Array, Int32Array, Int32Array, Int32Array];
}

/** Blowfish starts with the first words of the fractional part of π (Schneier, 1993). */
const FIRST_WORDS = fractionOfPi(SUBKEYS + 4 * BOX_WORDS);

function initialCipher(): Cipher {
  const box = (index: number) =>
    FIRST_WORDS.slice(SUBKEYS + index * BOX_WORDS, SUBKEYS + (index + 1) * BOX_WORDS);
  return { subkeys: FIRST_WORDS.slice(0, SUBKEYS), boxes: [box(0), box(1), box(2), box(3)] };
}

/** By Machin's formula, π = 16 arctan(1/5) - 4 arctan(1/239): some milliseconds, and no table of 8 kB. */
function fractionOfPi(words: number): Int32Array {
  const spareBits = 64n;
  const bits = BigInt(32 * words) + spareBits;
  const arctanOfInverse = (x: bigint) => {
    let sum = 0n;
    let power = (1n << bits) / x;
    for (let n = 1n, sign = 1n; power > 0n; n += 2n, sign = -sign, power /= x * x) sum += sign * (power / n);
    return sum;
  };
  const pi = 4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n));
  const hex = (BigInt.asUintN(Number(bits), pi) >> spareBits).toString(16).padStart(8 * words, '0');
  return Int32Array.from({ length: words }, (_, index) =>
    Number.parseInt(hex.slice(8 * index, 8 * index + 8), 16),
  );
}

/** The bytes, repeated to fill this many words. */
function cyclicWords(bytes: Uint8Array, count: number): Int32Array {
  const byte = (index: number) => bytes[index % bytes.length] ?? 0;
  return Int32Array.from(
    { length: count },
    (_, index) =>
      (byte(4 * index) << 24) |
      (byte(4 * index + 1) << 16) |
      (byte(4 * index + 2) << 8) |
      byte(4 * index + 3),
  );
}

/** The expensive key schedule: every word of the state is replaced, with the key and with the salt mixed in. */
function expandKey(cipher: Cipher, key: Int32Array, salt: Int32Array): void {
  const { subkeys, boxes } = cipher;
  for (let index = 0; index < SUBKEYS; index++) subkeys[index] = at(subkeys, index) ^ at(key, index);
  const block = new Int32Array(2);
  fill(cipher, subkeys, block, salt, 0);
  for (const box of boxes) fill(cipher, box, block, salt, SUBKEYS);
}

/**
 * Enciphers `block` repeatedly, with words of the salt mixed in, from the one at `saltFrom` on, and stores each result
 * in `words`. All in one function and without calls: it is run 20,000 times for a password of cost 12, and mostly by an
 * interpreter.
 */
function fill(
  { subkeys, boxes }: Cipher,
  words: Int32Array,
  block: Int32Array,
  salt: Int32Array,
  saltFrom: number,
): void {
  const [a, b, c, d] = boxes;
  let left = block[0] as number;
  let right = block[1] as number;
  for (let index = 0; index < words.length; index += 2) {
    left ^= (salt[(saltFrom + index) & 3] as number) ^ (subkeys[0] as number);
    right ^= salt[(saltFrom + index + 1) & 3] as number;
    for (let round = 1; round <= 16; round += 2) {
      let mixed = (a[left >>> 24] as number) + (b[(left >>> 16) & 0xff] as number);
      mixed = (mixed ^ (c[(left >>> 8) & 0xff] as number)) + (d[left & 0xff] as number);
      right ^= mixed ^ (subkeys[round] as number);
      mixed = (a[right >>> 24] as number) + (b[(right >>> 16) & 0xff] as number);
      mixed = (mixed ^ (c[(right >>> 8) & 0xff] as number)) + (d[right & 0xff] as number);
      left ^= mixed ^ (subkeys[round + 1] as number);
    }
    const last = right ^ (subkeys[17] as number);
    right = left;
    left = last;
    words[index] = left;
    words[index + 1] = right;
  }
  block[0] = left;
  block[1] = right;
}

/** An element that exists: every index is below the length of its array. */
function at(words: Int32Array, index: number): number {
  return words[index] as number;
}

const MAGIC = 'OrpheanBeholderScryDoubt';

function digestOf(cipher: Cipher): Uint8Array {
  const words = cyclicWords(new TextEncoder().encode(MAGIC), MAGIC.length / 4);
  for (let offset = 0; offset < words.length; offset += 2) {
    const block = words.subarray(offset, offset + 2);
    for (let times = 0; times < 64; times++) fill(cipher, block, block, NO_SALT, 0);
  }
  const bytes = new DataView(new ArrayBuffer(MAGIC.length));
  for (const [index, word] of words.entries()) bytes.setInt32(4 * index, word);
  return new Uint8Array(bytes.buffer, 0, DIGEST_BYTES);
}
