import { EventEmitter } from 'node:events';
import { mkdir, rename, rm, rmdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createFileEvents } from '../../src/adapters/file-events.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** Real file events of a real directory; `hinted` waits for the next hint. */
function watchReally(directory: string) {
  let waiting: (() => void) | undefined;
  const events = createFileEvents(directory, () => waiting?.());
  onTestFinished(() => events.close());
  const hinted = () =>
    new Promise<void>((resolve) => {
      waiting = resolve;
    });
  return { ...events, hinted };
}

/** A stand-in for `fs.watch` that fails with the code, or else can be made to fail later. */
function scriptedWatch(code?: string) {
  const watchers: (EventEmitter & { close: ReturnType<typeof vi.fn> })[] = [];
  const watch = () => {
    if (code !== undefined) throw errorOf(code);
    const watcher = Object.assign(new EventEmitter(), { close: vi.fn() });
    watchers.push(watcher);
    return watcher;
  };
  return { watch, watchers };
}

function errorOf(code: string): Error {
  return Object.assign(new Error(`${code}: watch failed`), { code });
}

describe('a hint is given', () => {
  it.each<[string, (directory: string) => Promise<unknown>]>([
    ['a file is written', (directory) => writeFile(join(directory, 'client.crt'), 'x')],
    ['a file is moved there', async (directory) => rename(await outside(), join(directory, 'client.crt'))],
    ['a file is removed', (directory) => rm(join(directory, 'old'))],
    ['a file is touched', (directory) => utimes(join(directory, 'old'), 1, 1)],
  ])('when %s', async (_, happen) => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'old'), 'x');
    const { arm, hinted } = watchReally(directory);
    await arm();
    const hint = hinted();
    await happen(directory);
    await expect(hint).resolves.toBeUndefined();
  });

  it.each<[string, (directory: string) => Promise<unknown>]>([
    [
      'replaced by another',
      async (directory) => {
        await rename(directory, `${directory}.old`);
        onTestFinished(() => rm(`${directory}.old`, { recursive: true }));
        await mkdir(directory);
      },
    ],
    // a file system may give the new directory the inode of the old one
    [
      'removed and made again',
      async (directory) => {
        await rmdir(directory);
        await mkdir(directory);
      },
    ],
  ])('by the directory that is there now, after the old one was %s', async (_, replace) => {
    const directory = await temporaryDirectory();
    const { arm, hinted } = watchReally(directory);
    await arm();
    await replace(directory);
    await arm();
    const hint = hinted();
    await writeFile(join(directory, 'client.crt'), 'x');
    await expect(hint).resolves.toBeUndefined();
  });

  it('by a directory that appears after the start', async () => {
    const directory = join(await temporaryDirectory(), 'certs');
    const { arm, hinted } = watchReally(directory);
    await arm();
    await mkdir(directory);
    await arm();
    const hint = hinted();
    await writeFile(join(directory, 'client.crt'), 'x');
    await expect(hint).resolves.toBeUndefined();
  });
});

describe('trouble', () => {
  it('is none while there are file events', async () => {
    const { arm, trouble } = watchReally(await temporaryDirectory());
    await arm();
    expect(trouble()).toBeUndefined();
  });

  it.each<[string, (directory: string) => Promise<unknown>]>([
    ['no directory', async () => undefined],
    ['a file in place of the directory', (directory) => writeFile(directory, 'x')],
  ])('is none with %s: the look at the files says what is wrong', async (_, make) => {
    const directory = join(await temporaryDirectory(), 'certs');
    await make(directory);
    const { arm, trouble } = watchReally(directory);
    await arm();
    expect(trouble()).toBeUndefined();
  });

  it.each([
    ['ENOSPC', 'the limit of inotify watches is used up (fs.inotify.max_user_watches)'],
    ['EMFILE', 'the limit of inotify instances is used up (fs.inotify.max_user_instances)'],
    ['ENOSYS', 'ENOSYS: watch failed'],
  ])('with %s is explained', async (code, words) => {
    const { arm, trouble } = createFileEvents(await temporaryDirectory(), vi.fn(), scriptedWatch(code).watch);
    await arm();
    expect(trouble()).toBe(words);
  });

  it('comes up when a watch fails later', async () => {
    const { watch, watchers } = scriptedWatch();
    const { arm, trouble } = createFileEvents(await temporaryDirectory(), vi.fn(), watch);
    await arm();
    watchers[0]?.emit('error', errorOf('ENOSPC'));
    expect(trouble()).toContain('fs.inotify.max_user_watches');
  });

  it('is over as soon as a watch can be armed again', async () => {
    const { watch, watchers } = scriptedWatch();
    const { arm, trouble } = createFileEvents(await temporaryDirectory(), vi.fn(), watch);
    await arm();
    watchers[0]?.emit('error', errorOf('ENOSPC'));
    await arm();
    expect([trouble(), watchers.length]).toEqual([undefined, 2]);
  });

  it('is over when the directory vanishes', async () => {
    const directory = await temporaryDirectory();
    const { arm, trouble } = createFileEvents(directory, vi.fn(), scriptedWatch('ENOSPC').watch);
    await arm();
    await rm(directory, { recursive: true });
    await arm();
    expect(trouble()).toBeUndefined();
  });
});

describe('arm', () => {
  it('arms once, however often it is called and whatever happens in the directory', async () => {
    const directory = await temporaryDirectory();
    const { watch, watchers } = scriptedWatch();
    const { arm } = createFileEvents(directory, vi.fn(), watch);
    for (let times = 0; times < 5; times++) {
      await arm();
      await writeFile(join(directory, `file ${times}`), 'x');
    }
    expect(watchers).toHaveLength(1);
  });

  it('lets go of the old watch when it arms a new one', async () => {
    const directory = await temporaryDirectory();
    const { watch, watchers } = scriptedWatch();
    const { arm } = createFileEvents(directory, vi.fn(), watch);
    await arm();
    await rename(directory, `${directory}.old`);
    onTestFinished(() => rm(`${directory}.old`, { recursive: true }));
    await mkdir(directory);
    await arm();
    expect(watchers.map(({ close }) => close.mock.calls.length)).toEqual([1, 0]);
  });
});

describe('close', () => {
  it('lets go of the watch', async () => {
    const { watch, watchers } = scriptedWatch();
    const { arm, close } = createFileEvents(await temporaryDirectory(), vi.fn(), watch);
    await arm();
    close();
    expect(watchers[0]?.close).toHaveBeenCalledOnce();
  });

  it('is harmless before anything was armed', async () => {
    const { close } = createFileEvents(await temporaryDirectory(), vi.fn());
    expect(close).not.toThrow();
  });
});

/** A file of its own outside of the directory that is watched. */
async function outside(): Promise<string> {
  const path = join(await temporaryDirectory(), 'new');
  await writeFile(path, 'x');
  return path;
}
