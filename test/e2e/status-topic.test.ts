/** What a watcher publishes at a real Mosquitto: its state, whether it is there, and a device for Home Assistant. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'mqtt';
import { expect } from 'vitest';
import { startMosquittoWith } from '../../lab/real-servers.ts';
import { until } from '../../lab/until.ts';
import { fleetJson } from '../support/fleet-command.ts';
import { MEASURED } from '../support/measured.ts';
import { describeWith, program } from '../support/needs.ts';
import { makeSet, SHORT, type Stage, test } from '../support/stage.ts';

const TOPIC = 'cert-watcher/edge-1';
const DISCOVERY = 'homeassistant/device/cert-watcher_edge-1/config';

interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly atMs: number;
  readonly qos: number;
}

/** A broker, and somebody who hears everything that is published there. */
async function room(stage: Stage, lines: readonly string[] = ['allow_anonymous true']) {
  const server = await startMosquittoWith(lines);
  stage.onEnd(server.close);
  const client = connect({ protocol: 'mqtt', host: '127.0.0.1', port: server.port });
  stage.onEnd(() => client.endAsync(true));
  const heard: Heard[] = [];
  client.on('message', (topic, payload, { qos }) =>
    heard.push({ topic, payload: payload.toString(), atMs: performance.now(), qos }),
  );
  await client.subscribeAsync('#', { qos: 1 });
  const hears = (topic: string, is: (payload: string) => boolean) =>
    until(`a message at ${topic}`, () => heard.find((each) => each.topic === topic && is(each.payload)), {
      otherwise: () => JSON.stringify(heard),
    });
  const settings = {
    ...SHORT,
    CERT_DIR: stage.certs.path,
    DOCKER_SOCK: join(stage.directory, 'no-engine'),
    BROKER_URL: `mqtt://127.0.0.1:${server.port}`,
    STATUS_TOPIC: TOPIC,
  };
  return { ...server, client, heard, hears, settings };
}

describeWith(program('mosquitto'), 'a watcher with STATUS_TOPIC', () => {
  test(
    'publishes state and availability at QoS 1, retained, no more often than once a second',
    MEASURED,
    async ({ stage }) => {
      const { settings, heard, hears, port } = await room(stage);
      await stage.certs.install(await makeSet());
      const daemon = stage.daemon(settings);
      await hears(`${TOPIC}/availability`, (payload) => payload === 'online');
      await daemon.says('restart_failed');
      await hears(`${TOPIC}/state`, (payload) =>
        JSON.parse(payload).findings[0]?.cause.startsWith('restart_failed'),
      );
      const states = heard.filter(({ topic }) => topic === `${TOPIC}/state`);
      const gaps = states.slice(1).map(({ atMs }, index) => atMs - (states[index]?.atMs ?? 0));
      // sent a second apart; on the way they may come a little closer together
      expect(Math.min(...gaps, 1_000)).toBeGreaterThan(850);
      expect(states.map(({ qos }) => qos)).toEqual(states.map(() => 1));
      const { document } = await fleetJson('--url', `mqtt://127.0.0.1:${port}`);
      expect(document).toMatchObject({ gateways: [{ topic: TOPIC, online: true, cause: 'restart_failed' }] });
    },
  );

  test('says offline when it stops, and its last will says so when it is killed', async ({ stage }) => {
    const { settings, heard, hears, port } = await room(stage);
    const stopped = stage.daemon(settings);
    await hears(`${TOPIC}/availability`, (payload) => payload === 'online');
    stopped.signal('SIGTERM');
    await stopped.ended;
    await hears(`${TOPIC}/availability`, (payload) => payload === 'offline');
    heard.length = 0;
    const killed = stage.daemon(settings);
    await hears(`${TOPIC}/availability`, (payload) => payload === 'online');
    await killed.kill();
    await hears(`${TOPIC}/availability`, (payload) => payload === 'offline');
    const { code, document } = await fleetJson('--url', `mqtt://127.0.0.1:${port}`);
    expect({ code, document }).toMatchObject({ code: 2, document: { gateways: [{ cause: 'offline' }] } });
  });

  test('says again that it is online where something else says that it is not', async ({ stage }) => {
    const { settings, heard, hears, client } = await room(stage);
    stage.daemon(settings);
    await hears(`${TOPIC}/availability`, (payload) => payload === 'online');
    await hears(`${TOPIC}/state`, () => true);
    heard.length = 0;
    await client.publishAsync(`${TOPIC}/availability`, 'offline', { qos: 1, retain: true });
    await hears(`${TOPIC}/availability`, (payload) => payload === 'online');
  });

  test('tells Home Assistant of a device, and takes it back when the option is gone', async ({ stage }) => {
    const { settings, heard, hears } = await room(stage);
    const told = stage.daemon({ ...settings, HOMEASSISTANT_PREFIX: 'homeassistant' });
    const { payload } = await hears(DISCOVERY, (text) => text !== '');
    expect(JSON.parse(payload)).toMatchObject({ state_topic: `${TOPIC}/state` });
    told.signal('SIGTERM');
    await told.ended;
    heard.length = 0;
    stage.daemon(settings);
    await hears(DISCOVERY, (text) => text === '');
    await hears(`${TOPIC}/homeassistant`, (text) => text === '');
  });

  test('says so where the broker does not let it publish', async ({ stage }) => {
    const acl = join(stage.directory, 'acl');
    await writeFile(acl, 'topic read $SYS/#\n', { mode: 0o644 });
    const { settings } = await room(stage, ['allow_anonymous true', `acl_file ${acl}`]);
    const daemon = stage.daemon(settings);
    const { details } = await daemon.says('watch_degraded', { withinMs: 30_000 });
    expect(details).toMatchObject({
      part: 'status_topic',
      message: expect.stringContaining(`${TOPIC}/availability`),
      hint: expect.stringContaining(`topic readwrite ${TOPIC}/#`),
    });
  });
});
