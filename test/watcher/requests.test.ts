import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../lab/fake-clock.ts';
import type { OperatorRequest } from '../../src/core/model/request.ts';
import { createRequests } from '../../src/watcher/requests.ts';

/** Requests whose hints are counted, and a way to ask. */
function fixture() {
  const clock = createFakeClock();
  let ask: (request: OperatorRequest) => void = () => undefined;
  const hints: number[] = [];
  const listen = (listener: typeof ask) => {
    ask = listener;
  };
  const requests = createRequests(listen, clock, () => hints.push(clock.elapsedMs()));
  return { clock, requests, hints, ask: (request: OperatorRequest) => ask(request) };
}

describe('a request', () => {
  it('hints at once, and is taken once', () => {
    const { requests, hints, ask } = fixture();
    ask('look');
    expect([hints, requests.take(), requests.take()]).toEqual([[0], ['look'], []]);
  });

  it('is one with the same that comes before it is taken, and beside another', () => {
    const { requests, hints, ask } = fixture();
    ask('look');
    ask('restart');
    ask('look');
    expect([hints, requests.take()]).toEqual([[0], ['look', 'restart']]);
  });

  it('hints no more when nobody listens any longer', async () => {
    const { clock, requests, hints, ask } = fixture();
    for (let count = 0; count < 4; count++) {
      ask('look');
      requests.take();
    }
    requests.close();
    await clock.advance(60_000);
    expect(hints).toHaveLength(3);
  });
});

describe('a flood of requests', () => {
  it('brings three looks at once, and then one in ten seconds', async () => {
    const { clock, requests, hints, ask } = fixture();
    for (let ms = 0; ms < 60_000; ms += 10) {
      ask(ms % 20 === 0 ? 'look' : 'restart');
      requests.take();
      await clock.advance(10);
    }
    expect(hints.length).toBeGreaterThanOrEqual(8);
    expect(hints.length).toBeLessThanOrEqual(9);
  });

  it('loses nobody: the last one is answered, if later', async () => {
    const { clock, requests, ask } = fixture();
    for (let count = 0; count < 4; count++) {
      ask('look');
      requests.take();
    }
    ask('restart');
    const tooSoon = requests.take();
    await clock.advance(10_000);
    expect([tooSoon, requests.take()]).toEqual([[], ['look', 'restart']]);
  });
});
