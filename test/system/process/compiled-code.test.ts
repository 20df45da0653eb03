/** When the flag is set that keeps compiled code, and that this V8 knows it. */

import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keepCompiledCode } from '../../../src/system/process/compiled-code.ts';

describe('compiled code', () => {
  let flags: string[];
  let stop: AbortController;

  beforeEach(() => {
    vi.useFakeTimers();
    flags = [];
    stop = new AbortController();
    keepCompiledCode(stop.signal, async (flag) => void flags.push(flag));
  });
  afterEach(() => vi.useRealTimers());

  it('of the start is given up first, and what is compiled later is kept', () => {
    vi.advanceTimersByTime(19_000);
    expect(flags).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(flags).toEqual(['--bytecode-old-age=6']);
  });

  it('is nothing to a watcher that has been stopped', () => {
    stop.abort();
    vi.advanceTimersByTime(60_000);
    expect(flags).toEqual([]);
  });

  it('is kept by a flag of this V8, whose default it is', () => {
    const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    expect(stdout).toContain('default: --bytecode-old-age=6\n');
  });
});
