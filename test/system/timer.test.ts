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
    const server = createServer((socket) => {
      socket.end('in time');
      holdUp(100);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect(portOf(server), '127.0.0.1').on('data', (said) => events.push(String(said)));
    await new Promise<void>((resolve) => {
      startDeadline(() => {
        events.push('the deadline');
        resolve();
      }, 50);
    });
    client.destroy();
    server.close();
    expect(events).toEqual(['in time', 'the deadline']);
  });

  it('does not pass when it was ended before the time was over', async () => {
    const pass = vi.fn();
    startDeadline(pass, 10).end();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(pass).not.toHaveBeenCalled();
  });

  it('does not pass when it was ended while what had arrived was read', async () => {
    const pass = vi.fn();
    const deadline = startDeadline(pass, 10);
    setTimeout(deadline.end, 10);
    // both timers are over by then, and fire one after the other
    holdUp(20);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(pass).not.toHaveBeenCalled();
  });
});
