/**
 * The file system calls that this program makes, as promises. They avoid node:fs/promises, which also loads streams,
 * readline and the history of a prompt: half a megabyte of private memory. Each rejects with the error of the call.
 */

import * as fs from 'node:fs';

type Done<T> = (error: Error | null, value: T) => void;

function promised<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === null) resolve(value);
      else reject(error);
    });
  });
}

function finished(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return promised((done) => call((error) => done(error ?? null, undefined)));
}

/** For what the path leads to, links followed. stat(2) */
export function stat(path: string): Promise<fs.Stats> {
  return promised((done) => fs.stat(path, done));
}

/** The same with times in nanoseconds. */
export function statBig(path: string): Promise<fs.BigIntStats> {
  return promised((done) => fs.stat(path, { bigint: true }, done));
}

/** For an open file, with times in nanoseconds. fstat(2) */
export function statOpen(file: number): Promise<fs.BigIntStats> {
  return promised((done) => fs.fstat(file, { bigint: true }, done));
}

/** For the path itself, which may be a link. lstat(2) */
export function lstat(path: string): Promise<fs.Stats> {
  return promised((done) => fs.lstat(path, done));
}

/** Opens a file; the caller closes it. `flags` as in open(2), `mode` is that of a file that is created. */
export function open(path: string, flags: number, mode?: number): Promise<number> {
  return promised((done) => fs.open(path, flags, mode, done));
}

export function close(file: number): Promise<void> {
  return finished((done) => fs.close(file, done));
}

/**
 * Reads from `position`, or from where the last call ended (`null`); resolves with the number of bytes, 0 at the end.
 * read(2)
 */
export function read(file: number, into: Buffer, offset: number, position: number | null): Promise<number> {
  return promised((done) => fs.read(file, into, offset, into.length - offset, position, done));
}

/** Writes the whole text, in as many calls as it takes. */
export function write(file: number, text: string): Promise<void> {
  return finished((done) => fs.writeFile(file, text, done));
}

/** Resolves when what was written is on the disk. fsync(2) */
export function sync(file: number): Promise<void> {
  return finished((done) => fs.fsync(file, done));
}

/** The whole content of a file that is known to be small. */
export function readText(path: string): Promise<string> {
  return promised((done) => fs.readFile(path, 'utf8', done));
}

export function rename(from: string, to: string): Promise<void> {
  return finished((done) => fs.rename(from, to, done));
}

/** Removes a file, if it is there. */
export function remove(path: string): Promise<void> {
  return finished((done) => fs.rm(path, { force: true }, done));
}

export function readlink(path: string): Promise<string> {
  return promised((done) => fs.readlink(path, done));
}

/** The path without links in it. */
export function realpath(path: string): Promise<string> {
  return promised((done) => fs.realpath.native(path, done));
}

export function readdir(path: string): Promise<string[]> {
  return promised((done) => fs.readdir(path, done));
}

/** The entries of a directory one by one; reading them to the end, or leaving the loop, closes it. */
export function opendir(path: string): Promise<fs.Dir> {
  return promised((done) => fs.opendir(path, done));
}
