import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { createFakeClock } from '../../../lab/fake-clock.ts';
import { worldIn } from '../../../lab/situations.ts';
import type { Delivery, Payload } from '../../../src/core/model/delivery.ts';
import type { Settings } from '../../../src/core/model/settings.ts';
import type { Announcement } from '../../../src/core/news/events.ts';
import type { Publication } from '../../../src/core/status/cycle.ts';
import { TOLD_NOTHING, type Told } from '../../../src/core/status/notification.ts';
import { MOST_WAITING } from '../../../src/surfaces/notify/courier.ts';
import { startNotifier } from '../../../src/surfaces/notify/notify.ts';

const DELIVERED: Delivery = { ok: true, status: 200, said: 'ok' };
const DOWN: Delivery = { ok: false, cause: 'tcp', error: 'nobody listens', hint: 'start it' };
const REFUSED: Delivery = { ok: false, cause: 'refused', error: 'HTTP 404', hint: 'check it' };
const MINUTE_MS = 60_000;

type Answer = () => Delivery | Promise<Delivery>;

interface Options extends Partial<Settings> {
  readonly answer?: Answer;
  readonly beating?: boolean;
  /** what a predecessor has delivered */
  readonly told?: Told;
}

/** A predecessor has reported that the upstream refuses the certificate. */
const TOLD_OF_REJECTION: Told = {
  level: 'critical',
  cause: 'client_cert_rejected',
  about: 'upstream',
  sentence: 'the upstream refuses the client certificate',
  sinceMs: 0,
  causes: ['client_cert_rejected'],
};

/** Cycles of a loop whose assessment is what a test wants, as they are published in these situations. */
const WELL = lastCycle('well');
const REJECTED = lastCycle('rejected');
const EXPIRED = lastCycle('expired');

async function lastCycle(name: string): Promise<Publication> {
  const { publications } = await worldIn(name);
  const found = publications.findLast(({ cycle }) => cycle !== undefined);
  if (found === undefined) throw new Error(`no cycle in ${name}`);
  return found;
}

function notifier({
  answer = () => DELIVERED,
  beating = false,
  told = TOLD_NOTHING,
  ...settings
}: Options = {}) {
  const clock = createFakeClock();
  const sent: { readonly atMs: number; readonly cause: unknown; readonly id: unknown }[] = [];
  const beats: number[] = [];
  const said: Announcement[] = [];
  const kept: Told[] = [];
  let id = 0;
  const receiver = { answer };
  const it = startNotifier({
    settings: fix.settings(settings),
    host: 'edge-1',
    version: '1.2.3',
    time: clock,
    send: async ({ body }: Payload) => {
      const { cause, id: of } = JSON.parse(body) as Record<string, unknown>;
      sent.push({ atMs: clock.elapsedMs(), cause, id: of });
      return receiver.answer();
    },
    beat: beating
      ? async () => {
          beats.push(clock.elapsedMs());
          return receiver.answer();
        }
      : undefined,
    say: (announcement) => said.push(announcement),
    newId: () => {
      id += 1;
      return `id ${id}`;
    },
    told,
    keep: (delivered) => kept.push(delivered),
  });
  onTestFinished(it.close);
  /** Publishes such a cycle, as if it had ended now. */
  const show = async (publication: Promise<Publication>) => {
    const { cycle, ...rest } = await publication;
    if (cycle === undefined) throw new Error('no cycle');
    const situation = { ...cycle.decision.situation, now: clock.now() };
    it.show({ ...rest, cycle: { ...cycle, decision: { ...cycle.decision, situation } } });
    await setImmediate();
  };
  /** Publishes that a probe has succeeded. */
  const probed = () =>
    it.show({
      wallMs: clock.now().wallMs,
      say: [],
      fact: { kind: 'probe_ended', verdict: fix.probeSuccess() },
    });
  /** Lets time pass in which the loop goes on. */
  const goOn = async (ms: number, publication: Promise<Publication>) => {
    for (let left = ms; left > 0; left -= 20_000) {
      await clock.advance(Math.min(left, 20_000));
      await show(publication);
    }
  };
  return { clock, sent, beats, said, kept, receiver, probed, show, goOn, close: it.close };
}

const causes = ({ sent }: ReturnType<typeof notifier>) => sent.map(({ cause }) => cause);

describe('the notifier', () => {
  it('sends what is due once, at once', async () => {
    const world = notifier();
    await world.show(WELL);
    await world.show(REJECTED);
    await world.goOn(10 * MINUTE_MS, REJECTED);
    expect(world.sent).toEqual([{ atMs: 0, cause: 'client_cert_rejected', id: 'id 1' }]);
  });

  it('says that all is well again', async () => {
    const world = notifier();
    await world.show(REJECTED);
    await world.goOn(MINUTE_MS, WELL);
    expect(causes(world)).toEqual(['client_cert_rejected', null]);
  });

  it('tries again with growing pauses, with the same id, until it has arrived', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    await world.clock.advance(16_000);
    world.receiver.answer = () => DELIVERED;
    await world.goOn(30 * MINUTE_MS, REJECTED);
    expect(world.sent.map(({ atMs }) => atMs)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    expect(new Set(world.sent.slice(0, 6).map(({ id }) => id))).toEqual(new Set(['id 1']));
  });

  it('waits five minutes between two attempts at most', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    await world.goOn(60 * MINUTE_MS, REJECTED);
    const times = world.sent.map(({ atMs }) => atMs);
    expect(Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)))).toBe(5 * MINUTE_MS);
  });

  it('delivers what has happened meanwhile in its order', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    await world.show(EXPIRED);
    await world.show(WELL);
    world.receiver.answer = () => DELIVERED;
    await world.goOn(MINUTE_MS, WELL);
    expect(causes(world).slice(1)).toEqual([
      'client_cert_rejected',
      expect.stringMatching(/^cert_expired/),
      null,
    ]);
  });

  it('keeps a bounded number of notifications for a receiver that is down, the newest', async () => {
    const world = notifier({ answer: () => DOWN });
    for (let time = 0; time < 1_000; time++) await world.show(time % 2 === 0 ? REJECTED : WELL);
    world.receiver.answer = () => DELIVERED;
    await world.goOn(2 * MINUTE_MS, WELL);
    const [, ...delivered] = world.sent;
    expect(delivered.map(({ id }) => id)).toEqual(
      Array.from({ length: MOST_WAITING }, (_, index) => `id ${1_000 - MOST_WAITING + 1 + index}`),
    );
  });

  it('sends one a second at most', async () => {
    const world = notifier();
    for (let time = 0; time < 10; time++) await world.show(time % 2 === 0 ? REJECTED : WELL);
    await world.goOn(MINUTE_MS, WELL);
    expect(world.sent.map(({ atMs }) => atMs)).toEqual(
      Array.from({ length: 10 }, (_, index) => index * 1_000),
    );
  });

  it('gives up what is refused ten times, and goes on with the next', async () => {
    const world = notifier({ answer: () => REFUSED });
    await world.show(REJECTED);
    await world.goOn(10 * MINUTE_MS, REJECTED);
    world.receiver.answer = () => DELIVERED;
    await world.goOn(10 * MINUTE_MS, WELL);
    expect(causes(world)).toEqual([...Array.from({ length: 10 }, () => 'client_cert_rejected'), null]);
    expect(world.said.at(-1)?.details).toMatchObject({ cause: 'refused', dropped: 1, waiting: 0 });
    expect(world.said.at(-1)?.details['next_try']).toBeUndefined();
  });

  it('says once that something cannot be delivered, and again after an hour', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    await world.goOn(59 * MINUTE_MS, REJECTED);
    expect(world.said).toHaveLength(1);
    expect(world.said[0]).toMatchObject({
      event: 'notify_failed',
      details: { part: 'notifications', cause: 'tcp', error: 'nobody listens', hint: 'start it', waiting: 1 },
    });
    await world.goOn(10 * MINUTE_MS, REJECTED);
    expect(world.said).toHaveLength(2);
  });

  it('says so again where it has worked meanwhile', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    world.receiver.answer = () => DELIVERED;
    await world.goOn(MINUTE_MS, REJECTED);
    world.receiver.answer = () => DOWN;
    await world.show(WELL);
    expect(world.said).toHaveLength(2);
  });

  it('does not wait for a receiver that hangs', async () => {
    const world = notifier({ answer: () => new Promise(() => undefined) });
    await world.show(REJECTED);
    await world.show(WELL);
    expect(world.sent).toHaveLength(1);
  });

  it('tells of a loop that is stuck, without anything being published', async () => {
    const world = notifier();
    await world.show(WELL);
    await world.clock.advance(5 * MINUTE_MS);
    expect(causes(world)).toEqual(['stuck']);
  });

  it('does not report again what its predecessor has delivered', async () => {
    const world = notifier({ told: TOLD_OF_REJECTION });
    await world.goOn(10 * MINUTE_MS, REJECTED);
    expect(world.sent).toEqual([]);
  });

  it('does not say that all is well before it has looked at what its predecessor reported', async () => {
    const world = notifier({ told: TOLD_OF_REJECTION });
    await world.show(WELL);
    expect(world.sent).toEqual([]);
    world.probed();
    await world.show(WELL);
    expect(causes(world)).toEqual([null]);
  });

  it('reports at once what its predecessor has not', async () => {
    const world = notifier({ told: TOLD_OF_REJECTION });
    await world.show(EXPIRED);
    expect(causes(world)).toEqual([expect.stringMatching(/^cert_expired/)]);
  });

  it('remembers for a successor what has been delivered, and nothing else', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    expect(world.kept).toEqual([]);
    world.receiver.answer = () => DELIVERED;
    await world.goOn(MINUTE_MS, REJECTED);
    expect(world.kept).toEqual([
      expect.objectContaining({ level: 'critical', cause: 'client_cert_rejected' }),
    ]);
  });

  it('tells nothing below the level that is set', async () => {
    const world = notifier({ notifyLevel: 'critical' });
    await world.show(lastCycle('expiring'));
    expect(world.sent).toEqual([]);
  });

  it('sends nothing and waits for nothing once it is closed', async () => {
    const world = notifier({ answer: () => DOWN });
    await world.show(REJECTED);
    world.close();
    await world.clock.advance(MINUTE_MS);
    expect(world.sent).toHaveLength(1);
    expect(world.clock.wakeTimes()).toEqual([]);
  });
});

describe('the heartbeat', () => {
  it('beats after the first cycle, and then at each interval', async () => {
    const world = notifier({ beating: true });
    await world.clock.advance(3_000);
    expect(world.beats).toEqual([]);
    await world.show(WELL);
    await world.goOn(11 * MINUTE_MS, WELL);
    expect(world.beats).toEqual([3_000, 303_000, 603_000]);
  });

  it('is silent while the loop is stuck, and beats soon after it has come back', async () => {
    const world = notifier({ beating: true, heartbeatIntervalMs: MINUTE_MS });
    await world.show(WELL);
    await world.clock.advance(5 * MINUTE_MS);
    expect(world.beats).toEqual([0]);
    await world.show(WELL);
    await world.clock.advance(10_000);
    expect(world.beats).toHaveLength(2);
  });

  it('beats whatever is wrong with the certificates', async () => {
    const world = notifier({ beating: true });
    await world.show(EXPIRED);
    expect(world.beats).toEqual([0]);
  });

  it('is tried again soon where it has failed, and says so once', async () => {
    const world = notifier({ beating: true, answer: () => DOWN, notifyLevel: 'critical' });
    await world.show(WELL);
    await world.goOn(20_000, WELL);
    expect(world.beats).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(world.said).toEqual([
      expect.objectContaining({ details: expect.objectContaining({ part: 'heartbeat', cause: 'tcp' }) }),
    ]);
  });
});
