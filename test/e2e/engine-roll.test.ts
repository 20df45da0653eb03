/** Several brokers on one host: one by one, by the engine's own events and by what their clients see. */

import { expect } from 'vitest';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { startRedundantMessages } from '../support/redundant-messages.ts';
import {
  type Broker,
  type BrokerOptions,
  makeSet,
  nothingFollows,
  type Stage,
  test,
} from '../support/stage.ts';

/** A broker that clients on this machine can reach. */
async function reachable(
  stage: Stage,
  options: BrokerOptions = {},
): Promise<Broker & { readonly port: number }> {
  const port = await closedPort();
  const broker = await stage.broker({ network: { hosts: [] }, started: false, ...options });
  await broker.configure('mosquitto.conf', `user root\nallow_anonymous true\nlistener ${port} 127.0.0.1\n`);
  await broker.start();
  return { ...broker, port };
}

const listOf = (...brokers: readonly Broker[]) => ({
  MOSQUITTO_CONTAINER: brokers.map(({ name }) => name).join(','),
});

async function eventOf(broker: Broker, action: string): Promise<number> {
  return (await broker.events.next(action)).atMs;
}

describeWith(ENGINE, 'a rotation with two brokers', () => {
  test('loses no message of clients that use both: they are restarted one by one', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const left = await reachable(stage);
    const right = await reachable(stage);
    const daemon = stage.watch(left, listOf(left, right));
    await daemon.says('broker_already_current', { skip: 1 });
    const messages = await startRedundantMessages([left.port, right.port]);
    await stage.certs.install(await makeSet());
    await daemon.says('restart_completed', { skip: 1 });
    await nothingFollows();
    const { sent, lost, missed } = await messages.stop();
    expect([left.restarts(), right.restarts()]).toEqual([1, 1]);
    expect(await eventOf(right, 'kill')).toBeGreaterThan(await eventOf(left, 'restart'));
    expect(sent).toBeGreaterThan(100);
    // each of them was away for a while, never both
    expect(missed.every((count) => count > 0)).toBe(true);
    expect(lost).toEqual([]);
  });

  test('stops at one that does not come back, and goes on when it is repaired', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const left = await reachable(stage);
    const right = await reachable(stage);
    const daemon = stage.watch(left, listOf(left, right));
    await daemon.says('broker_already_current', { skip: 1 });
    await left.listens();
    await left.configure('mosquitto.conf', 'no such option\n');
    await stage.certs.install(await makeSet());
    const { details } = await daemon.says('roll_stopped');
    expect(details).toMatchObject({ container: left.name, done: [], not_done: [right.name] });
    await nothingFollows();
    expect([left.restarts(), right.restarts()]).toEqual([1, 0]);
    await left.configure(
      'mosquitto.conf',
      `user root\nallow_anonymous true\nlistener ${left.port} 127.0.0.1\n`,
    );
    await left.start();
    await daemon.says('restart_completed', { withinMs: 30_000 });
    await nothingFollows();
    expect([left.restarts(), right.restarts()]).toEqual([1, 1]);
  });

  test('goes on with the second after the watcher was killed between the two', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const [left, right] = [await reachable(stage), await reachable(stage)];
    const settings = { ...listOf(left, right), STATE_FILE: `${stage.directory}/state.json` };
    const daemon = stage.watch(left, settings);
    await daemon.says('broker_already_current', { skip: 1 });
    await stage.certs.install(await makeSet());
    await until('the first restart', () => left.restarts() === 1);
    await daemon.kill();
    const successor = stage.watch(left, settings);
    await until('the second restart', () => right.restarts() === 1);
    await successor.says('restart_completed');
    await nothingFollows();
    expect([left.restarts(), right.restarts()]).toEqual([1, 1]);
  });
});

describeWith(ENGINE, 'brokers with a label', () => {
  test('are found, also those that come later, and rotated one by one', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const label = `cert-watcher-e2e=${process.pid}-${Date.now()}`;
    const first = await reachable(stage, { labels: [label] });
    const stranger = await reachable(stage);
    const daemon = stage.watch(first, { MOSQUITTO_CONTAINER: '', MOSQUITTO_LABEL: label });
    await daemon.says('broker_already_current');
    const second = await reachable(stage, { labels: [label] });
    await stage.certs.install(await makeSet());
    await daemon.says('restart_completed', { skip: 1 });
    await nothingFollows();
    expect([first.restarts(), second.restarts(), stranger.restarts()]).toEqual([1, 1, 0]);
  });

  test('that are not there yet are waited for', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const label = `cert-watcher-e2e=${process.pid}-${Date.now()}-late`;
    const elsewhere = await reachable(stage);
    const daemon = stage.watch(elsewhere, { MOSQUITTO_CONTAINER: '', MOSQUITTO_LABEL: label });
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'container_missing', error: expect.stringContaining(label) });
    const late = await reachable(stage, { labels: [label] });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await daemon.says('restart_completed');
    expect([late.restarts(), elsewhere.restarts()]).toEqual([1, 0]);
  });
});
