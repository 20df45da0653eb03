/**
 * A process that changes a live directory is stopped after each system call by which it changes anything, as on a disk that
 * takes seconds. Another one makes a change meanwhile, and then the first goes on.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../lab/until.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { LIVE_CHANGES, OTHER, textOf } from '../support/live-changes.ts';
import { contentsOf, listing, liveDirectoryOf, put, setIn } from '../support/live-directory.ts';
import { program, skipped } from '../support/needs.ts';
import { type Call, callsOf, injecting, isStopped, startTraced } from '../support/traced-change.ts';

const STRACE = program('strace');

/** Those after which something else lies in the directory, or may be taken away. */
const TOLD = ['mkdir', 'symlink', 'rename', 'rmdir'];

/** So many wait at the same time for the other process's lock. */
const TOGETHER = 8;

describe.skipIf(!STRACE.ok)(`another watcher${skipped(STRACE)}`, () => {
  it.each(LIVE_CHANGES.filter(({ change }) => change === 'promote' || change === 'rollBack'))(
    'that makes a change while $title has stopped is not undone by it, and finds and leaves a whole set',
    async (each) => {
      const directory = await temporaryDirectory();
      let number = 0;
      const stageFor = async () => {
        number += 1;
        const certs = join(directory, `certs-${number}`);
        const stage = { certs, incoming: join(directory, `incoming-${number}`) };
        await mkdir(certs);
        await each.prepare(stage);
        return stage;
      };
      const calls = await callsOf(each.change, await stageFor(), join(directory, 'log'));
      const others = join(directory, 'others');
      await put(others, OTHER);

      const play = async (call: Call) => {
        const stage = await stageFor();
        const stopped = await startTraced(each.change, stage, injecting(call, 'signal=SIGSTOP'));
        await until(`the stop after ${JSON.stringify(call)}`, () => isStopped(stopped));
        expect(each.sets.map(textOf)).toContain(textOf(await contentsOf(stage.certs)));
        const rival = liveDirectoryOf(stage.certs, others);
        expect(await rival.promote(await setIn(others))).toEqual({ kind: 'done' });
        expect(await contentsOf(stage.certs)).toEqual(OTHER);
        const before = await listing(stage.certs);
        stopped.child.kill('SIGCONT');
        expect((await stopped.outcome)?.kind).not.toBe('failed');
        expect(await listing(stage.certs)).toEqual(before);
        expect(await contentsOf(stage.certs)).toEqual(OTHER);
        const { previous, rolledBack } = await rival.observe(0);
        expect(previous !== undefined || rolledBack.length > 0).toBe(true);
      };

      // after the first call it only has an empty lock, and so it has to begin after the other
      const left = calls.filter(({ name }) => TOLD.includes(name)).slice(1);
      expect(left.length).toBeGreaterThan(5);
      const inTurn = async () => {
        for (let call = left.shift(); call !== undefined; call = left.shift()) await play(call);
      };
      await Promise.all(Array.from({ length: TOGETHER }, inTurn));
    },
    120_000,
  );
});
