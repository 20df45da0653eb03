import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { createFakeClock } from '../../../lab/fake-clock.ts';
import { worldIn } from '../../../lab/situations.ts';
import type { Settings } from '../../../src/core/model/settings.ts';
import type { Fact, Publication } from '../../../src/core/status/cycle.ts';
import { startStatusTopic } from '../../../src/surfaces/mqtt/status-topic.ts';

const TOPIC = 'cert-watcher/edge-1';
const HOUR_MS = 3_600_000;
const WELL = lastCycle('well');
const REJECTED = lastCycle('rejected');

async function lastCycle(name: string): Promise<Publication> {
  const { publications } = await worldIn(name);
  const found = publications.findLast(({ cycle }) => cycle !== undefined);
  if (found === undefined) throw new Error(`no cycle in ${name}`);
  return found;
}

function watcher(settings: Partial<Settings> = {}) {
  // a moment after noon, at which the days that are left are counted down
  const clock = createFakeClock({ start: fix.at(1_000) });
  const put: { readonly topic: string; readonly payload: string; readonly atMs: number }[] = [];
  const expected: number[] = [];
  const topic = startStatusTopic({
    settings: fix.settings({ statusTopic: TOPIC, ...settings }),
    statusTopic: TOPIC,
    version: '1.2.3',
    time: clock,
    put: (message) => put.push({ ...message, atMs: clock.elapsedMs() }),
    expectReturn: (ms) => expected.push(ms),
  });
  onTestFinished(topic.close);
  const show = async (publication: Promise<Publication>, fact?: Fact) => {
    const { cycle, ...rest } = await publication;
    if (cycle === undefined) throw new Error('no cycle');
    const situation = { ...cycle.decision.situation, now: clock.now() };
    topic.show({
      ...rest,
      cycle: { ...cycle, decision: { ...cycle.decision, situation } },
      ...(fact && { fact }),
    });
    await setImmediate();
  };
  /** Lets time pass in which the loop goes on. */
  const goOn = async (ms: number, publication: Promise<Publication>) => {
    for (let left = ms; left > 0; left -= 20_000) {
      await clock.advance(Math.min(left, 20_000));
      await show(publication);
    }
  };
  const states = () =>
    put
      .filter(({ topic: at }) => at === `${TOPIC}/state`)
      .map(({ payload, atMs }) => ({ ...(JSON.parse(payload) as Record<string, unknown>), atMs }));
  return { clock, put, expected, show, goOn, states, topic };
}

describe('the state at STATUS_TOPIC', () => {
  it('is published after the first cycle, and not before', async () => {
    const { put, show, states } = watcher();
    expect(put).toEqual([]);
    await show(WELL);
    expect(states()).toMatchObject([{ status: 'ok', schema_version: 1, atMs: 0 }]);
  });

  it('is published at a change, at once, and again only after an hour', async () => {
    const { show, goOn, states } = watcher();
    await show(WELL);
    await goOn(1_800_000, WELL);
    await show(REJECTED);
    await goOn(HOUR_MS - 20_000, REJECTED);
    expect(states()).toMatchObject([{ status: 'ok' }, { status: 'critical', atMs: 1_800_000 }]);
    await goOn(20_000, REJECTED);
    expect(states()).toMatchObject([{}, {}, { status: 'critical', atMs: 1_800_000 + HOUR_MS }]);
  });

  it('makes 24 messages on a quiet day', async () => {
    const { show, goOn, states } = watcher();
    await show(WELL);
    await goOn(24 * HOUR_MS - 20_000, WELL);
    expect(states()).toHaveLength(24);
  });

  it('says that the loop is stuck, although the loop says nothing any more', async () => {
    const { clock, show, states } = watcher();
    await show(WELL);
    await clock.advance(120_000);
    expect(states()).toMatchObject([{ alive: true }, { alive: false, status: 'critical' }]);
    await clock.advance(HOUR_MS);
    expect(states().length).toBe(3);
  });

  it('expects the broker to go and to come back with a restart, and with nothing else', async () => {
    const { show, expected } = watcher();
    await show(WELL);
    expect(expected).toEqual([]);
    await show(WELL, { kind: 'restart_asked' });
    await show(WELL, {
      kind: 'reload_ended',
      container: 'eclipse-mosquitto',
      proven: true,
    });
    expect(expected).toEqual([600_000, 30_000]);
    await show(WELL, { kind: 'restart_asked' });
    await show(WELL, { kind: 'restart_dropped' });
    expect(expected.slice(2)).toEqual([600_000, 0]);
  });
});

const DISCOVERY = 'homeassistant/device/cert-watcher_edge-1/config';
const ANNOUNCED = `${TOPIC}/homeassistant`;

describe('what Home Assistant is told', () => {
  it('is noted before it is told, so that it can be taken back', () => {
    const { put } = watcher({ homeassistantPrefix: 'homeassistant' });
    expect(put.map(({ topic }) => topic)).toEqual([ANNOUNCED, DISCOVERY]);
    expect(put[0]?.payload).toBe(DISCOVERY);
  });

  it('is taken back once the option is gone', () => {
    const { put, topic } = watcher();
    topic.heardAnnounced(DISCOVERY);
    expect(put).toMatchObject([
      { topic: DISCOVERY, payload: '' },
      { topic: ANNOUNCED, payload: '' },
    ]);
  });

  it('moves with the prefix', () => {
    const { put, topic } = watcher({ homeassistantPrefix: 'home/assistant' });
    topic.heardAnnounced(DISCOVERY);
    expect(put.slice(2)).toMatchObject([
      { topic: DISCOVERY, payload: '' },
      { topic: ANNOUNCED, payload: 'home/assistant/device/cert-watcher_edge-1/config' },
    ]);
  });

  it('stays as long as the option does', () => {
    const { put, topic } = watcher({ homeassistantPrefix: 'homeassistant' });
    topic.heardAnnounced(DISCOVERY);
    expect(put).toHaveLength(2);
  });

  it.each([
    'sensors/boiler',
    'homeassistant/device/another/config',
    '/device/cert-watcher_edge-1/config/more',
    '+/device/cert-watcher_edge-1/config',
    '/device/cert-watcher_edge-1/config',
  ])('makes nobody remove what is retained at %s', (stranger) => {
    const { put, topic } = watcher();
    topic.heardAnnounced(stranger);
    expect(put).toMatchObject([{ topic: ANNOUNCED, payload: '' }]);
  });
});
