/**
 * A watcher through a rotation every few seconds, for as long as one likes: every rotation is one restart, and
 * memory, open files and the log do not grow beyond what the rotations bring.
 *
 *     make soak                      # twenty minutes
 *     MINUTES=60 EVERY=3 make soak
 *
 * Needs an engine (DOCKER_HOST), Debian's mosquitto, and `make build` for the executable. Exit code 1 if it failed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { closedPort } from '../lab/tls-servers.ts';
import { until } from '../lab/until.ts';
import { createGateway } from './gateway.ts';
import { machine } from './machine.ts';
import { numberFrom } from './options.ts';
import { footprintOf } from './process.ts';

const MINUTES = numberFrom('MINUTES', 20);
const EVERY_S = numberFrom('EVERY', 6);
/** What the first minutes bring (code that is compiled, caches that fill) is no growth. */
const WARM_UP_SHARE = 0.25;
const ALLOWED_GROWTH_MB = 6;

const gateway = await createGateway();
process.once('SIGINT', () => gateway.end().then(() => process.exit(130)));
try {
  process.exitCode = await soak();
} finally {
  await gateway.end();
}

async function soak(): Promise<number> {
  const port = await closedPort();
  const daemon = gateway.watch({
    STABILITY_WINDOW: '2500ms',
    CHECK_INTERVAL: '500ms',
    RESTART_COOLDOWN: '1s',
    TLS_PROBE_INTERVAL: '1s',
    ENABLE_METRICS: 'true',
    METRICS_HOST: '127.0.0.1',
    METRICS_PORT: String(port),
  });
  await daemon.says('broker_already_current');
  print(`${gateway.program}; ${machine()}`);
  print(
    `${MINUTES} minutes, a rotation every ${EVERY_S} s, a probe every second, a scrape with each rotation\n`,
  );
  print('| minute | rotations | restarts | RSS MB | private MB | open files | threads | log lines |');
  print('|---|---|---|---|---|---|---|---|');
  const endAt = performance.now() + MINUTES * 60_000;
  const privateMb: number[] = [];
  let rotations = 0;
  for (let minute = 1; performance.now() < endAt; minute++) {
    const minuteEnd = performance.now() + 60_000;
    while (performance.now() < Math.min(minuteEnd, endAt)) {
      const began = performance.now();
      await gateway.rotate();
      rotations += 1;
      await daemon.says('restart_completed', { skip: rotations - 1, withinMs: 30_000 });
      await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      await sleep(Math.max(0, EVERY_S * 1_000 - (performance.now() - began)));
    }
    const now = footprintOf(daemon.pid);
    privateMb.push(now.privateMb);
    const row = [
      minute,
      rotations,
      gateway.broker.restarts(),
      now.residentMb.toFixed(1),
      now.privateMb.toFixed(1),
    ];
    print(`| ${[...row, now.openFiles, now.threads, daemon.lines.length].join(' | ')} |`);
  }
  await until('the last restart', () => gateway.broker.restarts() >= rotations);
  return judge(rotations, privateMb);
}

function judge(rotations: number, privateMb: readonly number[]): number {
  const warm = privateMb.slice(Math.floor(privateMb.length * WARM_UP_SHARE));
  const growthMb = (warm.at(-1) ?? 0) - (warm[0] ?? 0);
  const restarts = gateway.broker.restarts();
  const isGood = restarts === rotations && growthMb < ALLOWED_GROWTH_MB;
  print(
    `\n${isGood ? 'passed' : 'FAILED'}: ${restarts} restarts for ${rotations} rotations; private memory after the warm-up ${growthMb >= 0 ? '+' : ''}${growthMb.toFixed(1)} MB`,
  );
  return isGood ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
