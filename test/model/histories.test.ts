/**
 * Promises that hold in any history, played with the real loop and the real core on a fake clock.
 *
 *     HISTORIES=20000 SEED=$RANDOM npx vitest run --project unit test/model    # more, and others
 *     SEED=123 HISTORY=4:1:0 npx vitest run --project unit test/model          # one again, as a failure names it
 *     THOROUGH=1 npx vitest run --project unit test/model                      # as many as `.ci/run` plays
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWorld, type WorldOptions } from '../../lab/world.ts';
import { REASONS, type State } from '../../src/core/decision/diagram.ts';
import { conditionOf, startedAfter } from '../../src/core/model/broker.ts';
import type { ContainerState } from '../../src/core/model/container.ts';
import type { Settings } from '../../src/core/model/settings.ts';
import { sample } from '../support/thorough.ts';
import { type Act, anyAct, BY_HAND, begin, type Gateway, GOOD, gatewayIn } from './acts.ts';
import { isAllowed, OFTEN, OFTEN_MS } from './often.ts';

const COOLDOWN_MS = 60_000;
const HISTORIES = Number(process.env['HISTORIES'] ?? sample({ many: 4_500, some: 900 }));
const { HISTORY } = process.env;
/** Always the same histories, so that a change is judged and no throw of dice; any other number plays others. */
const SEED = Number(process.env['SEED'] ?? 20_261_125);

/** Cycles of the loop, if no other number of histories is asked for. */
const PROMISED_CYCLES =
  process.env['HISTORIES'] === undefined && HISTORY === undefined
    ? sample({ many: 1_000_000, some: 200_000 })
    : 0;

/** Of a broker that is a unit of systemd, which share all but the look and the call with a container. */
const UNIT_HISTORIES = Math.ceil(HISTORIES / 9);

/** With an engine that takes longer for an answer than there is between two looks. */
const SLOW_HISTORIES = Math.ceil(HISTORIES / 5);
const SLOW: WorldOptions = { answerMs: 900, settings: { checkIntervalMs: 700 } };

type Kind = 'container' | 'unit';

interface History {
  readonly acts: readonly Act[];
  readonly withStateFile: boolean;
  readonly settings: Partial<Settings>;
}

const history: fc.Arbitrary<History> = fc.record({
  acts: fc.array(anyAct, { maxLength: 30 }),
  withStateFile: fc.boolean(),
  settings: fc.record({
    probeGate: fc.constantFrom('off', 'rejected', 'any'),
    probeEnabled: fc.boolean(),
    metricsEnabled: fc.boolean(),
    stabilityWindowMs: fc.constantFrom(0, 1_000, 10_000),
    splayMs: fc.constantFrom(0, 0, 20_000),
    restartWindow: fc.oneof(
      { weight: 7, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constant(OFTEN) },
    ),
  }),
});

async function play(
  { acts, withStateFile, settings }: History,
  kind: Kind,
  differently: WorldOptions = {},
): Promise<Gateway> {
  const world = createWorld({
    withStateFile,
    ...differently,
    ...(kind === 'unit' && { unit: {} }),
    // an id of somebody else's container begins like that
    settings: {
      targetLabel: 'a7',
      cooldownMs: COOLDOWN_MS,
      probeIntervalMs: 20_000,
      ...differently.settings,
      ...settings,
    },
  });
  const gateway = gatewayIn(world, withStateFile);
  await begin(gateway);
  for (const act of acts) {
    // times are all that a watcher without a state file has to go by after it was killed
    if (act.needsStateFile && !withStateFile) continue;
    if (act.outruns && kind === 'unit') continue;
    await act.run(gateway);
    // an excursion that is over before anybody looks again is no excursion
    await world.advance(3_000);
  }
  return gateway;
}

/** Everything is repaired, a good set lies there, and enough time passes. */
async function recover(gateway: Gateway, acts: readonly Act[]) {
  const { world } = gateway;
  world.engineDown = undefined;
  world.restartCall = 'works';
  world.nextStart = {};
  for (const broker of world.brokers.values()) broker.check = undefined;
  world.unpause();
  gateway.upstreamDown = false;
  // a container that is made again is started with what lies there
  if (world.broker === undefined) world.startByHand();
  const { files } = world;
  const isGood = files.kind === 'complete' && GOOD.includes(files.fingerprint);
  // a set with which the broker has died is not tried again: that is a promise too
  if (!isGood || acts.some(({ clouds }) => clouds)) world.write('E');
  // a window comes within ten minutes
  const untilOpenMs = world.settings.restartWindow === undefined ? 0 : OFTEN_MS;
  await world.advance(5 * COOLDOWN_MS + untilOpenMs);
  // a broker that was stopped is left to whoever stopped it
  const isForgotten =
    gateway.kills > 0 && world.broker !== undefined && conditionOf(world.broker) === 'stopped';
  if (world.broker?.up === false && (world.broker.finishedAt === BY_HAND || isForgotten)) world.startByHand();
  await world.advance(2 * COOLDOWN_MS + untilOpenMs);
}

/** Every arrow of the seed's diagram; a walk also ends early at the probe, held or switched off. */
const ARROWS: Readonly<Record<State, readonly State[]>> = {
  INITIALIZE: ['CHECK_CERTS'],
  CHECK_CERTS: ['CERTS_MISSING', 'CERTS_FOUND'],
  CERTS_MISSING: ['UPDATE_STATE'],
  CERTS_FOUND: ['PARSE_CERT', 'CHECK_STABILITY'],
  PARSE_CERT: ['VALIDATE_CERT', 'CERT_INVALID'],
  VALIDATE_CERT: ['CERT_EXPIRED', 'CERT_INVALID', 'CERT_VALID'],
  CERT_INVALID: ['UPDATE_STATE'],
  CERT_EXPIRED: ['UPDATE_STATE'],
  CERT_VALID: ['CHECK_STABILITY'],
  CHECK_STABILITY: ['NOT_STABLE', 'STABLE'],
  NOT_STABLE: ['UPDATE_STATE'],
  STABLE: ['CHECK_COOLDOWN'],
  CHECK_COOLDOWN: ['IN_COOLDOWN', 'READY'],
  IN_COOLDOWN: ['UPDATE_STATE'],
  READY: ['CHECK_HASH'],
  CHECK_HASH: ['HASH_UNCHANGED', 'HASH_CHANGED'],
  HASH_UNCHANGED: ['UPDATE_STATE'],
  HASH_CHANGED: ['TLS_PROBE', 'RESTART_MOSQUITTO', 'UPDATE_STATE'],
  TLS_PROBE: ['RESTART_MOSQUITTO', 'UPDATE_STATE'],
  RESTART_MOSQUITTO: ['UPDATE_STATE'],
  UPDATE_STATE: ['WAIT_INTERVAL'],
  WAIT_INTERVAL: [],
};

/** What every single decision promises. */
function checkDecisions({ world }: Gateway): number {
  let cycles = 0;
  for (const { cycle } of world.publications) {
    if (cycle === undefined) continue;
    cycles += 1;
    const { decision } = cycle;
    const waitMs = decision.nextLookMonoMs - decision.situation.now.monoMs;
    if (!(waitMs > 0 && waitMs <= world.settings.checkIntervalMs))
      throw new Error(`the next look is ${waitMs} ms away`);
    if (!REASONS.includes(decision.reason)) throw new Error(`there is no reason ${decision.reason}`);
    if (decision.sentence === '') throw new Error(`${decision.reason} has no sentence`);
    for (const [index, state] of decision.path.slice(0, -1).entries()) {
      const next = decision.path[index + 1];
      if (next === undefined || !ARROWS[state].includes(next))
        throw new Error(`no arrow leads from ${state} to ${next}`);
    }
    if (decision.path.at(-1) !== 'WAIT_INTERVAL') throw new Error(`the walk ends at ${decision.path.at(-1)}`);
  }
  return cycles;
}

/** Restarts, by what the engine was asked and did. */
function checkRestarts(gateway: Gateway, acts: readonly Act[]): void {
  const { world, withStateFile } = gateway;
  // a call that is refused certainly did not happen; one that was lost is remembered only in a state file
  const calls = world.asks.filter(({ call }) => call !== 'refused');
  const times = (withStateFile ? calls : world.restarts).map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
  // the cooldown of a restart counts from its answer
  const closest = Math.min(Number.POSITIVE_INFINITY, ...gaps);
  // without a state file the engine's memory of a predecessor's restart is all there is
  const isKnown = withStateFile || gateway.kills === 0 || !acts.some(({ hides }) => hides);
  if (isKnown) expect(closest, 'between two restarts').toBeGreaterThanOrEqual(COOLDOWN_MS);
  const asked = world.asks.map(({ files }) => (files.kind === 'complete' ? files.fingerprint : files.kind));
  const allowed = [...GOOD, 'E', ...unprovable(world.settings, acts)];
  expect(
    asked.filter((name) => !allowed.includes(name)),
    'restarts into what cannot work',
  ).toEqual([]);
  if (!acts.some(({ stops }) => stops))
    expect(
      world.asks.filter(({ broker }) => isStoppedByHand(broker)),
      'starts of a stopped broker',
    ).toEqual([]);
  expect(
    world.asks.filter(({ broker }) => broker.status === 'paused'),
    'restarts of a paused broker',
  ).toEqual([]);
  // one that passes, however late, is no failure
  if (!acts.some(({ clouds }) => clouds))
    expect(
      world.events('broker_unhealthy').filter(({ details }) => /health check/.test(String(details['error']))),
      'health checks that are told to have failed',
    ).toEqual([]);
  expect(world.foreignCalls, 'restarts of another container').toBe(0);
  expect(intoRefused(gateway), 'restarts into what was refused').toEqual([]);
  expect(outsideOfWindow(gateway), 'restarts outside of the window').toEqual([]);
  expect(needless(gateway), 'restarts of a broker that runs with the set').toEqual([]);
  // a successor judges by the state file and by times, which a clock that was set in between confuses
  if (gateway.kills === 0 || (withStateFile && !gateway.clockHasJumped)) {
    const done = world.asks.filter(({ call }) => call === 'works').map(({ files }) => files.identity);
    expect(done.length - new Set(done).size, 'second restarts for the same set').toBe(0);
  }
}

function isStoppedByHand(broker: ContainerState | undefined): boolean {
  return broker !== undefined && !broker.up && broker.finishedAt === BY_HAND;
}

/** Restarts at a time that the window does not allow, of a broker that runs, and that nobody has asked for. */
function outsideOfWindow({ world, waivers }: Gateway): string[] {
  if (world.settings.restartWindow === undefined) return [];
  return world.asks.flatMap(({ atMs, files, broker }) => {
    const isWaived = files.kind === 'complete' && waivers.includes(files.fingerprint);
    return isAllowed(atMs) || isWaived || !broker.up ? [] : [`${files.identity} at ${atMs}`];
  });
}

/** Restarts of a broker that was started after the files were last changed, where nothing has confused the times. */
function needless({ world, clockHasJumped }: Gateway): string[] {
  if (clockHasJumped) return [];
  return world.asks.flatMap(({ files, loaded, broker }) => {
    const has = files.kind === 'complete' && loaded === files.fingerprint;
    return has && broker.up && startedAfter(broker, files.newestCtimeMs) ? [files.identity] : [];
  });
}

/** Restarts for sets that the upstream had refused to this very watcher, where that counts. */
function intoRefused({ world, refusals }: Gateway): string[] {
  const { probeEnabled, probeGate } = world.settings;
  if (!probeEnabled || probeGate === 'off') return [];
  return world.asks.flatMap(({ atMs, files }) =>
    refusals.some(
      ({ identity, sinceMs, untilMs }) => identity === files.identity && sinceMs < atMs && atMs < untilMs,
    )
      ? [files.identity]
      : [],
  );
}

/** What nobody can know to be bad: without a probe, where its word does not count, and where nobody answers it. */
function unprovable({ probeEnabled, probeGate }: Settings, acts: readonly Act[]): string[] {
  if (!probeEnabled) return ['mismatched', 'refused'];
  if (probeGate === 'off') return ['refused'];
  return probeGate === 'rejected' && acts.some(({ silences }) => silences) ? ['refused'] : [];
}

function explain(run: fc.RunDetails<[History]>) {
  if (!run.failed) return;
  const [found] = run.counterexample ?? [];
  const acts = found?.acts.map(({ name }) => name).join('; ');
  const { withStateFile, settings } = found ?? {};
  throw new Error(
    `SEED=${run.seed} HISTORY=${run.counterexamplePath}\nstate file: ${withStateFile}, ${JSON.stringify({ ...settings, restartWindow: settings?.restartWindow?.text })}\n${acts}\n${run.errorInstance}`,
  );
}

describe('in any history', { timeout: 300_000 }, () => {
  let cycles = 0;

  it.each<[Kind, number]>([
    ['container', HISTORIES],
    ['unit', UNIT_HISTORIES],
  ])(
    'restarts of a %s are rare, never into what cannot work, and in the end it has what lies there',
    (kind, numRuns) =>
      fc.assert(
        fc.asyncProperty(history, async (one) => {
          const gateway = await play(one, kind);
          checkRestarts(gateway, one.acts);
          await recover(gateway, one.acts);
          const { files, loaded, restarts } = gateway.world;
          expect(loaded, 'what the broker has loaded').toBe(
            files.kind === 'complete' ? files.fingerprint : '?',
          );
          const before = restarts.length;
          await gateway.world.advance(600_000);
          expect(restarts.length - before, 'restarts while nothing changes').toBe(0);
          checkRestarts(gateway, one.acts);
          expect(gateway.world.events('cycle_failed'), 'cycles that failed').toEqual([]);
          expect(gateway.world.lastMemory()?.start, 'a restart whose end is not told').toBe(undefined);
          cycles += checkDecisions(gateway);
        }),
        {
          numRuns,
          reporter: explain,
          seed: SEED,
          ...(HISTORY !== undefined && { path: HISTORY }),
        },
      ),
  );

  it('no restart breaks a promise, and no cycle fails, where the engine takes its time', () =>
    fc.assert(
      fc.asyncProperty(history, async (one) => {
        const gateway = await play(one, 'container', SLOW);
        checkRestarts(gateway, one.acts);
        expect(gateway.world.events('cycle_failed'), 'cycles that failed').toEqual([]);
        checkDecisions(gateway);
      }),
      { numRuns: SLOW_HISTORIES, reporter: explain, seed: SEED },
    ));

  it(`has been tried for ${PROMISED_CYCLES} cycles of the loop`, () => {
    expect(cycles).toBeGreaterThanOrEqual(PROMISED_CYCLES);
  });
});
