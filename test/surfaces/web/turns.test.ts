import { expect, it, onTestFinished, vi } from 'vitest';
import { createTurns } from '../../../src/surfaces/web/turns.ts';
import { MEASURED } from '../../support/measured.ts';

/** Turns on a clock that work and the test move. */
function setUp() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'hrtime'] });
  onTestFinished(() => void vi.useRealTimers());
  const turns = createTurns();
  onTestFinished(() => turns.close());
  const done: string[] = [];
  /** Work that keeps the processor for so long. */
  const add = (name: string, tookMs = 1) =>
    turns.add(async () => {
      done.push(name);
      vi.advanceTimersByTime(tookMs);
    });
  return { turns, done, add };
}

/** Whatever can go on without the clock does. */
const settle = () => vi.advanceTimersByTimeAsync(0);

it('what is to be done is done at once where nothing else is', () => {
  const { add, done } = setUp();
  add('a');
  expect(done).toEqual(['a']);
});

it('it is done in order', async () => {
  const { add, done } = setUp();
  for (const name of ['a', 'b', 'c', 'd', 'e']) add(name);
  await vi.advanceTimersByTimeAsync(100);
  expect(done.join('')).toBe('abcde');
});

it('nothing is begun before the last thing has ended', async () => {
  const { turns, add, done } = setUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  turns.add(() => promise);
  add('b');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(done).toEqual([]);
  resolve();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(done).toEqual(['b']);
});

it('however much there is, two milliseconds of it are done in one go', async () => {
  const { add, done } = setUp();
  for (let count = 0; count < 100; count++) add('a');
  await settle();
  expect(done).toHaveLength(2);
});

it('however much there is, three quarters of the time are left to others', MEASURED, async () => {
  const { add, done } = setUp();
  for (let count = 0; count < 100; count++) add('a');
  const sinceMs = performance.now();
  while (done.length < 100) await vi.advanceTimersToNextTimerAsync();
  expect(performance.now() - sinceMs).toBeGreaterThan(390);
  expect(performance.now() - sinceMs).toBeLessThan(410);
});

it('whoever keeps on asking one at a time gets no more', async () => {
  const { turns } = setUp();
  let count = 0;
  const again = async () => {
    vi.advanceTimersByTime(1);
    if (++count < 100) turns.add(again);
  };
  const sinceMs = performance.now();
  turns.add(again);
  while (count < 100) await vi.advanceTimersToNextTimerAsync();
  expect(performance.now() - sinceMs).toBeGreaterThan(390);
});

it('a single thing that takes long, as where the processor is scarce, is followed by a short rest', async () => {
  const { add, done } = setUp();
  add('slow', 5_000);
  add('b');
  await vi.advanceTimersByTimeAsync(199);
  expect(done).toEqual(['slow']);
  await vi.advanceTimersByTimeAsync(1);
  expect(done).toEqual(['slow', 'b']);
});

it('no timer runs where nothing waits', async () => {
  const { add } = setUp();
  add('a');
  await settle();
  expect(vi.getTimerCount()).toBe(0);
});

it('after the end nothing is begun any more', async () => {
  const { turns, add, done } = setUp();
  for (const name of ['a', 'b', 'c', 'd']) add(name);
  await settle();
  turns.close();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(done).toEqual(['a', 'b']);
});
