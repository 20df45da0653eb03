/** Every change of a live directory, from what it begins and how the next watcher goes on. */

import { expect } from 'vitest';
import { type CertificateFiles, makeSet } from '../../lab/cert-directory.ts';
import { setToRestore, wasRolledBack } from '../../src/core/model/live.ts';
import { contentsOf, liveDirectoryOf, put, type Stage, setIn } from './live-directory.ts';

export interface LiveChange {
  readonly change: string;
  readonly title: string;
  /** what lies in the live directory at any time */
  readonly sets: readonly CertificateFiles[];
  /** what lies there when it is done */
  readonly last: CertificateFiles;
  prepare(stage: Stage): Promise<void>;
  /** what the next watcher does, and what has to be so then */
  goOn(stage: Stage): Promise<void>;
}

const [old, former, next] = [await makeSet(), await makeSet(), await makeSet()];

const promoted = async ({ certs, incoming }: Stage, ...sets: readonly CertificateFiles[]) => {
  for (const set of sets) {
    await put(incoming, set);
    await liveDirectoryOf(certs, incoming).promote(await setIn(incoming));
  }
};

export const LIVE_CHANGES: readonly LiveChange[] = [
  {
    change: 'takeOver',
    title: 'a take-over',
    sets: [old],
    last: old,
    prepare: async ({ certs, incoming }) => {
      await put(certs, old);
      await put(incoming, old);
    },
    goOn: async ({ certs, incoming }) => {
      const { newestCtimeMs } = await setIn(certs);
      const live = liveDirectoryOf(certs, incoming);
      expect(await live.takeOver()).toEqual({ kind: 'done' });
      const { files, isOurs } = await live.observe(0);
      expect(isOurs).toBe(true);
      expect(files.kind === 'complete' && files.newestCtimeMs <= newestCtimeMs).toBe(true);
      expect(await contentsOf(certs)).toEqual(old);
    },
  },
  {
    change: 'promote',
    title: 'a promotion over plain files',
    sets: [old, next],
    last: next,
    prepare: async ({ certs, incoming }) => {
      await put(certs, old);
      await put(incoming, next);
    },
    goOn: async ({ certs, incoming }) => {
      await liveDirectoryOf(certs, incoming).promote(await setIn(incoming));
      expect(await contentsOf(certs)).toEqual(next);
    },
  },
  {
    change: 'promote',
    title: 'a promotion that removes the oldest set',
    sets: [former, old, next],
    last: next,
    prepare: async (stage) => {
      await promoted(stage, former, old);
      await put(stage.incoming, next);
    },
    goOn: async ({ certs, incoming }) => {
      const live = liveDirectoryOf(certs, incoming);
      await live.promote(await setIn(incoming));
      expect(await contentsOf(certs)).toEqual(next);
      expect((await live.observe(0)).previous).toBeDefined();
    },
  },
  {
    change: 'rollBack',
    title: 'a roll-back',
    sets: [old, next],
    last: old,
    prepare: (stage) => promoted(stage, old, next),
    goOn: async ({ certs, incoming }) => {
      const live = liveDirectoryOf(certs, incoming);
      const bad = await setIn(incoming);
      const found = await live.observe(0);
      const isBack = found.files.kind === 'complete' && found.files.fingerprint !== bad.fingerprint;
      // whoever finds the old set live may never promote the bad one, and knows that the broker may be down
      if (isBack) expect([wasRolledBack(found, bad), found.restoredAtMs]).toEqual([true, expect.any(Number)]);
      else expect(setToRestore(found, Date.now())).toBeDefined();
      if (!isBack) await live.rollBack(bad);
      expect(await contentsOf(certs)).toEqual(old);
      expect(wasRolledBack(await live.observe(0), bad)).toBe(true);
      await live.rememberProven();
    },
  },
  {
    change: 'rememberProven',
    title: 'the record of a proof',
    sets: [old],
    last: old,
    prepare: (stage) => promoted(stage, old),
    goOn: async ({ certs, incoming }) => {
      const live = liveDirectoryOf(certs, incoming);
      await live.rememberProven();
      expect((await live.observe(0)).isProven).toBe(true);
    },
  },
];

/** A set as one text, to compare. */
export const textOf = ({ ca, cert, key }: CertificateFiles) => [ca, cert, key].join('\n');

/** A set that no change of these brings. */
export const OTHER = await makeSet();
