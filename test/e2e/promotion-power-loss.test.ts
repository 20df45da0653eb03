/**
 * The power fails while a live directory is changed, at any moment: after each write to the disk, with what the disk had
 * only in its cache kept, gone, or written in part. The file system is a real ext4, mounted again after the loss.
 */

import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeSet } from '../../lab/cert-directory.ts';
import { directoryInMemory } from '../support/directory.ts';
import { LIVE_CHANGES, textOf } from '../support/live-changes.ts';
import { changeLive, contentsOf, put } from '../support/live-directory.ts';
import {
  imageAfter,
  type LogEntry,
  openLoggedDisk,
  type PowerLoss,
  powerLosses,
} from '../support/logged-disk.ts';
import { LOGGED_DISK, program, skipped } from '../support/needs.ts';
import { startTraced } from '../support/traced-change.ts';

const STRACE = program('strace');
const run = promisify(execFile);

/** Names are on the disk at once, contents as late as possible. The heuristic that saves careless programs is off. */
const NAMES_FIRST = 'noauto_da_alloc,dirsync';

/** Or everything is as late as possible. */
const MOUNTS = ['noauto_da_alloc', NAMES_FIRST];

/** The image of an ext4 on which the stage has been set, cleanly unmounted. */
async function imageOf(directory: string, prepare: (mounted: string) => Promise<void>): Promise<string> {
  const image = join(directory, 'image');
  await run('truncate', ['--size=3M', image]);
  await run('mkfs.ext4', ['-q', '-b', '1024', '-J', 'size=1', '-N', '128', image]);
  await withMounted(image, join(directory, 'first'), prepare);
  return image;
}

async function withMounted(image: string, mounted: string, work: (mounted: string) => Promise<void>) {
  await mount(image, mounted);
  try {
    await work(mounted);
  } finally {
    await run('umount', [mounted]);
  }
}

async function mount(image: string, mounted: string): Promise<void> {
  await mkdir(mounted, { recursive: true });
  await run('mount', ['-o', 'loop', image, mounted]);
}

/** Mounting and unmounting is waiting, most of the time. */
const TOGETHER = 8;

let images = 0;

/**
 * What is found after each loss of power, with the file system mounted again. Several are mounted, looked at and unmounted
 * together: a process that is being started has every open file of this one until it has begun, so none may be started
 * while somebody looks.
 */
async function afterEachLoss(
  { image, log, directory }: { image: string; log: readonly LogEntry[]; directory: string },
  look: (mounted: string, loss: PowerLoss) => Promise<void>,
): Promise<void> {
  const left = [...powerLosses(log)];
  while (left.length > 0) {
    const disks = left.splice(0, TOGETHER).map((loss) => {
      images += 1;
      // a name of its own: the kernel may still hold what a loop device has read of another one
      return {
        loss,
        file: join(directory, `image-${images}`),
        mounted: join(directory, `mounted-${images}`),
      };
    });
    const each = (work: (disk: (typeof disks)[number]) => Promise<unknown>) =>
      whenAllHaveEnded(disks.map(work));
    await each(async ({ loss, file }) => writeFile(file, await imageAfter(image, log, loss)));
    await each(({ file, mounted }) => mount(file, mounted));
    try {
      await each(({ mounted, loss }) => look(mounted, loss));
    } finally {
      await each(({ mounted }) => run('umount', [mounted]));
    }
    await each(({ file }) => rm(file));
  }
}

/** Rejects as Promise.all does, but not while anything is still under way. */
async function whenAllHaveEnded(works: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}

/** A promotion over plain files is a take-over and a promotion. */
const CHANGES = LIVE_CHANGES.filter(({ title }) => title !== 'a promotion over plain files');

describe.skipIf(!LOGGED_DISK.ok)(`a loss of power at any moment${skipped(LOGGED_DISK)}`, () => {
  it.each(CHANGES)(
    'of $title leaves a whole set, from which the next watcher goes on',
    async ({ change, prepare, goOn, sets, last }) => {
      const directory = await directoryInMemory();
      const incoming = join(directory, 'incoming');
      const stageIn = (mounted: string) => ({ certs: join(mounted, 'certs'), incoming });
      const image = await imageOf(directory, async (mounted) => {
        await mkdir(join(mounted, 'certs'));
        await prepare(stageIn(mounted));
      });
      const known = sets.map(textOf);
      for (const options of MOUNTS) {
        const disk = await openLoggedDisk(image, directory, options);
        onTestFinished(() => disk.release());
        expect(await changeLive(change, stageIn(disk.mounted))).toEqual({ kind: 'done' });
        const done = disk.entries();
        const log = await disk.close();
        expect(done).toBeGreaterThan(5);
        await afterEachLoss({ image, log, directory }, async (mounted, loss) => {
          const stage = stageIn(mounted);
          const found = await contentsOf(stage.certs);
          expect(known, JSON.stringify(loss)).toContain(textOf(found));
          if (loss.entries >= done) expect(found, JSON.stringify(loss)).toEqual(last);
          await goOn(stage);
        });
      }
    },
    300_000,
  );

  it.skipIf(!STRACE.ok)(
    `is noticed where nothing is flushed${skipped(STRACE)}`,
    async () => {
      const directory = await directoryInMemory();
      const [old, next] = [await makeSet(), await makeSet()];
      const known = [old, next].map(textOf);
      const incoming = join(directory, 'incoming');
      await put(incoming, next);
      const image = await imageOf(directory, (mounted) => put(join(mounted, 'certs'), old));
      const disk = await openLoggedDisk(image, directory, NAMES_FIRST);
      onTestFinished(() => disk.release());
      const unflushed = ['-o', '/dev/null', '-e', 'trace=fsync', '-e', 'inject=fsync:retval=0'];
      const stage = { certs: join(disk.mounted, 'certs'), incoming };
      expect(await (await startTraced('promote', stage, unflushed)).outcome).toEqual({ kind: 'done' });
      const log = await disk.close();
      let broken = 0;
      await afterEachLoss({ image, log, directory }, async (mounted) => {
        const found = await contentsOf(join(mounted, 'certs')).catch(() => undefined);
        if (found === undefined || !known.includes(textOf(found))) broken += 1;
      });
      expect(broken).toBeGreaterThan(0);
    },
    120_000,
  );
});
