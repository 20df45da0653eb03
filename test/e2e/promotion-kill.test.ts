/**
 * The process that changes a live directory is killed before each system call by which it changes anything, and each of
 * these calls fails, while somebody reads the three paths without a pause. Between two such calls the disk stays as it
 * is, so these are all the states that a SIGKILL leaves.
 */

import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../lab/until.ts';
import { directoryInMemory } from '../support/directory.ts';
import { LIVE_CHANGES, type LiveChange, textOf } from '../support/live-changes.ts';
import { contentsOf, listing, NAMES, type Stage } from '../support/live-directory.ts';
import { program, skipped } from '../support/needs.ts';
import { IS_THOROUGH, sample } from '../support/thorough.ts';
import { callsOf, injecting, isStopped, startTraced, type TracedChange } from '../support/traced-change.ts';

const ERRORS = ['ENOSPC', 'EROFS', 'EIO', 'EACCES'];

let looks = 0;

/** Opens the three paths, one after the other; where the sets were changed meanwhile, they may be of two. */
function look(certs: string, known: readonly string[]): void {
  const set = () => {
    try {
      return readlinkSync(join(certs, '..data'));
    } catch {
      return undefined;
    }
  };
  const before = set();
  const texts = NAMES.map((name) => readFileSync(join(certs, name), 'utf8'));
  if (set() !== before) return;
  looks += 1;
  if (!known.includes(texts.join('\n'))) throw new Error(`no whole set lies in ${certs}`);
}

/** How the change ended, with somebody reading until then. */
async function readUntilEnd({ outcome }: TracedChange, certs: string, known: readonly string[]) {
  let isOver = false;
  const over = outcome.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    look(certs, known);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return over;
}

async function stageFor({ prepare }: LiveChange, directory: string, number: number): Promise<Stage> {
  const stage = {
    certs: join(directory, `certs-${number}`),
    incoming: join(directory, `incoming-${number}`),
  };
  await mkdir(stage.certs);
  await prepare(stage);
  return stage;
}

async function expectNothingHalfDone({ certs }: Stage): Promise<void> {
  const names = await listing(certs);
  expect(names.filter((name) => /\.new$|lock|tmp/.test(name))).toEqual([]);
  expect(names.filter((name) => /^\.\.set-/.test(name)).length).toBeLessThanOrEqual(2);
}

/** Of the calls of a change, unless the test is to be thorough, each third: the first, second or third and so on. */
function sampleOf<T>(calls: readonly T[], each: LiveChange): readonly T[] {
  const first = LIVE_CHANGES.indexOf(each);
  return IS_THOROUGH ? calls : calls.filter((_, index) => (index + first) % 3 === 0);
}

/** A take-over and a promotion: how their calls fail is tried with each. */
const isOfTwo = ({ title }: LiveChange) => title === 'a promotion over plain files';

const STRACE = program('strace');

describe.skipIf(!STRACE.ok)(`each system call${skipped(STRACE)}`, () => {
  it.each(LIVE_CHANGES)(
    'of $title may be the last, or fail: a whole set lies there, from which the next watcher goes on',
    async (each) => {
      const directory = await directoryInMemory();
      const known = each.sets.map(textOf);
      const calls = await callsOf(each.change, await stageFor(each, directory, 0), join(directory, 'log'));
      expect(calls.length).toBeGreaterThan(5);
      const tried = sampleOf(calls, each);
      let kills = 0;
      let number = 0;
      for (const call of tried) {
        const error = `error=${ERRORS[number % ERRORS.length]}`;
        // SIGSTOP comes after the call
        const kinds = ['signal=SIGKILL', ...(call.name === 'openat' ? ['signal=SIGSTOP'] : [])];
        for (const what of [...kinds, ...(isOfTwo(each) ? [] : [error])]) {
          number += 1;
          const stage = await stageFor(each, directory, number);
          const traced = await startTraced(each.change, stage, injecting(call, what));
          if (what === 'signal=SIGSTOP') {
            await until('the call', () => isStopped(traced));
            traced.child.kill('SIGKILL');
          }
          const outcome = await readUntilEnd(traced, stage.certs, known);
          expect(known).toContain(textOf(await contentsOf(stage.certs)));
          if (outcome === undefined) kills += 1;
          else if (outcome.kind === 'done') expect(await contentsOf(stage.certs)).toEqual(each.last);
          // what a call that fails leaves behind is removed at once, if that was not the call
          if (outcome?.kind === 'failed' && !/^(unlink|rmdir)/.test(call.name))
            await expectNothingHalfDone(stage);
          await each.goOn(stage);
          await expectNothingHalfDone(stage);
        }
      }
      expect(kills).toBe(tried.length + tried.filter(({ name }) => name === 'openat').length);
    },
    300_000,
  );

  it('was watched by a reader', () => {
    expect(looks).toBeGreaterThan(sample({ many: 1_000, some: 300 }));
  });
});
