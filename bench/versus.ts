/**
 * How late this build of the watcher is, and another one, side by side: each has a gateway of its own, and their rotations
 * take turns, so that a slow minute of the machine meets both.
 *
 *     make bench-versus OTHER=/path/to/mosquitto-cert-watcher                # seven minutes
 *     ROTATIONS=20 make bench-versus OTHER=/path/to/mosquitto-cert-watcher
 *
 * Needs an engine (DOCKER_HOST), Debian's mosquitto, and `make build`.
 */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngineProxy } from '../lab/engine-proxy.ts';
import { until } from '../lab/until.ts';
import { createGateway, EXECUTABLE } from './gateway.ts';
import { machine } from './machine.ts';
import { quantile } from './quantile.ts';

const ROTATIONS = Number(process.env['ROTATIONS'] ?? 60);
const WINDOW_MS = 3_000;
/** From a restart to the next rotation: the verification is over by then. */
const PAUSE_MS = 3_000;

const other = process.env['OTHER'];
if (other === undefined || other === '') throw new Error('OTHER has to be the path of another executable');
const [ours, theirs] = await Promise.all([
  lateness(EXECUTABLE, 0),
  // while the first waits for its window, this one restarts, and the other way round
  lateness(other, PAUSE_MS),
]);
report(ours, theirs);

/** Milliseconds from the last rename to the call, less the window; ascending. */
async function lateness(executable: string, afterMs: number): Promise<readonly number[]> {
  const gateway = await createGateway();
  const socketPath = join(gateway.directory, 'engine.sock');
  const proxy = await startEngineProxy({ target: gateway.broker.engine.socketPath, socketPath });
  const lateMs: number[] = [];
  try {
    const settings = {
      DOCKER_SOCK: socketPath,
      STABILITY_WINDOW: `${WINDOW_MS}ms`,
      RESTART_COOLDOWN: '0',
    };
    const daemon = gateway.watch(settings, executable);
    await daemon.says('broker_already_current');
    await sleep(afterMs);
    const restartsBefore = gateway.broker.restarts();
    for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
      const callsBefore = proxy.restartCalls().length;
      const writtenAt = await gateway.rotate();
      const call = await until('the call to the engine', () => proxy.restartCalls()[callsBefore]);
      lateMs.push(call.atMs - writtenAt - WINDOW_MS);
      await until('the restart', () => gateway.broker.restarts() >= restartsBefore + rotation);
      await sleep(PAUSE_MS);
    }
    return lateMs.toSorted((a, b) => a - b);
  } finally {
    await gateway.end();
    await proxy.close();
  }
}

function report(ours: readonly number[], theirs: readonly number[]): void {
  const row = (name: string, lateMs: readonly number[]) => {
    const figures = [0.5, 0.9, 1].map((share) => `${Math.round(quantile(lateMs, share))} ms`);
    return `| ${name} | ${figures.join(' | ')} |`;
  };
  const lines = [
    `${machine()}; ${ROTATIONS} rotations each, in turn; late = from the last rename to the call to the engine, less the window`,
    `of ${WINDOW_MS} ms`,
    '',
    '| late | median | 90 % | slowest |',
    '|---|---|---|---|',
    row('this build', ours),
    row('the other one', theirs),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
