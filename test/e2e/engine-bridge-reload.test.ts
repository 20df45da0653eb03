/** RELOAD_STRATEGY=sighup on a Mosquitto that reloads bridges: 2.1, which only the second world is sure to have. */

import { expect } from 'vitest';
import { all, describeWith, ENGINE, MOSQUITTO_2_1 } from '../support/needs.ts';
import { bridged, setOf } from '../support/signalled.ts';
import { nothingFollows, test } from '../support/stage.ts';

describeWith(all(ENGINE, MOSQUITTO_2_1), 'a reload by signal of a Mosquitto that reloads bridges', () => {
  test('moves the bridge, which proves it by its fall and rise: no restart', async ({ stage }) => {
    // it connects again after its back-off, which takes some seconds
    const { broker, daemon } = await bridged(stage, ['bridge_reload_type immediate'], 20_000);
    await stage.certs.install(await setOf());
    const { details } = await daemon.says('reload_completed', { withinMs: 30_000 });
    expect(details).toMatchObject({ proof: 'bridge' });
    await nothingFollows();
    expect([broker.restarts(), broker.events.count('kill')]).toEqual([0, 1]);
  });
});
