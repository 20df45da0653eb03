/** Signals that make bridges of several sets (MOSQUITTO_CONF) connect again, on the real engine and broker. */

import { expect } from 'vitest';
import { quietly } from '../../lab/until.ts';
import { all, describeWith, ENGINE, MOSQUITTO_2_1 } from '../support/needs.ts';
import { SIGNAL_VERIFY_MS, signalled } from '../support/several-sets.ts';
import { nothingFollows, type Stage, test } from '../support/stage.ts';

describeWith(all(ENGINE, MOSQUITTO_2_1), 'a signal for a bridge with bridge_reload_type immediate', () => {
  const IMMEDIATE = ['bridge_reload_type immediate', 'remote_clientid gateway-7'];

  /** Both bridges have been steady for as long as a proof may take. */
  async function steady(stage: Stage, ofPlant = IMMEDIATE) {
    const at = await signalled(stage, ofPlant);
    await at.daemon.says('bridge_connected', { skip: 1 });
    await quietly(SIGNAL_VERIFY_MS + 1_500, 'what the bridges have done by themselves no longer counts');
    return at;
  }

  test('is enough, proved by this bridge, which the upstream sees with the new certificate', async ({
    stage,
  }) => {
    const { daemon, broker, renew, connected, signals } = await steady(stage);
    const plant = await renew('plant');
    const { details } = await daemon.says('reload_completed', { withinMs: 40_000 });
    expect(details['proof']).toBe('bridge');
    await connected('plant', plant);
    await nothingFollows();
    expect([broker.restarts(), signals()]).toEqual([0, 1]);
  });

  test('is enough together with a listener, where both prove it', async ({ stage }) => {
    const { daemon, broker, renew, connected, presented, signals } = await steady(stage);
    const [plant, extra] = [await renew('plant'), await renew('extra')];
    const { details } = await daemon.says('reload_completed', { withinMs: 40_000 });
    expect(details['proof']).toBe('both');
    await connected('plant', plant);
    expect(await presented('extra')).toBe(extra);
    await nothingFollows();
    expect([broker.restarts(), signals()]).toEqual([0, 1]);
  });

  test('is known by the name of its connection where it has no remote_clientid', async ({ stage }) => {
    const { daemon, broker, renew, signals } = await steady(stage, ['bridge_reload_type immediate']);
    await renew('plant');
    expect((await daemon.says('reload_completed', { withinMs: 40_000 })).details['proof']).toBe('bridge');
    await nothingFollows();
    expect([broker.restarts(), signals()]).toEqual([0, 1]);
  });

  test('is not tried where the other bridge has changed too', async ({ stage }) => {
    const { daemon, broker, renew, signals } = await steady(stage);
    await Promise.all([renew('plant'), renew('cloud')]);
    const { details } = await daemon.says('mosquitto_restart_triggered');
    expect(details['no_signal']).toBe('bridge cloud has changed, which a signal does not move');
    await daemon.says('restart_completed');
    await nothingFollows();
    expect([broker.restarts(), signals()]).toEqual([1, 0]);
  });
});
