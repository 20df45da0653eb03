/** The container that is meant, and no other: names that look like ids, containers created again, aliases of links. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as v from 'valibot';
import { expect } from 'vitest';
import { createDockerd, type OwnEngine } from '../support/dockerd.ts';
import { all, describeWith, ENGINE, program, ROOT } from '../support/needs.ts';
import { type Broker, makeSet, nothingFollows, type Stage, settled, test } from '../support/stage.ts';

async function idOf({ engine, name }: Broker): Promise<string> {
  const text = await engine.ask('GET', `/containers/${name}/json`);
  return v.parse(v.object({ Id: v.string() }), JSON.parse(text)).Id;
}

/** A broker of somebody else, and one that is called as the other's id begins. */
async function namesakes(stage: Stage) {
  await stage.certs.install(await makeSet());
  const other = await stage.broker();
  const broker = await stage.broker({ name: (await idOf(other)).slice(0, 4) });
  return { other, broker };
}

describeWith(ENGINE, 'a broker whose name is the beginning of the id of another container', () => {
  test('is missing while it is created again, and the other one is left alone', async ({ stage }) => {
    const { other, broker } = await namesakes(stage);
    const daemon = stage.watch(broker);
    await daemon.says('broker_already_current');
    const before = await other.inspect();
    await broker.remove();
    await stage.certs.install(await makeSet());
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ container: broker.name, cause: 'container_missing' });
    await nothingFollows();
    expect(await other.inspect()).toEqual(before);
    expect(other.restarts()).toBe(0);
    await broker.create();
    await broker.start();
    await daemon.says('broker_already_current', { skip: 1 });
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect([broker.restarts(), other.restarts()]).toEqual([1, 0]);
  });
});

describeWith(ENGINE, 'a broker given by its id', () => {
  test('is restarted, by 12 digits of it', async ({ stage }) => {
    await stage.certs.install(await makeSet());
    const broker = await stage.broker();
    const daemon = stage.watch(broker, { MOSQUITTO_CONTAINER: (await idOf(broker)).slice(0, 12) });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});

describeWith(
  all(ENGINE, ROOT, program('dockerd')),
  'a broker with a label that another container links to',
  () => {
    test('is known by its own name, and not by the alias', async ({ stage }) => {
      const { api: engine, ...own } = await engineWithBridge(stage);
      await own.start();
      await stage.certs.install(await makeSet());
      const labels = ['role=linked'];
      const broker = await stage.broker({ engine, labels, name: 'z-broker', network: { mode: 'bridge' } });
      const link = { mode: 'bridge', links: [`${broker.name}:alias`] };
      const other = await stage.broker({ engine, name: 'a-client', network: link });
      const filters = encodeURIComponent(JSON.stringify({ label: labels }));
      const listed = await engine.ask('GET', `/containers/json?filters=${filters}`);
      expect(v.parse(v.array(v.object({ Names: v.array(v.string()) })), JSON.parse(listed))).toEqual([
        { Names: ['/a-client/alias', '/z-broker'] },
      ]);
      const daemon = stage.watch(broker, { MOSQUITTO_CONTAINER: '', MOSQUITTO_LABEL: 'role=linked' });
      const { details } = await daemon.says('broker_already_current');
      expect(details['container']).toBe(broker.name);
      await stage.certs.install(await makeSet());
      await settled(daemon);
      expect([broker.restarts(), other.restarts()]).toEqual([1, 0]);
    });
  },
);

/** An engine that knows links, which only containers on its own bridge have. */
async function engineWithBridge(stage: Stage): Promise<OwnEngine> {
  const bridge = `cwe2e${process.pid}`.slice(0, 15);
  const ip = (...args: string[]) => spawnSync('ip', args, { stdio: 'ignore' });
  ip('link', 'add', 'name', bridge, 'type', 'bridge');
  stage.onEnd(() => ip('link', 'del', bridge));
  ip('address', 'add', '10.213.77.1/24', 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  const own = await createDockerd(join(stage.directory, 'engine'), { bridge });
  stage.onEnd(own.end);
  return own;
}
