import fs from 'node:fs';
import { chmod, mkdir, readdir, readlink, rename, symlink, truncate, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type FileIdentity,
  lookAt,
  MAX_FILE_BYTES,
  readRegularFile,
  sameIdentity,
} from '../../src/system/regular-file.ts';
import { makeFifo, makeSocket, temporaryDirectory } from '../support/directory.ts';
import { asNobody } from '../support/unprivileged.ts';

/** Puts something at the path, and says where to look. */
type Make = (directory: string) => Promise<string>;

function file(content: string | Buffer): Make {
  return async (directory) => {
    const path = join(directory, 'file');
    await writeFile(path, content);
    return path;
  };
}

function link(target: string): Make {
  return async (directory) => {
    const path = join(directory, 'link');
    await symlink(target, path);
    return path;
  };
}

function at(path: string, make: (path: string) => Promise<unknown> = async () => undefined): Make {
  return async (directory) => {
    await make(join(directory, path));
    return join(directory, path);
  };
}

/** The files that this process has open. */
async function openFiles(): Promise<readonly string[]> {
  const descriptors = await readdir('/proc/self/fd');
  // the one that reads the directory itself is gone by now
  const paths = descriptors.map((descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => 'gone'));
  return Promise.all(paths);
}

const ODD: readonly [string, Make, string, string][] = [
  ['nothing', at('none'), 'missing', 'does not exist'],
  ['a link to nothing', link('none'), 'missing', 'does not exist'],
  [
    'a path through a file',
    async (directory) => join(await file('x')(directory), 'file'),
    'missing',
    'does not exist: a part of its path is not a directory',
  ],
  ['a directory', at('directory', mkdir), 'not_a_regular_file', 'is a directory, not a file'],
  ['a FIFO', at('fifo', makeFifo), 'not_a_regular_file', 'is a FIFO, not a regular file'],
  ['a socket', at('socket', makeSocket), 'not_a_regular_file', 'is a socket, not a regular file'],
  ['a link to an endless device', link('/dev/zero'), 'not_a_regular_file', 'is a device, not a regular file'],
  ['an empty file', file(''), 'empty', 'is empty'],
  [
    'a file of a byte more than 1 MiB',
    file(Buffer.alloc(MAX_FILE_BYTES + 1)),
    'too_large',
    'is larger than 1 MiB (1048577 bytes)',
  ],
  [
    'a file of a terabyte',
    async (directory) => {
      const path = await file('')(directory);
      await truncate(path, 1024 ** 4);
      return path;
    },
    'too_large',
    'is larger than 1 MiB (1099511627776 bytes)',
  ],
  ['a link that leads to itself', link('link'), 'link_loop', 'is a symbolic link that leads in a circle'],
  ['a name that no file can have', at('x'.repeat(300)), 'io_error', 'cannot be read: ENAMETOOLONG'],
];

describe.each([
  ['lookAt', lookAt],
  ['readRegularFile', readRegularFile],
])('%s', (_, examine) => {
  it.each(ODD)('takes %s for what it is', async (_, make, kind) => {
    expect(await examine(await make(await temporaryDirectory()))).toMatchObject({ ok: false, kind });
  });

  it.each(ODD)('says of %s what is wrong with it', async (_, make, __, problem) => {
    expect(await examine(await make(await temporaryDirectory()))).toMatchObject({
      problem: expect.stringContaining(problem),
    });
  });

  it('takes a file of exactly 1 MiB', async () => {
    expect(await examine(await file(Buffer.alloc(MAX_FILE_BYTES))(await temporaryDirectory()))).toMatchObject(
      {
        ok: true,
      },
    );
  });

  it('follows links, also several in a row', async () => {
    const directory = await temporaryDirectory();
    await file('x')(directory);
    await symlink('file', join(directory, 'one'));
    await symlink('one', join(directory, 'two'));
    expect(await examine(join(directory, 'two'))).toMatchObject({ ok: true });
  });
});

describe('lookAt', () => {
  it('needs no right to read the file', async () => {
    const path = join(await temporaryDirectory(), 'key');
    await writeFile(path, 'secret', { mode: 0o000 });
    expect(await asNobody('look', path)).toBe('ok');
  });

  it('says of a file in a directory that may not be entered that it is unreadable', async () => {
    const inner = join(await temporaryDirectory(), 'inner');
    await mkdir(inner);
    await file('x')(inner);
    await chmod(inner, 0o000);
    expect(await asNobody('look', join(inner, 'file'))).toBe('unreadable');
  });
});

describe('readRegularFile', () => {
  it('yields the whole content', async () => {
    const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    const read = await readRegularFile(await file(content)(await temporaryDirectory()));
    expect(read.ok && read.bytes.equals(content)).toBe(true);
  });

  it('yields the identity that a look at the file shows', async () => {
    const path = await file('x')(await temporaryDirectory());
    const [look, read] = [await lookAt(path), await readRegularFile(path)];
    expect(read.ok && read.identity).toEqual(look.ok && look.identity);
  });

  it('says of a file without the right to read that it is unreadable', async () => {
    const path = join(await temporaryDirectory(), 'key');
    await writeFile(path, 'secret', { mode: 0o000 });
    expect(await asNobody('read', path)).toBe('unreadable');
  });

  it('is not blocked by a FIFO that takes the place of a file after the look at it', async () => {
    const path = await file('x')(await temporaryDirectory());
    const { open } = fs;
    vi.spyOn(fs, 'open').mockImplementation((...args: unknown[]) => {
      fs.rmSync(path);
      makeFifo(path).then(() => Reflect.apply(open, fs, args));
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    expect(await readRegularFile(path)).toMatchObject({ ok: false, kind: 'not_a_regular_file' });
  });

  it('says of a link into /sys, whose files are shorter than they seem, what is wrong, and does not wait for its end', async () => {
    const path = await link('/sys/kernel/mm/transparent_hugepage/enabled')(await temporaryDirectory());
    expect(await readRegularFile(path, Date.now() + 10_000)).toMatchObject({
      ok: false,
      kind: 'io_error',
      problem: expect.stringMatching(/^holds \d+ bytes, and its file system .* says 4096$/),
    });
  });

  it.each(['/proc/self/environ', '/proc/self/mem'])('takes no file of %s', async (target) => {
    expect(await readRegularFile(await link(target)(await temporaryDirectory()))).toMatchObject({
      ok: false,
      kind: expect.stringMatching('empty'),
    });
  });

  it('leaves no file open, whatever lies there', async () => {
    const made = await Promise.all(
      [...ODD.map(([, make]) => make), file('x')].map(async (make) => make(await temporaryDirectory())),
    );
    for (const path of made) await readRegularFile(path);
    const open = await openFiles();
    expect(made.filter((path) => open.includes(path))).toEqual([]);
  });
});

describe('sameIdentity', () => {
  const identity: FileIdentity = { device: 1n, inode: 2n, size: 3n, mtimeNs: 4n, ctimeNs: 5n };

  it('holds for two looks at an untouched file', async () => {
    const path = await file('x')(await temporaryDirectory());
    const [first, second] = [await lookAt(path), await lookAt(path)];
    expect(first.ok && second.ok && sameIdentity(first.identity, second.identity)).toBe(true);
  });

  it('ends when a file is replaced by one just like it', async () => {
    const directory = await temporaryDirectory();
    const path = await file('x')(directory);
    const before = await lookAt(path);
    await writeFile(join(directory, 'new'), 'x');
    await rename(join(directory, 'new'), path);
    const after = await lookAt(path);
    expect(before.ok && after.ok && sameIdentity(before.identity, after.identity)).toBe(false);
  });

  it.each(['device', 'inode', 'size', 'mtimeNs', 'ctimeNs'] as const)('ends when %s differs', (part) => {
    expect(sameIdentity(identity, { ...identity, [part]: 9n })).toBe(false);
  });
});
