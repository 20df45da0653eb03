/**
 * What may happen to a gateway, in any order: files, clocks, the engine, the broker, the upstream and the watcher
 * itself. Each act has a name, so that a history that breaks a promise can be read.
 */

import fc from 'fast-check';
import * as fix from '../../lab/core-fixtures.ts';
import type { HealthCheck, World } from '../../lab/world.ts';
import type { ContainerState } from '../../src/core/model/container.ts';

export interface Gateway {
  readonly world: World;
  readonly withStateFile: boolean;
  watcher: ReturnType<World['startWatcher']>;
  /** the upstream answers nobody */
  upstreamDown: boolean;
  clockHasJumped: boolean;
  /** sets that lay on disk when the operator wanted a restart */
  readonly waivers: string[];
  /** how often the watcher was killed */
  kills: number;
  /** sets that the upstream has refused to the present watcher, with when */
  refusals: { readonly identity: string; readonly sinceMs: number; untilMs: number }[];
}

/** longer than any probe of the simulated gateway */
const PROBE_MS = 2_200;

/** A gateway whose upstream refuses the set called `refused`; nothing has happened to it yet. */
export function gatewayIn(world: World, withStateFile: boolean): Gateway {
  const gateway: Gateway = {
    world,
    withStateFile,
    upstreamDown: false,
    clockHasJumped: false,
    kills: 0,
    refusals: [],
    waivers: [],
    watcher: { kill: () => undefined, hang: () => undefined, stop: async () => undefined },
  };
  world.verdict = ({ fingerprint, identity }) => {
    if (fingerprint === 'mismatched')
      return fix.probeFailure({ cause: 'client_key_mismatch', phase: 'files' });
    if (gateway.upstreamDown) return fix.probeFailure({ cause: 'tcp', phase: 'tcp' });
    if (fingerprint !== 'refused') return fix.probeSuccess();
    // the verdict is there when the probe has ended
    const sinceMs = world.elapsedMs() + PROBE_MS;
    gateway.refusals.push({ identity, sinceMs, untilMs: Number.POSITIVE_INFINITY });
    return fix.probeFailure();
  };
  return gateway;
}

/** A set, a broker that has long had it, and then a watcher. */
export async function begin(gateway: Gateway): Promise<void> {
  const { world } = gateway;
  world.write('A');
  await world.advance(1_000);
  world.startByHand();
  await world.advance(600_000);
  gateway.watcher = world.startWatcher();
  await world.advance(10_000);
}

/** `FinishedAt` of a broker that somebody has stopped; nobody but whoever stopped it may start it. */
export const BY_HAND = 'by hand';

export interface Act {
  readonly name: string;
  /** it says something about time or memory that only a state file survives */
  readonly needsStateFile?: true;
  /** it takes the place of a restart in the engine's memory */
  readonly hides?: true;
  /** after it, the upstream answers nobody */
  readonly silences?: true;
  /** after it, nobody can tell who has stopped the broker */
  readonly stops?: true;
  /** after it, the broker may be told to be unhealthy, or running with what nobody can know */
  readonly clouds?: true;
  /** somebody is quicker than the call after a look, which shows in the id of a container; a unit has none */
  readonly outruns?: true;
  run(gateway: Gateway): Promise<void> | void;
}

/** The sets that work. */
export const GOOD = ['A', 'B', 'C', 'D'];

const HOUR_MS = 3_600_000;
/** RESTART_VERIFY_TIMEOUT, and a little more */
const VERIFICATION_MS = 35_000;

function act(name: string, run: Act['run'], traits: Omit<Act, 'name' | 'run'> = {}): Act {
  return { name, run, ...traits };
}

const complaint = (problem: string) => ({ file: 'client.crt', cause: 'any', problem, hint: 'wait' });

const files: readonly Act[] = [
  ...GOOD.map((name) => act(`write ${name}`, ({ world }) => world.write(name))),
  act('write the same again', ({ world }) => {
    if (world.files.kind === 'complete')
      world.put({ ...world.files, newestCtimeMs: world.clock.now().wallMs });
  }),
  act('files vanish', ({ world }) =>
    world.put({ kind: 'incomplete', identity: 'gone', complaints: [complaint('does not exist')] }),
  ),
  act('half a file', ({ world }) =>
    world.put({ kind: 'unparsable', identity: 'half', complaints: [complaint('looks half-written')] }),
  ),
  act('a file changes all the time', ({ world }) => world.put({ kind: 'changing', identity: 'changing' })),
  act(
    'another set lies there while somebody starts the broker',
    async ({ world }) => {
      const { files: before } = world;
      if (before.kind !== 'complete') return;
      world.write('D');
      await world.advance(2_000);
      world.startByHand();
      // while a restart is verified nobody looks at the files
      await world.advance(VERIFICATION_MS);
      world.put({ ...before, newestCtimeMs: world.clock.now().wallMs });
    },
    { hides: true },
  ),
  act('write an expired set', ({ world }) =>
    world.write('expired', {
      leaf: fix.certificate({ notBeforeMs: 0, notAfterMs: fix.EPOCH_MS - 30 * fix.DAY_MS }),
    }),
  ),
  act('write a set of the future', ({ world }) =>
    world.write('future', { leaf: fix.certificate({ notBeforeMs: fix.EPOCH_MS + 400 * fix.DAY_MS }) }),
  ),
  act('write a set with a foreign key', ({ world }) => world.write('mismatched')),
  act('write a set that the upstream refuses', ({ world }) => world.write('refused')),
];

function restartCalls(call: World['restartCall']): Act {
  return act(`restart calls: ${call}`, ({ world }) => {
    world.restartCall = call;
  });
}

const engine: readonly Act[] = [
  act('the engine goes down', ({ world }) => {
    world.engineDown = fix.engineFailure();
  }),
  act('the engine hangs', ({ world }) => {
    world.engineDown = fix.engineFailure({ cause: 'timeout', mayHaveHappened: true });
  }),
  act('the engine comes back', ({ world }) => {
    world.engineDown = undefined;
  }),
  ...(['refused', 'works'] as const).map(restartCalls),
  ...(['answer_lost', 'lost', 'stops_and_fails'] as const).map(
    (call) => ({ ...restartCalls(call), stops: true }) as const,
  ),
];

/** The broker ends: by a stop of somebody's, or by itself, which a restart policy does not let be. */
function end(name: string, ended: Partial<ContainerState>): Act {
  return act(name, ({ world }) => {
    const { broker } = world;
    if (broker?.status !== 'running') return;
    world.broker = { ...broker, up: false, status: 'exited', ...ended };
  });
}

const BY_A_CRASH = { finishedAt: 'by a crash' };
const policy = (name: string, retries = 0) => ({ restartPolicy: { name, retries } });

/** How brokers end, under each restart policy that would have it so. */
const ends: readonly Act[] = [
  ...[0, 130, 143].map((exitCode) =>
    end(`somebody stops the broker: ${exitCode}`, { exitCode, finishedAt: BY_HAND, ...policy('no') }),
  ),
  ...['always', 'unless-stopped', 'on-failure'].map((name) =>
    end(`somebody stops the broker under the restart policy ${name}: 137`, {
      exitCode: 137,
      finishedAt: BY_HAND,
      ...policy(name),
    }),
  ),
  ...[1, 137, 139].map((exitCode) =>
    end(`the broker crashes: ${exitCode}`, { exitCode, ...BY_A_CRASH, ...policy('no') }),
  ),
  end('the kernel kills something in the broker, which ends', {
    exitCode: 0,
    oomKilled: true,
    ...BY_A_CRASH,
    ...policy('no'),
  }),
  end('the broker crashes as often as its restart policy lets it', {
    exitCode: 1,
    restartCount: 3,
    ...BY_A_CRASH,
    ...policy('on-failure', 3),
  }),
  end('the engine cannot start the broker', {
    exitCode: 128,
    startError: 'no such device',
    ...BY_A_CRASH,
    ...policy('always'),
  }),
];

function check(name: string, of: HealthCheck | undefined): Act {
  return act(name, ({ world }) => {
    for (const broker of world.brokers.values()) broker.check = of;
  });
}

const health: readonly Act[] = [
  check('from now on the broker has a health check that takes longer than a restart is verified', {
    says: 'healthy',
    afterMs: 45_000,
  }),
  { ...check('from now on the health check fails', { says: 'unhealthy', afterMs: 45_000 }), clouds: true },
  {
    ...check('from now on the health check never comes', {
      says: 'healthy',
      afterMs: Number.POSITIVE_INFINITY,
    }),
    clouds: true,
  },
  check('from now on the broker has no health check', undefined),
  act('somebody pauses the broker', ({ world }) => world.pause()),
  act('somebody pauses the broker right after its restart', async ({ world }) => {
    const before = world.restarts.length;
    for (let step = 0; step < 150 && world.restarts.length === before; step++) await world.advance(100);
    world.pause();
  }),
  act('somebody lets the broker go on', ({ world }) => world.unpause()),
];

const broker: readonly Act[] = [
  act('somebody starts the broker', ({ world }) => world.startByHand(), { hides: true }),
  act(
    'the container is removed',
    ({ world }) => {
      world.broker = undefined;
    },
    { needsStateFile: true },
  ),
  act('the container is created again', ({ world }) => world.recreate(), {
    needsStateFile: true,
    hides: true,
  }),
  act(
    'the container is created again right after a look at it',
    async ({ world }) => {
      world.afterInspection = () => {
        world.afterInspection = undefined;
        world.recreate();
      };
      world.write('C');
      await world.advance(15_000);
      world.afterInspection = undefined;
    },
    { needsStateFile: true, hides: true, outruns: true },
  ),
  act(
    'from now on the broker dies after its start',
    ({ world }) => {
      world.nextStart = { up: false, status: 'exited', exitCode: 1, ...policy('no') };
    },
    { clouds: true },
  ),
  act(
    'a set comes with which the broker dies',
    async ({ world }) => {
      world.nextStart = { up: false, status: 'exited', exitCode: 1, ...policy('no') };
      world.write('B');
      // longer than two cooldowns
      await world.advance(150_000);
      world.nextStart = {};
    },
    { clouds: true },
  ),
  act('from now on the broker lives after its start', ({ world }) => {
    world.nextStart = {};
  }),
];

const upstream: readonly Act[] = [
  act(
    'the upstream goes down',
    (gateway) => {
      gateway.upstreamDown = true;
    },
    { silences: true },
  ),
  act(
    'the upstream refuses a set and then goes down',
    async (gateway) => {
      gateway.upstreamDown = false;
      gateway.world.write('refused');
      await gateway.world.advance(15_000);
      gateway.upstreamDown = true;
      await gateway.world.advance(45_000);
    },
    { silences: true },
  ),
  act('the upstream comes back', (gateway) => {
    gateway.upstreamDown = false;
  }),
];

function jump(name: string, ms: number): Act {
  const run = (gateway: Gateway) => {
    // a clock that goes back and forth again leaves times that are in no order at all
    if (gateway.clockHasJumped) return;
    gateway.clockHasJumped = true;
    gateway.world.clock.jumpWall(ms);
  };
  return act(name, run, { needsStateFile: true });
}

function kill(gateway: Gateway): void {
  // the wall clock is all that carries a cooldown from one watcher to the next
  if (gateway.clockHasJumped) return;
  gateway.kills += 1;
  gateway.watcher.kill();
  // what it knew of the upstream has gone with it
  for (const refusal of gateway.refusals)
    refusal.untilMs = Math.min(refusal.untilMs, gateway.world.elapsedMs());
  gateway.watcher = gateway.world.startWatcher();
}

const rest: readonly Act[] = [
  act('the watcher is killed and starts again', kill),
  act('the watcher is killed during the restart for a new set', async (gateway) => {
    const { world } = gateway;
    const before = world.asks.length;
    world.write(world.files.kind === 'complete' && world.files.fingerprint === 'D' ? 'C' : 'D');
    for (let step = 0; step < 150 && world.asks.length === before; step++) await world.advance(100);
    kill(gateway);
  }),
  act('the operator wants the restart now', ({ world, waivers }) => {
    if (world.files.kind === 'complete') waivers.push(world.files.fingerprint);
    world.request('restart');
  }),
  act('the operator wants a look', ({ world }) => world.request('look')),
  jump('the clock jumps forward', HOUR_MS),
  jump('the clock jumps back', -HOUR_MS),
];

const wait = fc
  .oneof(fc.integer({ min: 1, max: 15_000 }), fc.integer({ min: 15_000, max: 120_000 }))
  .map((ms) => act(`wait ${ms} ms`, ({ world }) => world.advance(ms)));

/** One act; waiting is as likely as anything with the files. */
export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: wait },
  { weight: 4, arbitrary: fc.constantFrom(...files) },
  { weight: 3, arbitrary: fc.constantFrom(...engine) },
  { weight: 3, arbitrary: fc.oneof(fc.constantFrom(...broker), fc.constantFrom(...ends)) },
  { weight: 1, arbitrary: fc.constantFrom(...health) },
  { weight: 1, arbitrary: fc.constantFrom(...upstream) },
  { weight: 2, arbitrary: fc.constantFrom(...rest) },
);
