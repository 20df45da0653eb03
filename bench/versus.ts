/**
 * How late this build of the watcher is, and another one: each has a gateway of its own, and their rotations take turns, so
 * that a slow minute of the machine meets both.
 *
 *     make bench-versus OTHER=/path/to/mosquitto-cert-watcher                # seven minutes
 *     ROTATIONS=1 make bench-versus OTHER=/path/to/mosquitto-cert-watcher    # the first after a start alone
 *
 * Needs an engine (DOCKER_HOST), Debian's mosquitto, and `make build`.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngineProxy } from '../lab/engine-proxy.ts';
import { until } from '../lab/until.ts';
import { createGateway, EXECUTABLE } from './gateway.ts';
import { machine } from './machine.ts';
import { quantile } from './quantile.ts';

const ROTATIONS = Number(process.env['ROTATIONS'] ?? 30);
const WINDOW_MS = 3_000;
/** From a restart to the next rotation: the verification is over by then. */
const PAUSE_MS = 3_000;

interface Lane {
  /** Makes a rotation. Resolves after the restart, with the milliseconds from the last rename to the call, less the window. */
  rotate(): Promise<number>;
  end(): Promise<void>;
}

const other = process.env['OTHER'] ?? '';
if (!existsSync(other)) {
  process.stderr.write(`OTHER=${other} has to be the path of another executable of the watcher\n`);
  process.exit(2);
}
const lanes: Lane[] = [];
process.once('SIGINT', () => end().then(() => process.exit(130)));
try {
  for (const executable of [EXECUTABLE, other]) lanes.push(await laneOf(executable));
  const lateMs: number[][] = lanes.map(() => []);
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const inTurn = [...lanes.entries()];
    // one after the other: a certificate that is made for one would delay the call of the other on its way to the proxy
    for (const [index, lane] of rotation % 2 === 0 ? inTurn : inTurn.reverse()) {
      lateMs[index]?.push(await lane.rotate());
      await sleep(PAUSE_MS);
    }
  }
  report(lateMs);
} finally {
  await end();
}

async function end(): Promise<void> {
  for (const lane of lanes.splice(0)) await lane.end();
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

function report(lateMs: readonly (readonly number[])[]): void {
  const rows = ['this build', 'the other one'].map((name, index) => {
    // the first rotation compiles what has not run before
    const [first = Number.NaN, ...later] = lateMs[index] ?? [];
    const ascending = later.toSorted((a, b) => a - b);
    const figures = [first, ...[0.5, 0.9, 1].map((share) => quantile(ascending, share))];
    return `| ${name} | ${figures.map(shown).join(' | ')} |`;
  });
  const lines = [
    `${machine()}; ${ROTATIONS} rotations each, in turn;`,
    `late = from the last rename to the call to the engine, less the window of ${WINDOW_MS} ms`,
    '',
    '| late | the first | median of the others | 90 % | slowest |',
    '|---|---|---|---|---|',
    ...rows,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Of a single rotation there are no others. */
function shown(ms: number): string {
  return Number.isNaN(ms) ? '' : `${Math.round(ms)} ms`;
}
