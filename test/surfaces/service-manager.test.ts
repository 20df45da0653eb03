import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createFakeClock } from '../../lab/fake-clock.ts';
import { worldIn } from '../../lab/situations.ts';
import type { Announcement } from '../../src/core/news/events.ts';
import type { Publication } from '../../src/core/status/cycle.ts';
import { startReporter } from '../../src/surfaces/service-manager.ts';

const MINUTE_MS = 60_000;

const WELL = await lastCycle('well');
const EXPIRED = await lastCycle('expired');

async function lastCycle(name: string): Promise<Publication> {
  const { publications } = await worldIn(name);
  const found = publications.findLast(({ cycle }) => cycle !== undefined);
  if (found === undefined) throw new Error(`no cycle in ${name}`);
  return found;
}

function reporter({ watchdogMs }: { watchdogMs?: number } = {}) {
  const clock = createFakeClock();
  const sent: { readonly atMs: number; readonly assignments: readonly string[] }[] = [];
  const said: Announcement[] = [];
  const systemd: { problem: string | undefined; waitMs: number } = { problem: undefined, waitMs: 0 };
  let sending = 0;
  let mostAtOnce = 0;
  const it = startReporter({
    settings: fix.settings(),
    time: clock,
    watchdogMs,
    send: async (assignments, signal) => {
      sending += 1;
      mostAtOnce = Math.max(mostAtOnce, sending);
      sent.push({ atMs: clock.elapsedMs(), assignments });
      await clock.sleep(systemd.waitMs, signal);
      sending -= 1;
      return systemd.problem;
    },
    say: (announcement) => said.push(announcement),
  });
  onTestFinished(it.close);
  /** Publishes such a cycle, as if it had ended now. */
  const show = async ({ cycle, ...rest }: Publication) => {
    if (cycle === undefined) throw new Error('no cycle');
    // by the wall clock no time passes: the days that are left are part of the status
    const { now } = cycle.decision.situation;
    const situation = { ...cycle.decision.situation, now: { ...now, monoMs: clock.now().monoMs } };
    it.show({ ...rest, cycle: { ...cycle, decision: { ...cycle.decision, situation } } });
    await clock.advance(0);
    await setImmediate();
  };
  /** Lets time pass in which the loop goes on. */
  const goOn = async (ms: number, publication: Publication, everyMs = 5_000) => {
    for (let left = ms; left > 0; left -= everyMs) {
      await clock.advance(Math.min(left, everyMs));
      await show(publication);
    }
  };
  return { clock, sent, said, systemd, show, goOn, close: it.close, mostAtOnce: () => mostAtOnce };
}

type World = ReturnType<typeof reporter>;

const timesOf = ({ sent }: World, assignment: string) =>
  sent.filter(({ assignments }) => assignments.includes(assignment)).map(({ atMs }) => atMs);
const statusesOf = ({ sent }: World) =>
  sent.flatMap(({ assignments }) => assignments.filter((each) => each.startsWith('STATUS=')));

describe('what a service manager is told', () => {
  it('is nothing before the first cycle', async () => {
    const world = reporter({ watchdogMs: MINUTE_MS });
    await world.clock.advance(20_000);
    expect(world.sent).toEqual([]);
  });

  it('is that the watcher is ready after the first cycle, with its status, once', async () => {
    const world = reporter();
    await world.show(WELL);
    await world.goOn(10 * MINUTE_MS, WELL);
    expect(world.sent).toEqual([
      { atMs: 0, assignments: ['READY=1', expect.stringMatching(/^STATUS=\S.*current certificates/)] },
    ]);
  });

  it('is a problem by its level and sentence, and its end', async () => {
    const world = reporter();
    await world.show(EXPIRED);
    await world.goOn(10_000, WELL);
    expect(statusesOf(world)).toEqual([
      expect.stringMatching(/^STATUS=CRITICAL: .*expired/),
      expect.stringMatching(/^STATUS=\S.*current certificates/),
    ]);
  });

  it('is no more than one message a second, the last', async () => {
    const world = reporter();
    for (let time = 0; time < 101; time += 1) await world.show(time % 2 === 0 ? WELL : EXPIRED);
    await world.goOn(3_000, WELL, 500);
    expect(world.sent.length).toBeLessThan(3);
    expect(statusesOf(world).at(-1)).toMatch(/current certificates/);
  });

  it('is one message at a time, however long that takes', async () => {
    const world = reporter({ watchdogMs: MINUTE_MS });
    world.systemd.waitMs = 8_000;
    for (let time = 0; time < 20; time += 1) await world.goOn(5_000, time % 2 === 0 ? WELL : EXPIRED);
    expect(world.mostAtOnce()).toBe(1);
    expect(world.sent.length).toBeGreaterThan(5);
  });
});

describe('a watchdog', () => {
  it.each([
    [MINUTE_MS, 5_000],
    [MINUTE_MS, 29_000],
    [MINUTE_MS, 38_000],
    [2_000, 500],
  ])('of %i ms gets its signs of life in time, with a look every %i ms', async (watchdogMs, everyMs) => {
    const world = reporter({ watchdogMs });
    await world.show(WELL);
    await world.goOn(30 * watchdogMs, WELL, everyMs);
    const times = timesOf(world, 'WATCHDOG=1');
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    expect(times.length).toBeGreaterThan(20);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(0.75 * watchdogMs);
    // each is a process
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.4 * watchdogMs);
  });

  it('gets none from a loop that is stuck, but its status', async () => {
    const world = reporter({ watchdogMs: MINUTE_MS });
    await world.show(WELL);
    await world.clock.advance(10 * MINUTE_MS);
    expect(timesOf(world, 'WATCHDOG=1').at(-1)).toBeLessThan(MINUTE_MS);
    expect(statusesOf(world).at(-1)).toMatch(/^STATUS=CRITICAL: the watcher is stuck/);
    expect(world.sent.length).toBeLessThan(25);
  });

  it('is told about a first cycle that does not end', async () => {
    const world = reporter({ watchdogMs: MINUTE_MS });
    await world.clock.advance(3 * MINUTE_MS);
    // two check intervals and half a minute
    expect(world.sent[0]).toEqual({
      atMs: 40_001,
      assignments: [expect.stringMatching(/^STATUS=CRITICAL: .*stuck/)],
    });
    expect(timesOf(world, 'READY=1')).toEqual([]);
  });

  it('gets no more messages once the watcher stops', async () => {
    const world = reporter({ watchdogMs: MINUTE_MS });
    await world.show(WELL);
    world.close();
    await world.clock.advance(10 * MINUTE_MS);
    expect(world.sent.length).toBe(1);
  });
});

describe('a service manager that cannot be told', () => {
  it('is tried again with growing pauses until it works, and told what it has missed', async () => {
    const world = reporter();
    world.systemd.problem = 'there is no systemd-notify here';
    await world.show(WELL);
    await world.clock.advance(8_000);
    world.systemd.problem = undefined;
    await world.goOn(MINUTE_MS, WELL);
    expect(timesOf(world, 'READY=1')).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
  });

  it('is reported once an hour, with a hint', async () => {
    const world = reporter();
    world.systemd.problem = 'there is no systemd-notify here';
    await world.show(WELL);
    await world.goOn(90 * MINUTE_MS, WELL, 20_000);
    expect(world.said).toEqual(
      Array(2).fill({
        event: 'watch_degraded',
        details: {
          part: 'service_manager',
          message: expect.stringContaining('there is no systemd-notify here'),
          hint: expect.stringContaining('Type=exec'),
        },
      }),
    );
  });
});
