/** The parts of a 64-bit little-endian ELF file that shipping works at (System V ABI, chapters 4 and 5). */

const SIZES = { programHeader: 56, sectionHeader: 64 } as const;

const MACHINES = { x64: 62, arm64: 183 } as const;
export type Machine = keyof typeof MACHINES;

/** A view of one program header: what is written to it is written to the file. */
export interface Segment {
  readonly header: Buffer;
  readonly type: number;
  readonly flags: number;
  /** in the file */
  readonly offset: number;
  /** in memory */
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** Throws if it is none that shipping can work at. */
export function assertElf(elf: Buffer): void {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file');
}

export function machineOf(elf: Buffer): Machine {
  const machine = elf.readUInt16LE(0x12);
  if (machine === MACHINES.x64) return 'x64';
  if (machine === MACHINES.arm64) return 'arm64';
  throw new Error(`an ELF file for another machine (${machine})`);
}

export function segmentsOf(elf: Buffer): readonly Segment[] {
  const all = headers(elf, Number(elf.readBigUInt64LE(0x20)), elf.readUInt16LE(0x38), SIZES.programHeader);
  const number = (header: Buffer, at: number) => Number(header.readBigUInt64LE(at));
  return all.map((header) => ({
    header,
    type: header.readUInt32LE(0),
    flags: header.readUInt32LE(4),
    offset: number(header, 8),
    address: number(header, 16),
    fileSize: number(header, 32),
    memorySize: number(header, 40),
  }));
}

export function sectionHeadersOf(elf: Buffer): readonly Buffer[] {
  return headers(elf, Number(elf.readBigUInt64LE(0x28)), elf.readUInt16LE(0x3c), SIZES.sectionHeader);
}

function headers(elf: Buffer, at: number, count: number, size: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    elf.subarray(at + index * size, at + (index + 1) * size),
  );
}
