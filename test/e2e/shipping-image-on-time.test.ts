/** The image as it is shipped, by the clock: how fast it ends, and that nobody delays a rotation. */

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { quietly, until } from '../../lab/until.ts';
import {
  everySecondAnswerDeep,
  floodHttp,
  startFloodingUpstream,
  startHostileBroker,
} from '../support/attackers.ts';
import {
  authority,
  createSite,
  IMAGE_NEEDS,
  identity,
  makeImage,
  resolvConf,
  rotate,
  textAt,
  UPSTREAM,
} from '../support/image-site.ts';
import { describeMeasured } from '../support/measured.ts';
import { startNameServer } from '../support/name-server.ts';
import { type Stage, test } from '../support/stage.ts';
import type { WatcherContainer } from '../support/watcher-container.ts';

describeMeasured(
  IMAGE_NEEDS,
  'the image in the 128 MB of docker-compose.yml, attacked from every side at once',
  () => {
    beforeAll(makeImage);

    test('makes a rotation on time, writes little, and is well afterwards', async ({ stage }) => {
      const site = await createSite(stage);
      const settings = {
        BROKER_URL: `mqtt://127.0.0.1:${await startHostileBroker(stage)}`,
        UPSTREAM_ADDR: `${UPSTREAM}:${await startFloodingUpstream(stage, identity, authority.certPem)}`,
        TLS_PROBE_INTERVAL: '1s',
      };
      const watcher = await site.start({ settings });
      await watcher.says('broker_already_current');
      const { startedAt } = await watcher.inspect();
      site.engine.setRule(everySecondAnswerDeep());
      floodHttp(stage, site.metricsPort, 8);
      // a writer that leaves a megabyte of nothing before it writes the set
      await writeFile(
        join(stage.certs.path, 'client.crt'),
        Buffer.alloc(2 ** 20, '-----BEGIN CERTIFICATE-----\n'),
      );
      await quietly(3_000, 'the attack has to have its effect');
      await rotate(stage);
      const writtenAt = performance.now();
      await watcher.says('mosquitto_restart_triggered');
      expect(performance.now() - writtenAt).toBeLessThan(5_000);
      await watcher.says('restart_completed');
      expect(site.broker.restarts()).toBe(1);
      expect((await watcher.inspect()).startedAt).toBe(startedAt);
      expect(await textAt(site.metricsPort, '/healthz')).toMatch(/^ok/);
      expect((await watcher.log()).length).toBeLessThan(300);
    });
  },
);

describeMeasured(IMAGE_NEEDS, 'the image as PID 1', () => {
  beforeAll(makeImage);

  test('ends within a second after SIGTERM, with exit code 0', async ({ stage }) => {
    const watcher = await (await createSite(stage)).start();
    await watcher.says('tls_probe_success');
    expect(await endOf(watcher, stage)).toEqual({ exitCode: 0, isPrompt: true, last: 'stopped' });
  });

  test('ends as fast while a name server keeps it waiting', async ({ stage }) => {
    const nameServer = await startNameServer();
    stage.onEnd(nameServer.close);
    const watcher = await (await createSite(stage)).start({
      hosts: [],
      mounts: { '/etc/resolv.conf': await resolvConf(stage, nameServer.address) },
    });
    await nameServer.asked;
    expect(await endOf(watcher, stage)).toEqual({ exitCode: 0, isPrompt: true, last: 'stopped' });
  });
});

/**
 * How PID 1 of the container ends after SIGTERM. The signal comes from here, because what an engine does before it sends
 * one and after the end takes most of a second on a busy machine.
 */
async function endOf(watcher: WatcherContainer, { engine }: Stage) {
  const pid = await watcher.pid();
  await engine.ask('POST', `/containers/${watcher.name}/update`, { RestartPolicy: { Name: 'no' } });
  const toldMs = performance.now();
  process.kill(pid, 'SIGTERM');
  await until('the process to end', () => hasEnded(pid), { everyMs: 10 });
  const isPrompt = performance.now() - toldMs < 1_000;
  const exitCode = await until('the engine to notice', async () => {
    const seen = await watcher.inspect();
    return seen.running ? undefined : seen.exitCode;
  });
  return { exitCode, isPrompt, last: (await watcher.log()).at(-1)?.event };
}

/** A zombie has ended too. */
function hasEnded(pid: number): boolean {
  try {
    return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}
