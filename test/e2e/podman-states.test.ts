/** A broker in Podman that is not simply running: who restarts it, and when. */

import { join } from 'node:path';
import { expect } from 'vitest';
import { until } from '../../lab/until.ts';
import { all, BROKER, describeWith, program, ROOT } from '../support/needs.ts';
import { startPodman, watchedInPodman } from '../support/podman.ts';
import { makeSet, nothingFollows, settled, test } from '../support/stage.ts';

describeWith(all(ROOT, program('podman'), BROKER), "podman's broker", () => {
  test('that is paused is left alone, and restarted when it goes on', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedInPodman(stage);
    await broker.pause();
    await rotate();
    await daemon.says('broker_paused');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
    await broker.unpause();
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });

  test('that was stopped under an init is left alone', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedInPodman(stage, { underInit: true });
    await broker.stop();
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    await nothingFollows();
    expect([details['exit_code'], broker.restarts()]).toEqual([143, 0]);
  });

  test('that its runtime has made and nobody has started is left alone', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedInPodman(stage);
    await broker.stop();
    await broker.engine.ask('POST', `/v4.0.0/libpod/containers/${broker.name}/init`);
    await rotate();
    const { details } = await daemon.says('broker_not_running');
    await nothingFollows();
    expect(details).toMatchObject({ status: 'created' });
    expect(broker.restarts()).toBe(0);
  });

  test('that was stopped under a restart policy, and had to be killed, is left alone', async ({ stage }) => {
    const deaf = { stopSignal: 'SIGWINCH', restartPolicy: 'always' } as const;
    const { broker, daemon, rotate } = await watchedInPodman(stage, deaf);
    await broker.engine.ask('POST', `/containers/${broker.name}/stop?t=0`);
    await until('it to be stopped', async () => !(await broker.inspect()).running);
    await rotate();
    await daemon.says('broker_not_running');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('gets the time of its health check', async ({ stage }) => {
    const podman = await startPodman(join(stage.directory, 'podman'));
    stage.onEnd(podman.end);
    await stage.certs.install(await makeSet());
    const broker = await stage.broker({
      engine: podman.api,
      // podman starts a program for it, which takes seconds where the machine is busy
      healthCheck: { Test: ['CMD-SHELL', 'test -e /config/healthy'], Interval: 3e9, Timeout: 30e9 },
    });
    await broker.configure('healthy', '');
    const daemon = stage.watch(broker, { RESTART_VERIFY_TIMEOUT: '1s' });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet());
    await daemon.says('broker_starting');
    // without systemd nobody else runs it
    await broker.engine.ask('GET', `/v4.0.0/libpod/containers/${broker.name}/healthcheck`);
    await settled(daemon);
    expect(broker.restarts()).toBe(1);
  });
});
