import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { portOf } from '../../lab/tls-servers.ts';
import { LONGEST_TIMER_MS, startDeadline, startTimer } from '../../src/system/timer.ts';
import { holdUp } from '../support/hold-up.ts';

describe('a timer', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    [0, 0],
    [-5, 0],
    [0.2, 1],
    [1_500, 1_500],
    [LONGEST_TIMER_MS, LONGEST_TIMER_MS],
    [LONGEST_TIMER_MS + 1, LONGEST_TIMER_MS],
    [Number.POSITIVE_INFINITY, LONGEST_TIMER_MS],
  ])('of %d ms fires after %d ms, and not before', (ms, expected) => {
    const fire = vi.fn();
    startTimer(fire, ms);
    if (expected > 0) vi.advanceTimersByTime(expected - 1);
    if (expected > 0) expect(fire).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fire).toHaveBeenCalledTimes(1);
  });
});

describe('a deadline', () => {
  it('passes after what had arrived by then, where the process was held up', async () => {
    const events: string[] = [];
    const passed = Promise.withResolvers<void>();
    const server = createServer((socket) =>
      socket.once('data', () => {
        startDeadline(() => {
          events.push('the deadline');
          passed.resolve();
        }, 10);
        socket.end('in time');
        holdUp(50);
      }),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect(portOf(server), '127.0.0.1').on('data', (said) => events.push(String(said)));
    await once(client, 'connect');
    client.write('go');
    await passed.promise;
    client.destroy();
    server.close();
    expect(events).toEqual(['in time', 'the deadline']);
  });

  describe('that is ended', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it.each([
      ['before the time is over', 0],
      ['while what had arrived is read', 1],
    ])('%s does not pass', (_, steps) => {
      const pass = vi.fn();
      const deadline = startDeadline(pass, 10);
      for (let step = 0; step < steps; step += 1) vi.advanceTimersToNextTimer();
      deadline.end();
      vi.runAllTimers();
      expect(pass).not.toHaveBeenCalled();
    });
  });
});
