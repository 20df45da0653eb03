/** What real file systems do to a change of the live directory: a full one, a read-only one, one that is mounted twice. */

import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type CertificateFiles, makeSet } from '../../../lab/cert-directory.ts';
import { directoryProblems } from '../../../src/config/incoming.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { contentsOf, listing, liveDirectoryOf, put, setIn } from '../../support/live-directory.ts';
import { NAME_SPACES, program, skipped } from '../../support/needs.ts';
import { startTraced } from '../../support/traced-change.ts';

const run = promisify(execFile);

let directory: string;
let incoming: string;
let certs: string;
let old: CertificateFiles;
let next: CertificateFiles;

beforeEach(async () => {
  directory = await temporaryDirectory();
  [incoming, certs] = [join(directory, 'incoming'), join(directory, 'certs')];
  await mkdir(certs);
  [old, next] = [await makeSet(), await makeSet()];
});

async function mountAt(path: string, ...options: readonly string[]): Promise<void> {
  await run('mount', [...options, path]);
  onTestFinished(async () => void (await run('umount', [path])));
}

async function promote(files: CertificateFiles) {
  await put(incoming, files);
  return liveDirectoryOf(certs, incoming).promote(await setIn(incoming));
}

describe.skipIf(!NAME_SPACES.ok)(`a live directory${skipped(NAME_SPACES)}`, () => {
  it('on a disk that is full keeps its set whole, and gets the next one when there is room', async () => {
    await mountAt(certs, '-t', 'tmpfs', '-o', 'size=128k', 'certs');
    expect(await promote(old)).toEqual({ kind: 'done' });
    const before = await listing(certs);
    const filler = join(certs, 'filler');
    await writeFile(filler, Buffer.alloc(2 ** 17)).catch(() => undefined);
    expect(await promote(next)).toMatchObject({ kind: 'failed', failure: { cause: 'disk_full' } });
    expect(await contentsOf(certs)).toEqual(old);
    await rm(filler);
    expect(await listing(certs)).toEqual(before);
    expect(await promote(next)).toEqual({ kind: 'done' });
    expect(await contentsOf(certs)).toEqual(next);
  });

  it('that becomes read-only keeps its set, says so, and gets the next one when it may be written again', async () => {
    await mountAt(certs, '-t', 'tmpfs', 'certs');
    await promote(old);
    await run('mount', ['-o', 'remount,ro', certs]);
    const live = liveDirectoryOf(certs, incoming);
    expect((await live.observe(0)).obstacle?.cause).toBe('read_only');
    expect(await promote(next)).toMatchObject({ kind: 'failed', failure: { cause: 'read_only' } });
    expect(await live.rollBack(await setIn(certs))).toMatchObject({ kind: 'failed' });
    expect(await contentsOf(certs)).toEqual(old);
    await run('mount', ['-o', 'remount,rw', certs]);
    expect((await live.observe(0)).obstacle).toBeUndefined();
    expect(await promote(next)).toEqual({ kind: 'done' });
  });

  it('is known as the incoming one where that is a bind mount of it', async () => {
    await put(certs, old);
    await mkdir(incoming);
    await mountAt(incoming, '--bind', certs);
    expect(await directoryProblems(certs, incoming)).toMatchObject([
      expect.stringContaining('the same directory'),
    ]);
    expect((await liveDirectoryOf(certs, incoming).observe(0)).obstacle?.cause).toBe('same_directory');
  });
});

const STRACE = program('strace');

describe.skipIf(!STRACE.ok)(`a file system${skipped(STRACE)}`, () => {
  it('gets the key from the kernel: its content is never read into this process', async () => {
    await put(certs, old);
    await put(incoming, next);
    const log = join(directory, 'log');
    const reads = ['-e', 'trace=read,pread64,readv,preadv,mmap'];
    const { outcome } = await startTraced('promote', { certs, incoming }, ['-o', log, ...reads]);
    expect(await outcome).toEqual({ kind: 'done' });
    const text = await readFile(log, 'utf8');
    expect(text).toContain('/client.crt>');
    expect(text).not.toContain('client.key');
  });

  it.each([
    ['without links', 'symlink', 'EPERM', 'links_unsupported'],
    ['that renames nothing over a link', 'rename', 'EOPNOTSUPP', 'links_unsupported'],
  ])(
    '%s leaves plain files as they are, with nothing half-done beside them',
    async (_, call, error, cause) => {
      await put(certs, old);
      await put(incoming, next);
      const before = await listing(certs);
      const options = ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:error=${error}`];
      const { outcome } = await startTraced('promote', { certs, incoming }, options);
      expect(await outcome).toMatchObject({ kind: 'failed', failure: { cause } });
      expect(await listing(certs)).toEqual(before);
      expect(await contentsOf(certs)).toEqual(old);
    },
  );
});
