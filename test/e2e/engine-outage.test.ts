/** An engine that goes down during a rotation and comes back; with a dockerd of the test's own. */

import { join } from 'node:path';
import { expect } from 'vitest';
import { until } from '../../lab/until.ts';
import { createDockerd } from '../support/dockerd.ts';
import { all, describeWith, ENGINE, program, ROOT } from '../support/needs.ts';
import { type BrokerOptions, nothingFollows, type Stage, settled, test, watched } from '../support/stage.ts';

const OWN_ENGINE = all(ROOT, program('dockerd'), ENGINE);

/** A broker on an engine of its own that has the present set, and a watcher that knows it. */
async function watchedBy(stage: Stage, liveRestore: boolean, options: BrokerOptions = {}) {
  const engine = await createDockerd(join(stage.directory, 'engine'), { liveRestore });
  stage.onEnd(engine.end);
  await engine.start();
  const settings = { RESTART_VERIFY_TIMEOUT: '30s' };
  return { engine, ...(await watched(stage, { engine: engine.api, ...options }, settings)) };
}

describeWith(OWN_ENGINE, 'an engine that goes down during a rotation and comes back', () => {
  test('with the broker still running: it is restarted by itself, once', async ({ stage }) => {
    const { engine, broker, daemon, rotate } = await watchedBy(stage, true);
    await engine.stop();
    await rotate();
    await daemon.says('restart_failed');
    await engine.start();
    // events end with the engine that sends them
    const events = engine.api.events(broker.name);
    stage.onEnd(events.close);
    await settled(daemon);
    expect(events.count('restart')).toBe(1);
  });

  test('and starts the broker itself: it has read the files, no restart', async ({ stage }) => {
    const { engine, broker, daemon, rotate } = await watchedBy(stage, false, { restartPolicy: 'always' });
    await engine.stop();
    await rotate();
    await daemon.says('restart_failed');
    await engine.start();
    const events = engine.api.events(broker.name);
    stage.onEnd(events.close);
    await daemon.says('broker_already_current', { skip: 1 });
    await nothingFollows();
    expect(events.count('restart')).toBe(0);
    expect(await broker.inspect()).toMatchObject({ running: true });
  });

  test('in the middle of the restart, and starts the broker itself: no second restart', async ({ stage }) => {
    const { engine, broker, daemon, rotate } = await watchedBy(stage, false, {
      restartPolicy: 'always',
      stopSignal: 'SIGWINCH',
      stopTimeoutS: 2,
    });
    await rotate();
    await broker.events.next('kill');
    await engine.stop();
    await engine.start();
    const events = engine.api.events(broker.name);
    stage.onEnd(events.close);
    await until('the broker to run', async () => (await broker.inspect()).running);
    await daemon.says('restart_completed', { withinMs: 30_000 });
    await nothingFollows();
    expect(events.count('restart')).toBe(0);
  });
});
