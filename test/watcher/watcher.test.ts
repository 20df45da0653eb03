import { expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { startWatcher } from '../../src/watcher/watcher.ts';

it('no longer counts as restarting when a restart has ended in an unexpected error', async () => {
  const clock = createFakeClock();
  const { signal } = new AbortController();
  const settings = fix.settings({ probeEnabled: false });
  const failed: unknown[] = [];
  const watcher = startWatcher(
    {
      settings,
      clock,
      certFiles: { observe: async () => fix.set('new', -60_000) },
      createFileEvents: () => ({
        arm: async () => undefined,
        trouble: () => undefined,
        close: () => undefined,
      }),
      brokers: {
        first: { kind: 'found', names: [settings.targetLabel] },
        list: async () => ({ ok: true, value: { kind: 'found', names: [settings.targetLabel] } }),
        of: () => ({
          inspect: async () => ({ ok: true, value: fix.broker(-3_600_000) }),
          rollout: async function* () {
            yield { kind: 'asked', by: 'restart' };
            await clock.sleep(1_000, signal);
            throw new Error('a defect');
          },
        }),
      },
      bridgeListeners: [],
      runProbe: undefined,
      findWatchers: undefined,
      lot: 'the only one',
      stateFile: undefined,
      publish: ({ say }) => failed.push(...say.filter(({ event }) => event === 'cycle_failed')),
    },
    signal,
  );
  await clock.advance(2_500);
  expect(watcher.isRestarting()).toBe(true);
  await clock.advance(1_000);
  expect(failed).toHaveLength(1);
  expect(watcher.isRestarting()).toBe(false);
});
