/** The same calls answered by Podman; restarts are counted by its own events. */

import { join } from 'node:path';
import { expect } from 'vitest';
import type { CertificateOptions } from '../../lab/certificates.ts';
import { closedPort } from '../../lab/tls-servers.ts';
import { all, BROKER, describeWith, program, ROOT } from '../support/needs.ts';
import { startPodman, watchedInPodman } from '../support/podman.ts';
import { makeSet, nothingFollows, SHORT, settled, test } from '../support/stage.ts';

/** No bridge can use these: a listener that presents them proves that the signal was enough. */
const LISTENER: CertificateOptions = { sans: ['127.0.0.1'], key: 'rsa-2048', usages: ['server'] };

describeWith(all(ROOT, program('podman'), BROKER), 'podman', () => {
  test('hears of a rotation once', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedInPodman(stage);
    const before = await broker.inspect();
    await rotate();
    await settled(daemon);
    const after = await broker.inspect();
    expect({ ...after, isNew: after.startedAt !== before.startedAt }).toMatchObject({
      running: true,
      isNew: true,
    });
    expect(broker.restarts()).toBe(1);
  });

  test('gives a broker that is deaf to its stop signal the time of RESTART_STOP_TIMEOUT', async ({
    stage,
  }) => {
    const deaf = { stopSignal: 'SIGWINCH' };
    const { broker, daemon, rotate } = await watchedInPodman(stage, deaf, { RESTART_STOP_TIMEOUT: '2s' });
    await rotate();
    await settled(daemon);
    const triggered = daemon.lines.find(({ event }) => event === 'mosquitto_restart_triggered');
    const died = await broker.events.next('die');
    const graceMs = died.atMs - Date.parse(triggered?.timestamp ?? '');
    expect(graceMs).toBeGreaterThan(1_900);
    expect(graceMs).toBeLessThan(5_000);
  });

  test('leaves a broker alone that the operator has stopped', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedInPodman(stage);
    await broker.stop();
    await rotate();
    await daemon.says('broker_not_running');
    await nothingFollows();
    expect(await broker.inspect()).toMatchObject({ running: false });
    expect(broker.restarts()).toBe(0);
  });

  test('restarts two brokers with a label one by one', async ({ stage }) => {
    const label = 'role=edge';
    const settings = { MOSQUITTO_CONTAINER: '', MOSQUITTO_LABEL: label };
    const { broker, daemon, rotate } = await watchedInPodman(stage, { labels: [label] }, settings);
    const other = await stage.broker({ engine: broker.engine, labels: [label] });
    await rotate();
    await settled(daemon, 2);
    expect([broker.restarts(), other.restarts()]).toEqual([1, 1]);
  });

  test('signals a broker whose listener has the certificate, and restarts nothing', async ({ stage }) => {
    const port = await closedPort();
    const podman = await startPodman(join(stage.directory, 'podman'));
    stage.onEnd(podman.end);
    await stage.certs.install(await makeSet(LISTENER));
    const broker = await stage.broker({ engine: podman.api, network: { hosts: [] }, started: false });
    const listener = ['certfile /certs/client.crt', 'keyfile /certs/client.key'];
    const lines = ['user root', 'allow_anonymous true', `listener ${port} 127.0.0.1`, ...listener];
    await broker.configure('mosquitto.conf', `${lines.join('\n')}\n`);
    await broker.start();
    const daemon = stage.watch(broker, {
      RELOAD_STRATEGY: 'sighup',
      BROKER_URL: `mqtts://127.0.0.1:${port}`,
    });
    await daemon.says('broker_already_current');
    await stage.certs.install(await makeSet(LISTENER));
    await daemon.says('reload_completed');
    await nothingFollows();
    expect(broker.restarts()).toBe(0);
  });

  test('is no swarm: a service is refused with the cause', async ({ stage }) => {
    const podman = await startPodman(join(stage.directory, 'podman'));
    stage.onEnd(podman.end);
    await stage.certs.install(await makeSet());
    const daemon = stage.daemon({
      ...SHORT,
      CERT_DIR: stage.certs.path,
      DOCKER_SOCK: podman.api.socketPath,
      MOSQUITTO_SERVICE: 'mqtt',
    });
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'not_a_manager' });
  });

  test('without the container says so', async ({ stage }) => {
    const { broker, daemon, rotate } = await watchedInPodman(stage);
    await broker.remove();
    await rotate();
    const { details } = await daemon.says('restart_failed');
    expect(details).toMatchObject({ cause: 'container_missing' });
  });
});
