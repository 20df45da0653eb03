/** Signals and a lost reader while there is a broker to take care of. */

import { expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { describeMeasured } from '../support/measured.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { nothingFollows, settled, test, watched } from '../support/stage.ts';

/** What it said last. */
function lastWords(daemon: Daemon, count: number): string[] {
  return daemon.lines.slice(-count).map(({ event }) => event);
}

describeWith(ENGINE, 'a signal', () => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    test(`${name} during a restart lets it be finished and verified first, then it exits with 0`, async ({
      stage,
    }) => {
      const slow = { stopSignal: 'SIGWINCH' };
      const { broker, daemon, rotate } = await watched(stage, slow, { RESTART_STOP_TIMEOUT: '2s' });
      await rotate();
      await broker.events.next('kill');
      daemon.signal(name);
      expect(await daemon.ended).toEqual({ code: 0, signal: null });
      expect(lastWords(daemon, 2)).toEqual(['restart_completed', 'stopped']);
      expect(await broker.inspect()).toMatchObject({ running: true });
      expect(broker.restarts()).toBe(1);
    });
  }

  test('during a verification that fails lets it say so first', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(
      stage,
      { healthCheck: true },
      { RESTART_VERIFY_TIMEOUT: '3s' },
    );
    await rotate();
    await broker.events.next('restart');
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(lastWords(daemon, 2)).toEqual(['broker_unhealthy', 'stopped']);
  });
});

describeWith(ENGINE, 'a reader of the log that goes away', () => {
  test('keeps no rotation from the broker', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage);
    daemon.closeStdout();
    await rotate();
    await broker.events.next('restart');
    await nothingFollows();
    expect({ restarts: broker.restarts(), hasEnded: daemon.hasEnded() }).toEqual({
      restarts: 1,
      hasEnded: false,
    });
  });
});

describeMeasured(ENGINE, 'a signal before the end of the window', () => {
  test('ends it within a second; the rotation is left to its successor', async ({ stage }) => {
    const { broker, daemon, rotate } = await watched(stage, {}, { STABILITY_WINDOW: '10s' });
    const deferredBefore = daemon.count('restart_deferred');
    await rotate();
    await daemon.says('restart_deferred', { skip: deferredBefore });
    const sentAt = performance.now();
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - sentAt).toBeLessThan(1_000);
    expect(broker.restarts()).toBe(0);
    await settled(stage.watch(broker));
    expect(broker.restarts()).toBe(1);
  });
});
