import { describe, expect, it } from 'vitest';
import * as fix from '../../../lab/core-fixtures.ts';
import { SITUATIONS, situation, snapshotOf, worldIn } from '../../../lab/situations.ts';
import { createWorld } from '../../../lab/world.ts';
import { createHistory, type History, record } from '../../../src/core/status/history.ts';
import { assessmentAt, isAlive } from '../../../src/core/status/liveness.ts';
import { probeFailures } from '../../../src/core/status/snapshot.ts';

const HOUR_MS = 3_600_000;

/** The path's last box that is not common to all. */
function endOf(path: readonly string[]): string | undefined {
  return path.findLast((state) => state !== 'UPDATE_STATE' && state !== 'WAIT_INTERVAL');
}

describe('how things stand', () => {
  it.each([
    ['starting', undefined, 'unknown', undefined],
    ['well', 'unchanged', 'ok', 'HASH_UNCHANGED'],
    ['missing', 'certs_missing', 'warning', 'CERTS_MISSING'],
    ['changing', 'certs_changing', 'ok', 'NOT_STABLE'],
    ['unparsable', 'cert_unparsable', 'critical', 'CERT_INVALID'],
    ['expired', 'cert_expired', 'critical', 'CERT_EXPIRED'],
    ['expiring', 'unchanged', 'warning', 'HASH_UNCHANGED'],
    ['not_yet_valid', 'cert_not_yet_valid', 'warning', 'CERT_INVALID'],
    ['key_mismatch', 'key_unusable', 'critical', 'CERT_INVALID'],
    ['not_stable', 'not_stable', 'ok', 'NOT_STABLE'],
    ['splayed', 'restart_splayed', 'ok', 'TLS_PROBE'],
    ['outside_window', 'outside_window', 'ok', 'TLS_PROBE'],
    ['requested', 'unchanged', 'ok', 'HASH_UNCHANGED'],
    ['another_watcher', 'another_watcher', 'ok', 'TLS_PROBE'],
    ['cooldown', 'in_cooldown', 'ok', 'IN_COOLDOWN'],
    ['probe_pending', 'probe_pending', 'ok', 'TLS_PROBE'],
    ['rejected', 'probe_holds', 'critical', 'TLS_PROBE'],
    ['upstream_down', 'unchanged', 'warning', 'HASH_UNCHANGED'],
    ['disabled', 'restart_disabled', 'warning', 'TLS_PROBE'],
    ['engine_down', 'engine_failed', 'critical', 'TLS_PROBE'],
    ['broker_stopped', 'broker_not_running', 'warning', 'TLS_PROBE'],
    ['restarting', 'restart', 'ok', 'RESTART_MOSQUITTO'],
    ['unhealthy', 'unchanged', 'critical', 'HASH_UNCHANGED'],
    ['recovered', 'in_cooldown', 'ok', 'IN_COOLDOWN'],
    ['crashed', 'unchanged', 'critical', 'HASH_UNCHANGED'],
    ['uncertain', 'in_cooldown', 'warning', 'IN_COOLDOWN'],
    ['refused', 'engine_failed', 'critical', 'TLS_PROBE'],
  ] as const)(
    '%s: the verdict is %s, the level %s, the walk ends in %s',
    async (name, reason, level, end) => {
      const { snapshot } = await situation(name);
      expect(snapshot.cycle?.reason).toBe(reason);
      expect(snapshot.assessment.level).toBe(level);
      expect(endOf(snapshot.cycle?.path ?? [])).toBe(end);
    },
  );

  it.each(Object.keys(SITUATIONS))('%s: is said in one sentence, with what to do', async (name) => {
    const { sentence, advice, findings, level } = (await situation(name)).snapshot.assessment;
    expect(sentence).toMatch(/^\S.*[^.\s]$/);
    expect(advice).not.toBe('');
    expect(findings.length > 0).toBe(level === 'warning' || level === 'critical');
  });

  it('says the worst first', async () => {
    const world = createWorld();
    world.verdict = () => fix.probeFailure();
    world.write('A', { leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS + 2 * fix.DAY_MS }) });
    world.startWatcher();
    await world.advance(60_000);
    const { findings } = snapshotOf(world).assessment;
    expect(findings.map(({ level }) => level)).toEqual(['critical', 'warning']);
    expect(findings[0]?.sentence).toBe('the upstream refuses the client certificate; the restart is held');
  });
});

describe('the broker between rotations', () => {
  const shown = { settings: { metricsEnabled: true } };

  it('is looked at every minute for those who look at us', async () => {
    const world = createWorld(shown);
    world.startWatcher();
    await world.advance(600_000);
    expect(world.inspections).toBeGreaterThanOrEqual(10);
    expect(world.inspections).toBeLessThanOrEqual(11);
  });

  it('is left alone where nobody is shown it', async () => {
    const world = createWorld();
    world.startWatcher();
    await world.advance(600_000);
    expect(world.inspections).toBe(0);
  });

  it('is a warning when it was stopped, and is not restarted for it', async () => {
    const world = createWorld(shown);
    world.startWatcher();
    if (world.broker) world.broker = { ...world.broker, up: false, status: 'exited', exitCode: 0 };
    await world.advance(61_000);
    expect(snapshotOf(world).assessment.findings).toContainEqual(
      expect.objectContaining({
        about: 'broker',
        level: 'warning',
        sentence: 'eclipse-mosquitto does not run',
      }),
    );
    expect(world.restarts).toEqual([]);
  });

  it('is a warning when the engine cannot be asked, until it can', async () => {
    const world = createWorld(shown);
    world.startWatcher();
    world.engineDown = fix.engineFailure();
    await world.advance(61_000);
    const aboutBroker = () => snapshotOf(world).assessment.findings.filter(({ about }) => about === 'broker');
    expect(aboutBroker()).toMatchObject([{ level: 'warning', advice: 'start the engine' }]);
    world.engineDown = undefined;
    await world.advance(11_000);
    expect(aboutBroker()).toEqual([]);
  });
});

describe('the last restart', () => {
  it('is known to the next watcher, if there is a state file', async () => {
    const world = createWorld({ withStateFile: true });
    world.write('A');
    const first = world.startWatcher();
    await world.advance(60_000);
    const restartedAtMs = snapshotOf(world).lastRestartAtMs;
    expect(restartedAtMs).toBeDefined();
    first.kill();
    world.publications.length = 0;
    world.startWatcher();
    await world.advance(60_000);
    // remembered is the engine's answer, told the end of the verification
    const apartMs = Math.abs((snapshotOf(world).lastRestartAtMs ?? 0) - (restartedAtMs ?? 0));
    expect(apartMs).toBeLessThan(5_000);
  });
});

describe('what is waited for', () => {
  it.each([
    ['not_stable', 6_000],
    ['cooldown', 250_000],
    ['not_yet_valid', undefined],
  ])('%s ends at a moment that is told', async (name, withinMs) => {
    const { snapshot, now } = await situation(name);
    const untilMs = snapshot.cycle?.waitsUntilMs ?? 0;
    const leftMs = untilMs - now.wallMs;
    expect(leftMs).toBeGreaterThan(0);
    if (withinMs === undefined) expect(untilMs).toBe(fix.EPOCH_MS + 2 * fix.DAY_MS);
    else expect(leftMs).toBeLessThanOrEqual(withinMs);
  });

  it('is the next probe where a rejection holds the restart', async () => {
    const { snapshot } = await situation('rejected');
    expect(snapshot.cycle?.waitsUntilMs).toBe(snapshot.cycle?.nextProbeAtMs);
  });

  it('is nothing where all is well', async () => {
    expect((await situation('well')).snapshot.cycle?.waitsUntilMs).toBeUndefined();
  });
});

describe('the counts', () => {
  it('count a suppressed restart once, however long it waits and however often it is looked at', async () => {
    const world = createWorld({ settings: { probeEnabled: false } });
    world.write('A');
    world.startWatcher();
    await world.advance(60_000);
    world.write('B');
    await world.advance(2_000);
    world.write('B');
    await world.advance(200_000);
    expect(snapshotOf(world).totals.suppressed).toMatchObject({ stability_window: 2, cooldown: 1 });
  });

  it('count a held set once, though the cause changes and it is said again every hour', async () => {
    const world = await worldIn('rejected');
    await world.advance(5 * HOUR_MS);
    expect(world.events('restart_held').length).toBeGreaterThan(1);
    expect(snapshotOf(world).totals.suppressed.held).toBe(1);
  });

  it('count nothing while restarts are disabled', async () => {
    const world = await worldIn('disabled');
    await world.advance(5 * HOUR_MS);
    expect(world.events('restart_disabled').length).toBe(1);
    expect(snapshotOf(world).totals).toMatchObject({
      restarts: 0,
      suppressed: { stability_window: 0, cooldown: 0, held: 0 },
    });
  });

  it.each([
    ['well', 1],
    ['unhealthy', 1],
    ['uncertain', 1],
    ['refused', 0],
  ])('%s: count restarts that may have reached the broker', async (name, restarts) => {
    expect((await situation(name)).snapshot.totals.restarts).toBe(restarts);
  });

  it('count every failedTries try once, whether the engine was asked or told', async () => {
    const world = await worldIn('refused');
    const snapshot = snapshotOf(world);
    const before = snapshot.totals.restartFailures.permission_denied;
    expect(before).toBeGreaterThan(1);
    const restarts = snapshot.restarts;
    expect(restarts).toHaveLength(1);
    expect(restarts[0]).toMatchObject({ result: 'not_done', cause: 'permission_denied', tries: before });
    await world.advance(10 * HOUR_MS);
    // one try each cooldown, and not one each check interval
    expect(snapshotOf(world).totals.restartFailures.permission_denied - before).toBeLessThan(130);
  });

  it('count an engine that cannot be asked by its cause', async () => {
    const { snapshot } = await situation('engine_down');
    expect(snapshot.totals.restartFailures.permission_denied).toBeGreaterThan(1);
    expect(snapshot.restarts).toEqual([]);
  });

  it('count a broker that did not come back well', async () => {
    expect((await situation('unhealthy')).snapshot.totals.restartFailures.broker_unhealthy).toBe(1);
  });

  it('count every probe once', async () => {
    const world = await worldIn('upstream_down');
    const snapshot = snapshotOf(world);
    const { probeSuccesses, probeFailures: byCause } = snapshot.totals;
    expect(probeSuccesses + probeFailures(snapshot.totals)).toBe(world.probes);
    expect(byCause.tcp).toBe(probeFailures(snapshot.totals));
  });
});

describe('a snapshot', () => {
  it('does not grow: a year of trouble is as large as a day', async () => {
    const { publications } = await situation('upstream_down');
    let history: History = createHistory(fix.settings(), fix.at(0));
    const sizes: number[] = [];
    for (let round = 0; round < 20; round++) {
      history = publications.reduce(record, history);
      sizes.push(JSON.stringify(history.snapshot.events).length + history.snapshot.probes.length);
    }
    expect(sizes.at(-1)).toBe(sizes.at(-2));
    expect(history.snapshot.probes).toHaveLength(60);
    expect(history.snapshot.events.length).toBeLessThanOrEqual(50);
  });

  it('cuts short and makes harmless what comes from outside', async () => {
    const subject = `CN=\u001b[31mred\u202e${'x'.repeat(100_000)}`;
    const world = createWorld();
    world.write('A', { leaf: fix.certificate({ subject }) });
    world.startWatcher();
    await world.advance(60_000);
    const snapshot = snapshotOf(world);
    const text = JSON.stringify([snapshot.cycle?.certificates, snapshot.events, snapshot.assessment]);
    expect(text.length).toBeLessThan(20_000);
    expect(text).not.toMatch(/\u202e|\\u001b/);
  });

  it('keeps what was known while files are just being written', async () => {
    const { snapshot } = await situation('changing');
    expect(snapshot.cycle?.files).toBe('changing');
    expect(snapshot.assessment.level).toBe('ok');
  });
});

describe('a loop that is stuck', () => {
  it('is told from one that turns', async () => {
    const { snapshot, now } = await situation('well');
    expect(isAlive(snapshot, now.monoMs)).toBe(true);
    expect(isAlive(snapshot, now.monoMs + 35_000)).toBe(true);
    expect(isAlive(snapshot, now.monoMs + 60_000)).toBe(false);
  });

  it('is critical, whatever was so before', async () => {
    const { snapshot, now } = await situation('well');
    const assessment = assessmentAt(snapshot, { ...now, monoMs: now.monoMs + 300_000 });
    expect(assessment).toMatchObject({ level: 'critical', findings: [{ about: 'watcher' }] });
    expect(assessment.sentence).toMatch(/its last cycle ended 5m\d+s ago$/);
  });

  it('is not one that restarts a broker which takes its time', async () => {
    const { snapshot, now } = await situation('restarting');
    expect(isAlive(snapshot, now.monoMs + 90_000)).toBe(true);
    expect(isAlive(snapshot, now.monoMs + 400_000)).toBe(false);
  });

  it.each(['engine_down', 'upstream_down', 'rejected'])('is not one in trouble: %s', async (name) => {
    const { snapshot, now } = await situation(name);
    expect(isAlive(snapshot, now.monoMs)).toBe(true);
  });

  it('may also be one that has never come to its first cycle', () => {
    const { snapshot } = createHistory(fix.settings(), fix.at(0));
    expect(isAlive(snapshot, fix.at(30_000).monoMs)).toBe(true);
    expect(isAlive(snapshot, fix.at(60_000).monoMs)).toBe(false);
  });
});
