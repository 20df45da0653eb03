/**
 * How late this build of the watcher is, and another one: each has a gateway of its own, and their rotations take turns, so
 * that a slow minute of the machine meets both.
 *
 *     make bench-versus OTHER=/path/to/mosquitto-cert-watcher                          # eight minutes
 *     STARTS=14 ROTATIONS=1 make bench-versus OTHER=/path/to/mosquitto-cert-watcher    # the first after a start: twelve
 *
 * Needs an engine (DOCKER_HOST), Debian's mosquitto, and `make build`.
 */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngineProxy } from '../lab/engine-proxy.ts';
import { until } from '../lab/until.ts';
import { createGateway, EXECUTABLE } from './gateway.ts';
import { machine } from './machine.ts';
import { numberFrom, refuse } from './options.ts';
import { quantile } from './quantile.ts';

/** So often both are started, */
const STARTS = numberFrom('STARTS', 1);
/** and make so many rotations after each start. */
const ROTATIONS = numberFrom('ROTATIONS', 30);
const WINDOW_MS = 3_000;
/** From a restart to the next rotation: the verification is over by then. */
const PAUSE_MS = 3_000;
/** The runtime gives up the code of the start in its first seconds: a rotation meets either both before that, or both after. */
const SETTLED_MS = 30_000;

interface Lane {
  /** Makes a rotation. Resolves after the restart, with the milliseconds from the last rename to the call, less the window. */
  rotate(): Promise<number>;
  end(): Promise<void>;
}

const other = process.env['OTHER'] ?? '';
if (!existsSync(other)) refuse(`OTHER=${other} has to be the path of another executable of the watcher`);
// a daemon does not start in this directory
const executables = [EXECUTABLE, resolve(other)];
/** By executable: how late the first rotation after each start was, and the others. */
const lateMs = executables.map(() => ({ first: [] as number[], later: [] as number[] }));
const lanes: Lane[] = [];
process.once('SIGINT', () => end().then(() => process.exit(130)));
try {
  for (let start = 0; start < STARTS; start++) {
    for (const [index, executable] of inTurn(executables, start)) lanes[index] = await laneOf(executable);
    await sleep(SETTLED_MS);
    for (let rotation = 0; rotation < ROTATIONS; rotation++) await rotateInTurn(start + rotation, rotation);
    await end();
  }
  report();
} finally {
  await end();
}

/** One after the other: a certificate that is made for one would delay the call of the other on its way to the proxy. */
async function rotateInTurn(turn: number, rotation: number): Promise<void> {
  for (const [index, lane] of inTurn(lanes, turn)) {
    lateMs[index]?.[rotation === 0 ? 'first' : 'later'].push(await lane.rotate());
    await sleep(PAUSE_MS);
  }
}

/** Both with their indices, the one or the other first. */
function inTurn<T>(both: readonly T[], turn: number): [number, T][] {
  const entries = [...both.entries()];
  return turn % 2 === 0 ? entries : entries.reverse();
}

/** Of one that is interrupted while it starts, there may be the second alone. */
async function end(): Promise<void> {
  for (const lane of lanes.splice(0)) await lane?.end();
}

async function laneOf(executable: string): Promise<Lane> {
  const gateway = await createGateway();
  const socketPath = join(gateway.directory, 'engine.sock');
  const proxy = await startEngineProxy({ target: gateway.broker.engine.socketPath, socketPath });
  const settings = { DOCKER_SOCK: socketPath, STABILITY_WINDOW: `${WINDOW_MS}ms`, RESTART_COOLDOWN: '0' };
  const daemon = gateway.watch(settings, executable);
  await daemon.says('broker_already_current');
  return {
    rotate: async () => {
      const callsBefore = proxy.restartCalls().length;
      const restartsBefore = gateway.broker.restarts();
      const writtenAt = await gateway.rotate();
      const call = await until('the call to the engine', () => proxy.restartCalls()[callsBefore]);
      await until('the restart', () => gateway.broker.restarts() > restartsBefore);
      return call.atMs - writtenAt - WINDOW_MS;
    },
    end: async () => {
      await gateway.end();
      await proxy.close();
    },
  };
}

function report(): void {
  const rows = ['this build', 'the other one'].map((name, index) => {
    const { first = [], later = [] } = lateMs[index] ?? {};
    const figures = [first, later].flatMap((late) => {
      const ascending = late.toSorted((a, b) => a - b);
      return [0.5, 0.9, 1].map((share) => quantile(ascending, share));
    });
    return `| ${name} | ${figures.map(shown).join(' | ')} |`;
  });
  const lines = [
    `${machine()}; starts of each: ${STARTS}; rotations after each start, in turn: ${ROTATIONS};`,
    `late = from the last rename to the call to the engine, less the window of ${WINDOW_MS} ms;`,
    'the first rotation after a start compiles what has not run before',
    '',
    '| late | the first: median | 90 % | slowest | the others: median | 90 % | slowest |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** With one rotation after each start there are no others. */
function shown(ms: number): string {
  return Number.isNaN(ms) ? '' : `${Math.round(ms)} ms`;
}
