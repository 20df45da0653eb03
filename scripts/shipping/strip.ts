/**
 * Takes the symbols out of a runtime: a seventh of its size, and nothing of what runs. Done here, because the
 * result of strip(1) depends on its version, and a machine has none for the other architecture.
 */

import { assertElf, sectionHeadersOf, segmentsOf } from './elf.ts';

const SIZES = { fileHeader: 64, sectionHeader: 64 } as const;
const SECTION_IS_LOADED = 2n;
const ALIGNMENT = 8;

/**
 * The ELF file with what the kernel loads, byte for byte, and the headers of those sections. Throws if it is not
 * a 64-bit little-endian ELF file that can be cut so. This comes before the blob is injected: that adds a segment
 * at the end.
 */
export function withoutSymbols(elf: Buffer): Buffer {
  assertElf(elf);
  const all = sectionHeadersOf(elf);
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

/** Where the last segment ends in the file: what comes behind it is for linkers and debuggers. */
function loadedEnd(elf: Buffer): number {
  const ends = segmentsOf(elf).map(({ offset, fileSize }) => offset + fileSize);
  return Math.max(SIZES.fileHeader, ...ends);
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
