/**
 * A disk that keeps a log of every write and every flush, like the kernel's dm-log-writes where that is missing: a single
 * file, served to the kernel over FUSE, under a loop device. From the log follows what is on the disk when the power
 * fails at any moment, with or without what its cache holds.
 *
 * Run as a program, this module is the server: base image, log, and the file over which it is mounted.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../../lab/until.ts';
import { codeOf } from '../../src/system/errors.ts';

const run = promisify(execFile);

/** Offset and length of each write; a flush has the offset -1. */
const HEAD_BYTES = 12;
const FLUSH = -1;

export interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

export type LogEntry = Write | 'flush';

export interface LoggedDisk {
  /** where its file system is mounted */
  readonly mounted: string;
  /** how many entries the log has by now */
  entries(): number;
  /** Unmounts it, whatever happened to it. */
  release(): Promise<void>;
  /** Unmounts it, and resolves with what was written to it. */
  close(): Promise<readonly LogEntry[]>;
}

/** Mounts a copy of the image, which holds an ext4, with these options; `directory` is for its files. */
export async function openLoggedDisk(image: string, directory: string, options: string): Promise<LoggedDisk> {
  const [file, log, mounted] = [join(directory, 'disk'), join(directory, 'log'), join(directory, 'mounted')];
  await mkdir(mounted, { recursive: true });
  await writeFile(file, '');
  await writeFile(log, '');
  const size = statSync(image).size;
  const server = spawn(process.execPath, [fileURLToPath(import.meta.url), image, log, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(server, 'exit');
  await until('the disk to be served', () => statSync(file).size === size);
  const { stdout } = await run('losetup', ['--find', '--show', file]);
  const device = stdout.trim();
  await run('mount', ['-t', 'ext4', '-o', options, device, mounted]);
  let isOpen = true;
  async function release() {
    if (!isOpen) return;
    isOpen = false;
    await run('umount', [mounted]);
    await run('losetup', ['--detach', device]);
    // the kernel detaches the device when nobody looks at it any more
    const unmount = () => run('umount', [file]).then(Boolean, () => false);
    await until('the disk to be free', unmount);
    await ended;
  }
  return {
    mounted,
    entries: () => entriesOf(readFileSync(log)).length,
    release,
    async close() {
      await release();
      return entriesOf(await readFile(log));
    },
  };
}

/** The power fails after so many entries of the log. */
export interface PowerLoss {
  readonly entries: number;
  /** what was written since the last flush is lost in part, by chance; undefined: all of it is there */
  readonly seed?: number;
}

/** What a disk writes as a whole. */
const BLOCK = 1_024;

/** Every moment at which the power may fail, with nothing lost and with something. */
export function powerLosses(log: readonly LogEntry[]): readonly PowerLoss[] {
  return log.flatMap((entry, index): PowerLoss[] => {
    const entries = index + 1;
    if (entry === 'flush') return [];
    const isFirst = index === 0 || log[index - 1] === 'flush';
    const isOneBlock = isFirst && entry.bytes.length <= BLOCK;
    return [{ entries }, ...(isOneBlock ? [] : [{ entries, seed: entries }])];
  });
}

/** What is on the disk then. */
export async function imageAfter(
  image: string,
  log: readonly LogEntry[],
  { entries, seed }: PowerLoss,
): Promise<Buffer> {
  const disk = await readFile(image);
  const done = log.slice(0, entries);
  const flushed = done.lastIndexOf('flush');
  const random = chance(seed ?? 0);
  for (const [index, entry] of done.entries()) {
    if (entry === 'flush') continue;
    for (let at = 0; at < entry.bytes.length; at += BLOCK) {
      const isKept = seed === undefined || index < flushed || random() < 0.5;
      if (isKept) entry.bytes.copy(disk, entry.offset + at, at, Math.min(at + BLOCK, entry.bytes.length));
    }
  }
  return disk;
}

/** The same numbers from 0 to 1 for the same seed: xorshift. */
function chance(seed: number): () => number {
  let state = Math.imul(seed, 0x9e37_79b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function entriesOf(log: Buffer): readonly LogEntry[] {
  const entries: LogEntry[] = [];
  for (let at = 0; at < log.length; ) {
    const [offset, length] = [Number(log.readBigInt64LE(at)), log.readUInt32LE(at + 8)];
    at += HEAD_BYTES;
    entries.push(offset === FLUSH ? 'flush' : { offset, bytes: log.subarray(at, at + length) });
    at += length;
  }
  return entries;
}

/** The numbers and structures of linux/fuse.h, as far as one file needs them. */
const OPCODES = { forget: 2, getattr: 3, setattr: 4, open: 14, read: 15, write: 16 } as const;
const OTHER_OPCODES = { release: 18, fsync: 20, flush: 25, init: 26, destroy: 38, batchForget: 42 } as const;
const ENOSYS = 38;
const REGULAR_FILE = 0o100600;
const MAX_WRITE = 128 * 1024;
const BIG_WRITES = 1 << 5;
const DIRECT_IO = 1;
const IN_HEAD = 40;
const OUT_HEAD = 16;

function serve(image: string, log: string, file: string): void {
  const disk = readFileSync(image);
  const logFile = openSync(log, 'a');
  const fuse = openSync('/dev/fuse', 'r+');
  mountFile(fuse, file);
  const request = Buffer.alloc(MAX_WRITE + 8_192);
  for (;;) {
    let length: number;
    try {
      length = readSync(fuse, request);
    } catch (error) {
      // it is not mounted yet; or it has been unmounted
      if (codeOf(error) !== 'EPERM') break;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      continue;
    }
    const opcode = request.readUInt32LE(4);
    const answer = answerTo(opcode, request.subarray(IN_HEAD, length), disk, logFile);
    if (answer === undefined) continue;
    const [error, body] = typeof answer === 'number' ? [answer, Buffer.alloc(0)] : [0, answer];
    const head = Buffer.alloc(OUT_HEAD);
    head.writeUInt32LE(OUT_HEAD + body.length, 0);
    head.writeInt32LE(-error, 4);
    request.copy(head, 8, 8, 16);
    writeSync(fuse, Buffer.concat([head, body]));
  }
  closeSync(logFile);
}

/** mount(8) hands its descriptor 3, which is the connection, to the kernel. */
function mountFile(fuse: number, file: string): void {
  const options = `fd=3,rootmode=100000,user_id=0,group_id=0`;
  const mounting = spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'logged-disk', file], {
    stdio: ['ignore', 'ignore', 'inherit', fuse],
  });
  mounting.unref();
}

/** An error number, or the body of the answer; undefined: none is expected. */
function answerTo(opcode: number, body: Buffer, disk: Buffer, log: number): Buffer | number | undefined {
  switch (opcode) {
    case OTHER_OPCODES.init: {
      const out = Buffer.alloc(64);
      out.writeUInt32LE(7, 0);
      out.writeUInt32LE(31, 4);
      out.writeUInt32LE(BIG_WRITES, 12);
      out.writeUInt16LE(16, 16);
      out.writeUInt16LE(12, 18);
      out.writeUInt32LE(MAX_WRITE, 20);
      out.writeUInt32LE(1, 24);
      return out;
    }
    case OPCODES.getattr:
    case OPCODES.setattr: {
      const out = Buffer.alloc(104);
      out.writeBigUInt64LE(1n, 16);
      out.writeBigUInt64LE(BigInt(disk.length), 24);
      out.writeBigUInt64LE(BigInt(disk.length / 512), 32);
      out.writeUInt32LE(REGULAR_FILE, 76);
      out.writeUInt32LE(1, 80);
      out.writeUInt32LE(4_096, 96);
      return out;
    }
    case OPCODES.open: {
      const out = Buffer.alloc(16);
      out.writeUInt32LE(DIRECT_IO, 8);
      return out;
    }
    case OPCODES.read: {
      const offset = Number(body.readBigUInt64LE(8));
      return Buffer.from(disk.subarray(offset, offset + body.readUInt32LE(16)));
    }
    case OPCODES.write: {
      const offset = Number(body.readBigUInt64LE(8));
      const bytes = body.subarray(40, 40 + body.readUInt32LE(16));
      bytes.copy(disk, offset);
      note(log, offset, bytes);
      const out = Buffer.alloc(8);
      out.writeUInt32LE(bytes.length, 0);
      return out;
    }
    case OTHER_OPCODES.fsync:
      note(log, FLUSH, Buffer.alloc(0));
      return Buffer.alloc(0);
    case OTHER_OPCODES.release:
    case OTHER_OPCODES.flush:
    case OTHER_OPCODES.destroy:
      return Buffer.alloc(0);
    case OPCODES.forget:
    case OTHER_OPCODES.batchForget:
      return undefined;
    default:
      return ENOSYS;
  }
}

function note(log: number, offset: number, bytes: Buffer): void {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeBigInt64LE(BigInt(offset), 0);
  head.writeUInt32LE(bytes.length, 8);
  writeSync(log, Buffer.concat([head, bytes]));
}

if (import.meta.main) {
  const [image = '', log = '', file = ''] = process.argv.slice(2);
  serve(image, log, file);
}
