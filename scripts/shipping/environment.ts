/**
 * Keeps the environment away from the runtime: a few instructions that run before any other of the executable. They
 * take out of the environment what is meant for Node.js and its libraries, and go on where the runtime begins.
 *
 * Nothing later is early enough. NODE_CHANNEL_FD, OPENSSL_CONF and NODE_DEBUG end or delay the runtime, or make it say
 * something, before the first line of a program runs; NODE_V8_COVERAGE has files written when it ends, also by a process
 * that puts another one in its place.
 */

import { assertElf, type Machine, machineOf, type Segment, segmentsOf } from './elf.ts';

/**
 * Beginnings of what no runtime of ours may see: of Node.js, libuv, OpenSSL, ICU, simdutf, simdjson and undici. With `=`
 * it is a whole name. docs/decisions/0009-one-executable.md says what stays.
 */
export const TAKEN_AWAY = [
  'NODE_',
  'UV_',
  'OPENSSL_',
  'OSSL_',
  'SSL_CERT_',
  'ICU_',
  'SIMDUTF_',
  'SIMDJSON_',
  'UNDICI_',
  'FORCE_COLOR=',
  'JEST_WORKER_ID=',
  'WATCH_REPORT_DEPENDENCIES=',
  'SSLKEYLOGFILE=',
  'QLOGDIR=',
  'CTLOG_FILE=',
  'RANDFILE=',
] as const;

/**
 * At the start of a process the stack holds the number of arguments, pointers to them, 0, pointers to the variables, 0
 * (System V ABI, process initialization). The pointers to variables are moved together over those that go. Registers
 * that the ABI gives a meaning (rdx and x0: the linker's exit function) are left alone. Behind the last jump, which is
 * written with its distance below, follow the names, each with a 0 behind it, and one more 0.
 */
const CODE: Readonly<Record<Machine, string>> = {
  x64: `
    48 8b 34 24          //            mov  rsi, [rsp]
    48 8d 74 f4 10       //            lea  rsi, [rsp + 8*rsi + 16]   the next pointer to read
    48 89 f7             //            mov  rdi, rsi                  where the next that stays is put
    48 8b 06             // variable:  mov  rax, [rsi]
    48 83 c6 08          //            add  rsi, 8
    48 85 c0             //            test rax, rax
    74 38                //            je   end
    4c 8d 05 39 00 00 00 //            lea  r8, [rip + names]
    48 89 c1             // name:      mov  rcx, rax
    45 8a 08             // letter:    mov  r9b, [r8]
    49 ff c0             //            inc  r8
    45 84 c9             //            test r9b, r9b
    74 df                //            je   variable                  the whole name is there: it goes
    44 3a 09             //            cmp  r9b, [rcx]
    75 05                //            jne  other
    48 ff c1             //            inc  rcx
    eb eb                //            jmp  letter
    41 80 38 00          // other:     cmp  byte ptr [r8], 0
    4d 8d 40 01          //            lea  r8, [r8 + 1]
    75 f6                //            jne  other
    41 80 38 00          //            cmp  byte ptr [r8], 0
    75 d8                //            jne  name
    48 89 07             //            mov  [rdi], rax
    48 83 c7 08          //            add  rdi, 8
    eb bc                //            jmp  variable
    48 89 07             // end:       mov  [rdi], rax
    e9 00 00 00 00       //            jmp  the runtime's entry
  `,
  arm64: `
    e9 03 40 f9          //            ldr  x9, [sp]
    e9 6f 29 8b          //            add  x9, sp, x9, lsl #3
    29 41 00 91          //            add  x9, x9, #16               the next pointer to read
    ea 03 09 aa          //            mov  x10, x9                   where the next that stays is put
    2b 85 40 f8          // variable:  ldr  x11, [x9], #8
    cb 01 00 b4          //            cbz  x11, end
    ec 01 00 10          //            adr  x12, names
    ed 03 0b aa          // name:      mov  x13, x11
    8e 15 40 38          // letter:    ldrb w14, [x12], #1
    6e ff ff 34          //            cbz  w14, variable             the whole name is there: it goes
    af 15 40 38          //            ldrb w15, [x13], #1
    df 01 0f 6b          //            cmp  w14, w15
    80 ff ff 54          //            b.eq letter
    8e 15 40 38          // other:     ldrb w14, [x12], #1
    ee ff ff 35          //            cbnz w14, other
    8e 01 40 39          //            ldrb w14, [x12]
    ee fe ff 35          //            cbnz w14, name
    4b 85 00 f8          //            str  x11, [x10], #8
    f2 ff ff 17          //            b    variable
    5f 01 00 f9          // end:       str  xzr, [x10]
    00 00 00 14          //            b    the runtime's entry
  `,
};

const LOADED = 1;
const EXECUTABLE = 1;
const ENTRY_AT = 0x18;
const ALIGNMENT = 16;
/** Of the smallest pages: what the kernel maps ends there at the earliest. */
const PAGE = 4_096;

/**
 * The ELF file with the same bytes in the same places, and the instructions between the end of a segment and the end of
 * its last page. Throws if there is no room: then the runtime is laid out as none was before.
 */
export function withoutForeignEnvironment(elf: Buffer): Buffer {
  assertElf(elf);
  const changed = Buffer.from(elf);
  const entry = Number(elf.readBigUInt64LE(ENTRY_AT));
  const machine = machineOf(elf);
  const size = codeFor(machine, 0).length;
  const segments = segmentsOf(changed).filter(({ type }) => type === LOADED);
  const room = segments.find((segment) => isRoom(segment, segments, size, elf));
  if (room === undefined) throw new Error('the runtime has no room for the instructions that come first');
  const used = endOf(room);
  const address = room.address + used;
  codeFor(machine, entry - address).copy(changed, room.offset + used);
  const grown = BigInt(used + size);
  room.header.writeBigUInt64LE(grown, 32);
  room.header.writeBigUInt64LE(grown, 40);
  changed.writeBigUInt64LE(BigInt(address), ENTRY_AT);
  return changed;
}

/** The instructions and the names, to be run this far before the entry of the runtime. */
function codeFor(machine: Machine, toEntry: number): Buffer {
  const digits = CODE[machine].replace(/\/\/.*$/gm, '').replace(/\s/g, '');
  const code = Buffer.from(digits, 'hex');
  const distance = toEntry - code.length;
  if (machine === 'x64') code.writeInt32LE(distance, code.length - 4);
  // in units of four bytes, from the instruction itself, in 26 bits
  else code.writeUInt32LE(0x14000000 | (((distance + 4) >> 2) & 0x3ffffff), code.length - 4);
  return Buffer.concat([code, Buffer.from(`${TAKEN_AWAY.map((name) => `${name}\0`).join('')}\0`)]);
}

/** Executable, and followed by enough of nothing in its last page, in the file and in memory. */
function isRoom(segment: Segment, segments: readonly Segment[], size: number, elf: Buffer): boolean {
  const { flags, fileSize, memorySize, offset, address } = segment;
  if ((flags & EXECUTABLE) === 0 || fileSize !== memorySize) return false;
  const [from, to] = [endOf(segment), endOf(segment) + size];
  const pageEnd = Math.ceil((address + fileSize) / PAGE) * PAGE - address;
  const isFree = segments.every(
    (other) =>
      other === segment ||
      ((other.offset >= offset + to || other.offset + other.fileSize <= offset + fileSize) &&
        (other.address >= address + to || other.address + other.memorySize <= address + fileSize)),
  );
  const bytes = elf.subarray(offset + fileSize, offset + to);
  return (
    to <= pageEnd &&
    isFree &&
    from <= to &&
    bytes.length === to - fileSize &&
    bytes.every((byte) => byte === 0)
  );
}

/** Where the instructions can begin. */
function endOf({ address, fileSize }: Segment): number {
  return Math.ceil((address + fileSize) / ALIGNMENT) * ALIGNMENT - address;
}
