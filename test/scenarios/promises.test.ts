import { describe, expect, it } from 'vitest';
import * as fix from '../../lab/core-fixtures.ts';
import { createWorld, type World, type WorldOptions } from '../../lab/world.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 10_000;
const COOLDOWN_MS = 300_000;
const RESTART_MS = 300;

/** A world in which the broker has loaded A, the watcher runs and has nothing to do. */
async function settled(options: WorldOptions = {}) {
  const world = createWorld(options);
  world.write('A');
  await world.advance(1_000);
  world.startByHand();
  await world.advance(HOUR_MS);
  const watcher = world.startWatcher();
  await world.advance(2 * COOLDOWN_MS);
  return { world, watcher };
}

/** The broker is looked at for display once a minute. */
const SHOWN = { probeEnabled: false, metricsEnabled: true, cooldownMs: 1_000, checkIntervalMs: 700 };

/** How late each of 120 rotations is, which come at ever other times after the last look for display. */
async function lateOf(world: World, windowMs: number): Promise<number[]> {
  const lateMs: number[] = [];
  for (const [index] of Array.from({ length: 120 }).entries()) {
    await world.advance(60_000 + 500 * index);
    const writtenMs = world.elapsedMs();
    world.write(`set ${index}`);
    await world.advance(windowMs + 60_000);
    lateMs.push((world.restarts.at(-1)?.atMs ?? Number.NaN) - writtenMs - windowMs - RESTART_MS);
  }
  expect(world.restarts).toHaveLength(120);
  return lateMs;
}

const withoutProbe: WorldOptions = { settings: { probeEnabled: false } };

describe('certificates change', () => {
  it('restarts the broker once, when the stability window after the last write ends', async () => {
    const { world } = await settled();
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([{ atMs: writtenMs + WINDOW_MS + 300, loaded: 'B' }]);
  });

  it('does so exactly at the end of the window without file events too', async () => {
    const { world } = await settled({ withoutFileEvents: true });
    await world.advance(1_234);
    const writtenMs = world.elapsedMs();
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([{ atMs: writtenMs + WINDOW_MS + 300, loaded: 'B' }]);
  });

  it('does so where its state is displayed and the engine is slow: a look for display does not meet the end', async () => {
    const { world } = await settled({ answerMs: 900, settings: SHOWN });
    const lateMs = await lateOf(world, WINDOW_MS);
    expect(new Set(lateMs)).toEqual(new Set([900]));
  });

  it('does so too where a longer window ends while the broker is looked at for display', async () => {
    const ANSWER_MS = 900;
    // a minute after the look early in the window, which has reset the time of those for display
    const LONG_MS = 62_500;
    const settings = { ...SHOWN, stabilityWindowMs: LONG_MS };
    const { world } = await settled({ answerMs: ANSWER_MS, settings });
    const lateMs = await lateOf(world, LONG_MS);
    expect(world.events('cycle_failed')).toEqual([]);
    // the look that is under way, and the one that the decision needs
    expect(Math.max(...lateMs)).toBeLessThanOrEqual(2 * ANSWER_MS);
    expect(Math.max(...lateMs)).toBeGreaterThan(ANSWER_MS);
  });

  it('looks at the broker early in the window, once, and at its end', async () => {
    const { world } = await settled(withoutProbe);
    const writtenMs = world.elapsedMs();
    const lookedMs: number[] = [];
    world.afterInspection = () => {
      if (world.restarts.length === 0) lookedMs.push(world.elapsedMs() - writtenMs);
    };
    world.write('B');
    await world.advance(60_000);
    expect(lookedMs).toEqual([1_000, WINDOW_MS]);
  });

  it('looks at the broker no more often where the files are written again and again', async () => {
    const { world } = await settled(withoutProbe);
    const before = world.inspections;
    for (let write = 0; write < 600; write++) {
      world.write('B');
      await world.advance(100);
    }
    expect(world.inspections).toBe(before);
  });

  it('waits for the window of a set that has replaced the one that was to be applied', async () => {
    const { world } = await settled(withoutProbe);
    let replacedMs: number | undefined;
    const writtenFirstMs = world.elapsedMs();
    world.afterInspection = () => {
      const isForTheDecision = world.elapsedMs() >= writtenFirstMs + WINDOW_MS;
      if (!isForTheDecision || replacedMs !== undefined) return;
      world.put({ kind: 'incomplete', identity: 'half of C', complaints: [] });
      replacedMs = world.elapsedMs();
    };
    world.write('B');
    await world.advance(60_000);
    expect(replacedMs).toBeDefined();
    expect(world.restarts).toEqual([]);
    const writtenMs = world.elapsedMs();
    world.write('C');
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([{ atMs: writtenMs + WINDOW_MS + RESTART_MS, loaded: 'C' }]);
  });

  it('restarts the window with every write', async () => {
    const { world } = await settled();
    for (let write = 0; write < 20; write++) {
      world.write('B');
      await world.advance(3_000);
    }
    const lastWriteMs = world.elapsedMs() - 3_000;
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([{ atMs: lastWriteMs + WINDOW_MS + 300, loaded: 'B' }]);
    expect(world.events('restart_deferred')).toHaveLength(1);
  });

  it('restarts once when certificates appear where there were none', async () => {
    const world = createWorld();
    world.startWatcher();
    await world.advance(HOUR_MS);
    world.write('A');
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['A']);
  });

  it('tells the story of one rotation in order', async () => {
    const { world } = await settled();
    world.lines.length = 0;
    world.write('B');
    await world.advance(60_000);
    expect(world.lines.map(({ event }) => event)).toEqual([
      'cert_parsed',
      'restart_deferred',
      'tls_probe_success',
      'mosquitto_restart_triggered',
      'restart_completed',
    ]);
  });
});

describe('certificates do not change', () => {
  it('never restarts a broker that has them, and says nothing more', async () => {
    const { world } = await settled();
    world.lines.length = 0;
    await world.advance(6 * HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.lines).toEqual([]);
  });

  it('does nothing when the same set is written again and again', async () => {
    const { world } = await settled();
    for (let write = 0; write < 10; write++) {
      world.write('A');
      await world.advance(20_000);
    }
    expect(world.restarts).toEqual([]);
  });

  it.each([true, false])(
    'does nothing when the watcher restarts eight times (state file: %s)',
    async (withStateFile) => {
      const { world, watcher } = await settled({ withStateFile });
      watcher.kill();
      for (let life = 0; life < 8; life++) {
        const next = world.startWatcher();
        await world.advance(7_000);
        next.kill();
      }
      expect(world.restarts).toEqual([]);
    },
  );

  it('does nothing when the same set is written while the watcher is down, if it has a state file', async () => {
    const { world, watcher } = await settled({ withStateFile: true });
    watcher.kill();
    world.write('A');
    await world.advance(60_000);
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
  });

  it('does nothing when Docker goes away and comes back', async () => {
    const { world } = await settled();
    world.engineDown = fix.engineFailure();
    await world.advance(HOUR_MS);
    world.engineDown = undefined;
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.events('restart_failed')).toEqual([]);
  });

  it('does nothing when every probe fails', async () => {
    const { world } = await settled();
    world.verdict = () => fix.probeFailure();
    await world.advance(6 * HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.events('restart_held')).toEqual([]);
  });

  it.each([-365 * 24 * HOUR_MS, -HOUR_MS, HOUR_MS, 80 * 24 * HOUR_MS])(
    'does nothing when the clock jumps by %d ms',
    async (jumpMs) => {
      const { world } = await settled();
      world.clock.jumpWall(jumpMs);
      await world.advance(HOUR_MS);
      world.clock.jumpWall(-jumpMs);
      await world.advance(HOUR_MS);
      expect(world.restarts).toEqual([]);
    },
  );

  it('does nothing when the files vanish and come back as they were', async () => {
    const { world } = await settled();
    world.put({ kind: 'incomplete', identity: 'gone', complaints: [] });
    await world.advance(HOUR_MS);
    world.write('A');
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
  });

  it('does nothing when another set lay there for less than the window', async () => {
    const { world } = await settled();
    world.write('B');
    await world.advance(8_000);
    world.write('A');
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
  });
});

describe('a set that cannot work', () => {
  const DAY = fix.DAY_MS;
  const leaf = (change: Parameters<typeof fix.certificate>[0]) => ({ leaf: fix.certificate(change) });
  const mismatch = fix.probeFailure({
    cause: 'client_key_mismatch',
    phase: 'files',
    error: 'client.key belongs to another certificate',
  });

  it('is not restarted into while it is incomplete, and is complained of once', async () => {
    const { world } = await settled();
    world.put({
      kind: 'incomplete',
      identity: 'x',
      complaints: [{ file: 'client.key', cause: 'empty', problem: 'is empty', hint: 'wait' }],
    });
    await world.advance(50 * 60_000);
    expect(world.restarts).toEqual([]);
    expect(world.events('cert_missing')).toHaveLength(1);
  });

  it('is complained of again after an hour', async () => {
    const { world } = await settled();
    world.put({
      kind: 'incomplete',
      identity: 'x',
      complaints: [{ file: 'client.key', cause: 'empty', problem: 'is empty', hint: 'wait' }],
    });
    await world.advance(HOUR_MS + 60_000);
    expect(world.events('cert_missing')).toHaveLength(2);
  });

  it('is not complained of while it is being written', async () => {
    const { world } = await settled();
    world.put({
      kind: 'unparsable',
      identity: 'half',
      complaints: [{ file: 'client.crt', cause: 'unparsable', problem: 'looks half-written', hint: 'wait' }],
    });
    await world.advance(500);
    world.write('B');
    await world.advance(60_000);
    expect(world.events('cert_parse_failed')).toEqual([]);
    expect(world.restarts).toHaveLength(1);
  });

  it('is restarted into once it is whole', async () => {
    const { world } = await settled();
    world.put({
      kind: 'unparsable',
      identity: 'half',
      complaints: [{ file: 'client.crt', cause: 'unparsable', problem: 'looks half-written', hint: 'wait' }],
    });
    await world.advance(60_000);
    expect(world.events('cert_parse_failed')).toHaveLength(1);
    expect(world.restarts).toEqual([]);
    world.write('B');
    await world.advance(60_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is not restarted into once it has expired', async () => {
    const { world } = await settled();
    world.write('B', leaf({ notAfterMs: fix.EPOCH_MS }));
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.events('cert_expired')).toHaveLength(1);
  });

  it('is restarted into at the moment at which it becomes valid', async () => {
    const { world } = await settled();
    const validMs = world.elapsedMs() + 2 * DAY;
    world.write('B', leaf({ notBeforeMs: fix.EPOCH_MS + validMs }));
    await world.advance(2 * DAY - 1);
    expect(world.restarts).toEqual([]);
    await world.advance(10_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is held while its key belongs to another certificate, and restarted into when the key comes', async () => {
    const { world } = await settled();
    world.verdict = () => mismatch;
    world.write('B');
    await world.advance(60_000);
    expect(world.restarts).toEqual([]);
    expect(world.events('cert_key_mismatch')).toHaveLength(1);
    world.verdict = () => fix.probeSuccess();
    world.write('B');
    await world.advance(60_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is restarted into when the key comes although somebody started the broker on the half-renewed set', async () => {
    const { world } = await settled();
    world.verdict = () => mismatch;
    world.write('B');
    await world.advance(30_000);
    world.startByHand();
    await world.advance(30_000);
    world.verdict = () => fix.probeSuccess();
    world.write('B');
    await world.advance(60_000);
    expect(world.restarts).toHaveLength(1);
  });

  it('is held while the upstream refuses it, and restarted into when it no longer does', async () => {
    const { world } = await settled();
    world.verdict = () => fix.probeFailure();
    world.write('B');
    await world.advance(5 * 60_000);
    expect(world.restarts).toEqual([]);
    expect(world.events('restart_held')).toHaveLength(1);
    world.verdict = () => fix.probeSuccess();
    await world.advance(70_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('stays held while the upstream that has refused it cannot be reached', async () => {
    const { world } = await settled();
    world.verdict = () => fix.probeFailure();
    world.write('B');
    await world.advance(60_000);
    world.verdict = () => fix.probeFailure({ cause: 'tcp', phase: 'tcp', error: 'connection refused' });
    await world.advance(HOUR_MS / 2);
    expect(world.restarts).toEqual([]);
    expect(world.events('restart_held')).toHaveLength(1);
  });

  it('is released by a login that is refused: the certificate was let in', async () => {
    const { world } = await settled({ settings: { probeMode: 'mqtt' } });
    world.verdict = () => fix.probeFailure();
    world.write('B');
    await world.advance(60_000);
    world.verdict = () => fix.probeFailure({ cause: 'mqtt_refused', phase: 'mqtt' });
    await world.advance(70_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('is restarted into while the upstream cannot be reached', async () => {
    const { world } = await settled();
    world.verdict = () => fix.probeFailure({ cause: 'tcp', phase: 'tcp', error: 'connection refused' });
    world.write('B');
    await world.advance(60_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });
});

describe('a rotation is never lost', () => {
  it('waits for the end of the cooldown and happens at its very end', async () => {
    const { world } = await settled();
    world.write('B');
    await world.advance(60_000);
    world.write('C');
    await world.advance(HOUR_MS);
    const [first, second] = world.restarts;
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'C']);
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(COOLDOWN_MS + 300);
    expect(world.events('restart_suppressed_cooldown')).toHaveLength(1);
  });

  it('waits for the engine and happens when it is back', async () => {
    const { world } = await settled();
    world.engineDown = fix.engineFailure();
    world.write('B');
    await world.advance(20 * 60_000);
    expect(world.events('restart_failed')).toHaveLength(1);
    world.engineDown = undefined;
    await world.advance(COOLDOWN_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('tries a refused restart again with growing pauses', async () => {
    const { world } = await settled();
    world.restartCall = 'refused';
    world.write('B');
    await world.advance(20_000);
    world.restartCall = 'works';
    await world.advance(30_000);
    expect(world.restarts).toHaveLength(1);
    expect(world.events('restart_failed')).toHaveLength(1);
    expect(world.events('mosquitto_restart_triggered')).toHaveLength(1);
  });

  it('doubles the pause between refused restarts up to the cooldown', async () => {
    const { world } = await settled();
    world.restartCall = 'refused';
    world.write('B');
    await world.advance(2 * HOUR_MS);
    const tries = world.publications.filter(({ cycle }) => cycle?.decision.reason === 'restart');
    const times = tries.map(({ wallMs }) => Math.round(wallMs / 1_000));
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(pauses.slice(0, 8)).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
  });

  it('waits for a missing container, which then has read the files by itself', async () => {
    const { world } = await settled();
    const { broker } = world;
    world.broker = undefined;
    world.write('B');
    await world.advance(60_000);
    world.broker = broker;
    world.startByHand();
    await world.advance(COOLDOWN_MS);
    expect(world.restarts).toEqual([]);
    expect(world.events('broker_already_current')).toHaveLength(2);
  });

  it('leaves a stopped broker alone and takes its start by somebody else for the restart', async () => {
    const { world } = await settled();
    world.broker = world.broker && { ...world.broker, up: false, status: 'exited', exitCode: 0 };
    world.write('B');
    await world.advance(20 * 60_000);
    expect(world.restarts).toEqual([]);
    expect(world.events('broker_not_running')).toHaveLength(1);
    world.startByHand();
    await world.advance(COOLDOWN_MS + 10_000);
    expect(world.restarts).toEqual([]);
    expect(world.lastDecision()?.reason).toBe('unchanged');
  });

  it('survives the watcher being down', async () => {
    const { world, watcher } = await settled();
    watcher.kill();
    world.write('B');
    await world.advance(HOUR_MS);
    world.startWatcher();
    await world.advance(60_000);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('spares the restart that somebody else has just done by hand', async () => {
    const { world } = await settled();
    world.write('B');
    await world.advance(4_000);
    world.startByHand();
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.loaded).toBe('B');
  });

  it('happens although the clock was set back by a year in between', async () => {
    const { world } = await settled();
    world.clock.jumpWall(-365 * 24 * HOUR_MS);
    world.write('B', { leaf: fix.certificate({ notBeforeMs: 0 }) });
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });
});

describe('nothing loops', () => {
  it('counts the cooldown from a restart that the predecessor had on its way when it was killed', async () => {
    const { world, watcher } = await settled();
    world.write('B');
    await world.advance(WINDOW_MS + 100);
    watcher.kill();
    world.startWatcher();
    await world.advance(5_000);
    world.write('C');
    await world.advance(HOUR_MS);
    const [first, second] = world.restarts;
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'C']);
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(COOLDOWN_MS);
  });

  it('restarts at most once in a cooldown however often the certificates change', async () => {
    const { world } = await settled(withoutProbe);
    for (let write = 0; write < 300; write++) {
      world.write(`set ${write}`);
      await world.advance(11_000);
    }
    const gaps = world.restarts.slice(1).map(({ atMs }, index) => atMs - (world.restarts[index]?.atMs ?? 0));
    expect(gaps.length).toBeGreaterThan(5);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(COOLDOWN_MS);
  });

  it('does not repeat a restart whose answer was lost', async () => {
    const { world } = await settled();
    world.restartCall = 'answer_lost';
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts).toHaveLength(1);
    expect(world.events('restart_completed')).toHaveLength(1);
  });

  it('looks into a restart that got lost, and repeats it after the cooldown', async () => {
    const { world } = await settled();
    world.restartCall = 'lost';
    world.write('B');
    await world.advance(100_000);
    expect(world.events('restart_failed')).toHaveLength(1);
    world.restartCall = 'works';
    await world.advance(100_000);
    expect(world.restarts).toEqual([]);
    await world.advance(COOLDOWN_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('says truly when a restart whose answer was lost is looked at again', async () => {
    const { world } = await settled(withoutProbe);
    world.restartCall = 'lost';
    world.write('B');
    await world.advance(60_000);
    const [failed] = world.events('restart_failed');
    world.restartCall = 'works';
    await world.advance(COOLDOWN_MS);
    const again = new Date(fix.EPOCH_MS + (world.asks[1]?.atMs ?? 0));
    expect(failed?.details['next_try']).toBe(`${again.toISOString().slice(0, 19)}Z`);
  });

  it('starts the broker that its own failed restart has left stopped, after the cooldown', async () => {
    const { world } = await settled();
    world.restartCall = 'stops_and_fails';
    world.write('B');
    await world.advance(100_000);
    world.restartCall = 'works';
    await world.advance(COOLDOWN_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });

  it('spares a broker that its own failed restart has left stopped, if somebody else has started it', async () => {
    const { world } = await settled(withoutProbe);
    world.restartCall = 'stops_and_fails';
    world.write('B');
    await world.advance(60_000);
    world.startByHand();
    await world.advance(2 * COOLDOWN_MS);
    expect(world.asked).toHaveLength(1);
    expect(world.broker?.up).toBe(true);
  });

  it('does not restart again a broker that died after its restart', async () => {
    const { world } = await settled();
    world.nextStart = { up: false, status: 'exited', exitCode: 3 };
    world.write('B');
    await world.advance(6 * HOUR_MS);
    expect(world.restarts).toHaveLength(1);
    expect(world.events('broker_unhealthy')).toHaveLength(1);
  });

  it('does not restart again a broker that does not become healthy', async () => {
    const { world } = await settled();
    world.nextStart = { health: 'unhealthy' };
    world.write('B');
    await world.advance(6 * HOUR_MS);
    expect(world.restarts).toHaveLength(1);
    expect(world.events('broker_unhealthy')).toHaveLength(1);
  });

  it.each([true, false])(
    'keeps the cooldown across a killed watcher (state file: %s)',
    async (withStateFile) => {
      const { world, watcher } = await settled({ withStateFile });
      world.write('B');
      await world.advance(20_000);
      watcher.kill();
      world.write('C');
      world.startWatcher();
      await world.advance(60_000);
      expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
      await world.advance(COOLDOWN_MS);
      expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B', 'C']);
    },
  );

  it.each([true, false])(
    'restarts once although it is killed with its restart under way (state file: %s)',
    async (withStateFile) => {
      const { world, watcher } = await settled({ withStateFile });
      world.write('B');
      await world.advance(WINDOW_MS + 100);
      watcher.kill();
      world.startWatcher();
      await world.advance(HOUR_MS);
      expect(world.restarts).toHaveLength(1);
    },
  );

  it('does not restart for A → B → A within a cooldown', async () => {
    const { world } = await settled();
    world.write('B');
    await world.advance(60_000);
    world.write('C');
    await world.advance(60_000);
    world.write('B');
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ loaded }) => loaded)).toEqual(['B']);
  });
});

describe('a splay', () => {
  const SPLAY_MS = 1_800_000;

  /** A broker whose old certificate is good for another `leftMs` when the new set is written. */
  async function rotatedWith(leftMs: number, splayMs = SPLAY_MS) {
    const world = createWorld({ settings: { probeEnabled: false, splayMs } });
    const at = world.clock.now().wallMs;
    world.write('A', { leaf: fix.certificate({ notAfterMs: at + 2 * COOLDOWN_MS + leftMs }) });
    await world.advance(1);
    world.startByHand();
    world.startWatcher();
    await world.advance(2 * COOLDOWN_MS - 1);
    world.write('B');
    return { world, writtenAtMs: world.elapsedMs() };
  }

  it('puts the restart off by the share of this host, counted from the end of the window', async () => {
    const { world, writtenAtMs } = await rotatedWith(10 * fix.DAY_MS);
    await world.advance(HOUR_MS);
    expect(world.asked).toHaveLength(1);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([writtenAtMs + WINDOW_MS + SPLAY_MS + 300]);
  });

  it('never comes closer to the end of the old certificate than ten minutes', async () => {
    const { world, writtenAtMs } = await rotatedWith(1_200_000);
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([writtenAtMs + 600_000 + 300]);
  });

  it('is none where the old certificate has expired already', async () => {
    const { world, writtenAtMs } = await rotatedWith(0);
    await world.advance(HOUR_MS);
    expect(world.restarts.map(({ atMs }) => atMs)).toEqual([writtenAtMs + WINDOW_MS + 300]);
  });

  it('is said once, with the moment', async () => {
    const { world } = await rotatedWith(10 * fix.DAY_MS);
    await world.advance(HOUR_MS);
    const splays = world.events('restart_deferred').filter(({ details }) => details['reason'] === 'splay');
    expect(splays.map(({ details }) => details['not_before'])).toEqual([expect.stringMatching(/Z$/)]);
  });

  it('spares the restart that somebody does by hand meanwhile', async () => {
    const { world } = await rotatedWith(10 * fix.DAY_MS);
    await world.advance(60_000);
    world.startByHand();
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.loaded).toBe('B');
  });
});

describe('restarts disabled', () => {
  it('says once per rotation what it would have done', async () => {
    const { world } = await settled({ settings: { restartEnabled: false } });
    world.write('B');
    await world.advance(6 * HOUR_MS);
    world.write('C');
    await world.advance(6 * HOUR_MS);
    expect(world.restarts).toEqual([]);
    expect(world.events('restart_disabled').map(({ details }) => details['fingerprint'])).toEqual(['B', 'C']);
  });
});

describe('the end', () => {
  it('comes at once between two steps', async () => {
    const { world, watcher } = await settled();
    world.write('B');
    await world.advance(5_000);
    await watcher.stop();
    expect(world.restarts).toEqual([]);
  });

  it('waits for a restart that is under way, and for its verification', async () => {
    const { world, watcher } = await settled();
    world.write('B');
    await world.advance(WINDOW_MS + 100);
    await watcher.stop();
    expect(world.events('restart_completed')).toHaveLength(1);
  });
});

describe('a state file that cannot be understood', () => {
  async function misread() {
    const world = createWorld({ withStateFile: true });
    world.stateProblem = 'state file /state/state.json holds no state of this program';
    world.write('A');
    world.startWatcher();
    await world.advance(1_000);
    return world;
  }

  it('is told once', async () => {
    const world = await misread();
    await world.advance(2 * HOUR_MS);
    expect(world.events('watch_degraded').map(({ details }) => details['part'])).toEqual(['state_file']);
  });

  it('is replaced at once', async () => {
    expect((await misread()).stateProblem).toBeUndefined();
  });

  it('costs a broker no restart that has read its certificates', async () => {
    const world = createWorld({ withStateFile: true });
    world.write('A');
    await world.advance(1_000);
    world.startByHand();
    world.stateProblem = 'state file /state/state.json holds no state of this program';
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect(world.restarts).toEqual([]);
  });
});

describe('the state file of several brokers', () => {
  it('keeps what it says of one that is not looked after at the moment', async () => {
    const other = {
      applied: { fingerprint: 'A', startedAt: undefined },
      divergedAtMs: undefined,
      stoppedByUs: undefined,
      lastRestartAtMs: undefined,
    };
    const world = createWorld({ withStateFile: true });
    world.states = new Map([['another', other]]);
    world.write('A');
    world.startWatcher();
    await world.advance(HOUR_MS);
    expect([world.restarts.length, world.states.get('another')]).toEqual([1, other]);
  });
});
