/** What agents do to the incoming files while they are copied: what is promoted is what was judged, or nothing. */

import { mkdir, readdir, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CertificateFiles, makeSet } from '../../../lab/cert-directory.ts';
import { createLiveDirectory } from '../../../src/adapters/live-directory/live-directory.ts';
import { makeFifo, temporaryDirectory } from '../../support/directory.ts';
import {
  contentsOf,
  listing,
  liveDirectoryOf,
  NAMES,
  put,
  readerOf,
  setIn,
} from '../../support/live-directory.ts';

let incoming: string;
let certs: string;
let old: CertificateFiles;
let next: CertificateFiles;

beforeEach(async () => {
  const directory = await temporaryDirectory();
  [incoming, certs] = [join(directory, 'incoming'), join(directory, 'certs')];
  await mkdir(certs);
  [old, next] = [await makeSet(), await makeSet()];
  await put(incoming, old);
  await liveDirectoryOf(certs, incoming).promote(await setIn(incoming));
  await put(incoming, next);
});

const key = () => join(incoming, 'client.key');

/** Promotes the incoming set as it is judged now; the agent does this once the files are copied, before they are compared. */
async function promoteWhile(agent: () => Promise<void>) {
  const judged = await setIn(incoming);
  let isCopied = false;
  const live = createLiveDirectory({
    certDir: certs,
    incomingDir: incoming,
    names: NAMES,
    readSet: (directory) => {
      const reader = readerOf(directory);
      return {
        observe: async (nowMonoMs) => {
          if (directory.includes('..lock') && !isCopied) {
            isCopied = true;
            await agent();
          }
          return reader.observe(nowMonoMs);
        },
      };
    },
  });
  const outcome = await live.promote(judged);
  return { outcome, isCopied };
}

/** The agent does this before anything is copied. */
async function promoteAfter(agent: () => Promise<void>) {
  const judged = await setIn(incoming);
  await agent();
  return liveDirectoryOf(certs, incoming).promote(judged);
}

async function expectOldSet() {
  expect(await contentsOf(certs)).toEqual(old);
  expect((await listing(certs)).filter((name) => /lock|-> \.\.set|^\.\.set-/.test(name))).toHaveLength(2);
}

describe('a set that changes while it is copied', () => {
  it.each<[string, () => Promise<void>]>([
    ['is replaced as a whole', async () => put(incoming, await makeSet())],
    [
      'has its key overwritten in place with as many bytes, and its time set back',
      async () => {
        const { atime, mtime, size } = await stat(key());
        await writeFile(key(), Buffer.alloc(size, 'x'));
        await utimes(key(), atime, mtime);
      },
    ],
    ['has its key cut', () => truncate(key(), 10)],
    [
      'has its key replaced by a copy of it',
      async () => {
        await writeFile(`${key()}.tmp`, next.key);
        await rename(`${key()}.tmp`, key());
      },
    ],
    ['loses a file', () => rm(join(incoming, 'ca.crt'))],
    ['loses its directory', () => rename(incoming, `${incoming}.gone`)],
    [
      'lies in another directory of the same name by then',
      async () => {
        await rename(incoming, `${incoming}.moved`);
        await put(incoming, next);
      },
    ],
  ])('and %s is not promoted', async (_, agent) => {
    expect(await promoteWhile(agent)).toEqual({ outcome: { kind: 'outdated' }, isCopied: true });
    await expectOldSet();
  });
});

describe('a file that is none any more when it is to be copied', () => {
  it.each<[string, () => Promise<void>]>([
    ['a FIFO', () => rm(key()).then(() => makeFifo(key()))],
    ['a directory', () => rm(key()).then(async () => void (await mkdir(key())))],
    ['a link to a device', () => rm(key()).then(() => symlink('/dev/zero', key()))],
    ['larger than 1 MiB', () => truncate(key(), 2 ** 21)],
    ['gone', () => rm(key())],
    ['a link that leads in a circle', () => rm(key()).then(() => symlink('client.key', key()))],
  ])('because it is %s blocks nothing and is not promoted', async (_, agent) => {
    expect(await promoteAfter(agent)).toEqual({ kind: 'outdated' });
    await expectOldSet();
    expect(await readdir(certs)).not.toContain('..lock');
  });
});
