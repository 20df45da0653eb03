/** How much of the time an endless stream may take, on a clock that only moves as the test has it. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPace } from '../../src/system/mqtt/pace.ts';

const WHOLE_MS = 10_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Reads chunks that take this long, as soon as it may, and returns how many. */
function chunksRead(chunkMs: number, chunkBytes: number): number {
  let isPaused = false;
  const pause = () => {
    isPaused = true;
  };
  const resume = () => {
    isPaused = false;
  };
  const pace = createPace({ pause, resume } as unknown as Parameters<typeof createPace>[0]);
  let chunks = 0;
  for (const startMs = performance.now(); performance.now() - startMs < WHOLE_MS; ) {
    if (isPaused) {
      vi.advanceTimersByTime(1);
      continue;
    }
    vi.advanceTimersByTime(chunkMs);
    chunks += 1;
    pace.charge(chunkBytes, chunkMs);
  }
  pace.stop();
  return chunks;
}

describe('a stream without an end', () => {
  it.each([1, 2, 5, 40])('is read for a sixth of the time, where a chunk takes %i ms', (chunkMs) => {
    expect((chunksRead(chunkMs, 1) * chunkMs) / WHOLE_MS).toBeCloseTo(1 / 6, 2);
  });

  it('is read at 40 MiB a second where reading takes no time to speak of', () => {
    const mebibytes = (chunksRead(0, 65_536) * 65_536) / 2 ** 20;
    expect(mebibytes / (WHOLE_MS / 1_000)).toBeCloseTo(40, 0);
  });
});
