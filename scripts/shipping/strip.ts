/**
 * Takes the symbols out of a runtime: a seventh of its size, and nothing of what runs. Done here, because the
 * result of strip(1) depends on its version, and a machine has none for the other architecture.
 */

const SIZES = { fileHeader: 64, programHeader: 56, sectionHeader: 64 } as const;
const SECTION_IS_LOADED = 2n;
const ALIGNMENT = 8;

/**
 * The ELF file with what the kernel loads, byte for byte, and the headers of those sections. Throws if it is not
 * a 64-bit little-endian ELF file that can be cut so. This comes before the blob is injected: that adds a segment
 * at the end.
 */
export function withoutSymbols(elf: Buffer): Buffer {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file');
  const all = sectionHeaders(elf);
  const names = all[elf.readUInt16LE(0x3e)];
  if (names === undefined) throw new Error('the ELF file has no section names');
  const loaded = elf.subarray(0, loadedEnd(elf));
  const namesAt = aligned(loaded.length);
  const nameTable = elf.subarray(offsetOf(names), offsetOf(names) + sizeOf(names));
  const headersAt = aligned(namesAt + nameTable.length);
  const kept = [...all.filter(isKept), moved(names, namesAt)];
  const stripped = Buffer.alloc(headersAt + kept.length * SIZES.sectionHeader);
  loaded.copy(stripped);
  nameTable.copy(stripped, namesAt);
  Buffer.concat(kept).copy(stripped, headersAt);
  stripped.writeBigUInt64LE(BigInt(headersAt), 0x28);
  stripped.writeUInt16LE(kept.length, 0x3c);
  stripped.writeUInt16LE(kept.length - 1, 0x3e);
  return stripped;
}

function sectionHeaders(elf: Buffer): readonly Buffer[] {
  return headers(elf, Number(elf.readBigUInt64LE(0x28)), elf.readUInt16LE(0x3c), SIZES.sectionHeader);
}

/** Where the last segment ends in the file: what comes behind it is for linkers and debuggers. */
function loadedEnd(elf: Buffer): number {
  const segments = headers(
    elf,
    Number(elf.readBigUInt64LE(0x20)),
    elf.readUInt16LE(0x38),
    SIZES.programHeader,
  );
  const ends = segments.map((segment) => Number(segment.readBigUInt64LE(8) + segment.readBigUInt64LE(32)));
  return Math.max(SIZES.fileHeader, ...ends);
}

function headers(elf: Buffer, at: number, count: number, size: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    elf.subarray(at + index * size, at + (index + 1) * size),
  );
}

/** The empty header that comes first, and the sections that are loaded: so the numbers of these stay. */
function isKept(header: Buffer, index: number): boolean {
  return index === 0 || (header.readBigUInt64LE(8) & SECTION_IS_LOADED) !== 0n;
}

function moved(header: Buffer, offset: number): Buffer {
  const copy = Buffer.from(header);
  copy.writeBigUInt64LE(BigInt(offset), 24);
  return copy;
}

function offsetOf(header: Buffer): number {
  return Number(header.readBigUInt64LE(24));
}

function sizeOf(header: Buffer): number {
  return Number(header.readBigUInt64LE(32));
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
