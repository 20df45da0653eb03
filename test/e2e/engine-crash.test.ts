/** A watcher that is killed again and again, at any moment, still restarts the broker once per rotation. */

import { join } from 'node:path';
import { expect } from 'vitest';
import type { Daemon } from '../../lab/daemon.ts';
import { quietly } from '../../lab/until.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { type Broker, makeSet, nothingFollows, type Stage, test } from '../support/stage.ts';

interface Scene {
  readonly daemon: Daemon;
  readonly broker: Broker;
}

/** The moments at which a watcher that restarts is killed; each ends one of eight lives. */
const MOMENTS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  'as soon as it says that it restarts': ({ daemon }) => daemon.says('mosquitto_restart_triggered'),
  'as soon as the engine signals the broker': ({ broker }) => broker.events.next('kill'),
  'as soon as the broker has died': ({ broker }) => broker.events.next('die'),
  'as soon as the broker runs again': ({ broker }) => broker.events.next('restart'),
};

/** A watcher without a state file restarts nothing for its first 2 s: lives shorter than this end before that. */
const SHORT_LIFE_MS = 1_500;

/** Start, window, restart and settle time all lie within this time. */
const LONG_LIFE_MS = 3_500;

function someLives(count: number, longestMs: number): number[] {
  return Array.from({ length: count }, () => Math.round(Math.random() * longestMs));
}

describeWith(ENGINE, 'a watcher killed eight times in a row', () => {
  for (const [kind, withState] of [
    ['with a state file', true],
    ['without a state file', false],
  ] as const) {
    for (const [moment, reached] of Object.entries(MOMENTS)) {
      test(`${kind}, the first time that it would restart ${moment}, restarts the broker once`, async ({
        stage,
      }) => {
        const { broker, settings, live } = await rotated(stage, withState);
        // with a state file there is nothing to be cautious about: the first life restarts at once
        const before = withState ? [] : someLives(3, SHORT_LIFE_MS);
        for (const ms of before) await live(ms);
        const daemon = stage.watch(broker, settings);
        await reached({ daemon, broker });
        await daemon.kill();
        const after = someLives(7 - before.length, SHORT_LIFE_MS);
        for (const ms of after) await live(ms);
        await survives(stage, broker, settings);
        expect(broker.restarts(), `lives of ${before} ms, then of ${after} ms`).toBe(1);
      });
    }

    test(`${kind}, at random moments, restarts the broker once`, async ({ stage }) => {
      const { broker, settings, live } = await rotated(stage, withState);
      const lives = someLives(8, LONG_LIFE_MS);
      for (const ms of lives) await live(ms);
      await survives(stage, broker, settings);
      expect(broker.restarts(), `lives of ${lives} ms`).toBe(1);
    });
  }

  test('loses no rotation: one restart for each of two', async ({ stage }) => {
    const { broker, settings, live } = await rotated(stage, true);
    for (const ms of someLives(4, LONG_LIFE_MS)) await live(ms);
    await survives(stage, broker, settings);
    await stage.certs.install(await makeSet());
    for (const ms of someLives(4, LONG_LIFE_MS)) await live(ms);
    await survives(stage, broker, settings);
    expect(broker.restarts()).toBe(2);
  });
});

describeWith(ENGINE, 'a watcher killed while the broker takes its time to stop', () => {
  /** The successor starts while the engine still waits for the broker to stop. */
  async function succeeded(stage: Stage, stopTimeoutS: number, settings: Readonly<Record<string, string>>) {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker({ stopSignal: 'SIGWINCH', stopTimeoutS });
    const first = stage.watch(broker, settings);
    await first.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await broker.events.next('kill');
    await first.kill();
    await survives(stage, broker, settings);
    return broker;
  }

  test('with a state file: its successor waits for the cooldown, one restart', async ({ stage }) => {
    const STATE_FILE = join(stage.directory, 'state.json');
    const broker = await succeeded(stage, 4, { STATE_FILE, RESTART_COOLDOWN: '6s' });
    expect(broker.restarts()).toBe(1);
  });

  test('without a state file: its successor spares a restart that may be under way, one restart', async ({
    stage,
  }) => {
    const broker = await succeeded(stage, 1, {});
    expect(broker.restarts()).toBe(1);
  });

  test('without a state file, for longer than that: the engine is asked twice, the broker stops once', async ({
    stage,
  }) => {
    const broker = await succeeded(stage, 4, {});
    expect({ died: broker.events.count('die'), started: broker.events.count('start') }).toEqual({
      died: 1,
      started: 2,
    });
  });
});

/** A rotation that no watcher has seen, and lives of watchers that are killed. */
async function rotated(stage: Stage, withState: boolean) {
  const settings: Record<string, string> = withState
    ? { STATE_FILE: join(stage.directory, 'state.json') }
    : {};
  await stage.certs.install(await makeSet());
  const broker = await stage.broker();
  const first = stage.watch(broker, settings);
  await first.says('broker_already_current');
  await stage.certs.install(await makeSet());
  await first.kill();

  async function live(ms: number) {
    const daemon = stage.watch(broker, settings);
    await quietly(ms, 'its life');
    await daemon.kill();
  }
  return { broker, settings, live };
}

/** A last watcher that lives long enough to do whatever it has a mind to. */
async function survives(stage: Stage, broker: Broker, settings: Readonly<Record<string, string>>) {
  const daemon = stage.watch(broker, settings);
  await daemon.says('cert_parsed');
  await broker.events.next('restart');
  await quietly(2_000, 'the time for which a new watcher spares a restart of its predecessor');
  await nothingFollows();
  await daemon.kill();
}
