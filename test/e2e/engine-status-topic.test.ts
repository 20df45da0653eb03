/** The state over MQTT through a restart that the watcher makes itself, up a real bridge, to who reads the fleet. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'mqtt';
import { expect } from 'vitest';
import { closedPort } from '../../lab/tls-servers.ts';
import { until } from '../../lab/until.ts';
import { authority, setOf, upstream } from '../support/demanding-upstream.ts';
import { fleetJson } from '../support/fleet-command.ts';
import { MEASURED } from '../support/measured.ts';
import { describeWith, ENGINE } from '../support/needs.ts';
import { bridgeTo } from '../support/signalled.ts';
import { test } from '../support/stage.ts';

const TOPIC = 'cert-watcher/edge-1';

describeWith(ENGINE, 'the state over MQTT', () => {
  test(
    'is there within a second of the broker being back from a restart, and goes up the bridge',
    MEASURED,
    async ({ stage }) => {
      const cloud = await upstream(stage);
      await stage.certs.install(await setOf(authority));
      const port = await closedPort();
      const broker = await stage.broker({ network: { hosts: [] }, started: false });
      const listener = ['user root', 'allow_anonymous true', `listener ${port} 127.0.0.1`];
      await broker.configure('mosquitto.conf', `${[...listener, ...bridgeTo(cloud.port)].join('\n')}\n`);
      await broker.start();
      const daemon = stage.watch(broker, {
        BROKER_URL: `mqtt://127.0.0.1:${port}`,
        STATUS_TOPIC: TOPIC,
        ENABLE_TLS_PROBE: 'true',
        UPSTREAM_ADDR: `127.0.0.1:${cloud.port}`,
      });
      await daemon.says('bridge_connected');

      // somebody else who is there as soon as the broker is
      let backMs = Number.NaN;
      let stateMs = Number.NaN;
      const witness = connect({
        protocol: 'mqtt',
        host: '127.0.0.1',
        port,
        reconnectPeriod: 20,
        connectTimeout: 500,
      });
      stage.onEnd(() => witness.endAsync(true));
      witness.on('error', () => undefined);
      witness.on('connect', () => {
        backMs = performance.now();
        stateMs = Number.NaN;
        witness.subscribe(`${TOPIC}/state`);
      });
      witness.on('message', (_topic, payload) => {
        if (Number.isNaN(stateMs) && payload.length > 0) stateMs = performance.now();
      });
      await until('the state before', () => !Number.isNaN(stateMs));

      await stage.certs.install(await setOf(authority));
      await daemon.says('restart_completed');
      await until('the state after', () => !Number.isNaN(stateMs));
      expect(stateMs - backMs).toBeLessThan(1_000);

      const operator = await authority.issue({ cn: 'operator' });
      const file = async (name: string, text: string) => {
        await writeFile(join(stage.directory, name), text);
        return join(stage.directory, name);
      };
      const flags = [
        ...['--url', `mqtts://127.0.0.1:${cloud.port}`, '--ca-file', await file('ca', authority.certPem)],
        ...[
          '--cert-file',
          await file('cert', operator.chainPem),
          '--key-file',
          await file('key', operator.keyPem),
        ],
      ];
      await daemon.says('bridge_connected', { skip: 1 });
      const gateway = await until('the gateway to be well again, as seen from above', async () => {
        const { document } = await fleetJson(...flags);
        const [only] = document.gateways;
        return only?.status === 'ok' && only.rotation_pending === false && only.bridges_up === true && only;
      });
      expect(gateway).toMatchObject({ topic: TOPIC, online: true, upstream_ok: true });
      expect(broker.restarts()).toBe(1);
    },
  );
});
