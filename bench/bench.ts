/**
 * The watcher beside the shell script that people write instead, on the same broker in the same run: how late a
 * restart is, and what a quiet hour costs.
 *
 *     make bench                    # about ten minutes
 *     ROTATIONS=10 IDLE=30 make bench
 *
 * Needs an engine (DOCKER_HOST), Debian's mosquitto and inotify-tools, the docker command, and `make build`.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EngineProxy, startEngineProxy } from '../lab/engine-proxy.ts';
import { until } from '../lab/until.ts';
import { createGateway, type Gateway } from './gateway.ts';
import { machine } from './machine.ts';
import { numberFrom } from './options.ts';
import { footprintOf } from './process.ts';
import { quantile } from './quantile.ts';

const ROTATIONS = numberFrom('ROTATIONS', 40);
const IDLE_S = numberFrom('IDLE', 120);
const STARTS = 15;
const WINDOW_MS = 3_000;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** One of the two that are compared. */
interface Contestant {
  readonly name: string;
  /** its process and all of its children */
  pids(): readonly number[];
  /** bytes that it has written to its log */
  logBytes(): number;
  end(): Promise<void>;
}

interface Figures {
  readonly restarts: number;
  /** from the last rename to the call, less the window; ascending */
  readonly lateMs: readonly number[];
  readonly cpuSPerHour: number;
  readonly residentMb: number;
  readonly privateMb: number;
  readonly logBytesPerDay: number;
}

const gateway = await createGateway();
const socketPath = join(gateway.directory, 'engine.sock');
const proxy = await startEngineProxy({ target: gateway.broker.engine.socketPath, socketPath });
process.once('SIGINT', () => end().then(() => process.exit(130)));
try {
  const startMs = await startTimes();
  const ours = await measure(startWatcher);
  const theirs = await measure(startScript);
  report(startMs, ours, theirs);
} finally {
  await end();
}

async function end(): Promise<void> {
  await gateway.end();
  await proxy.close();
}

/** Milliseconds from the start of the process to its first line, ascending. */
async function startTimes(): Promise<readonly number[]> {
  const times: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    const began = performance.now();
    const daemon = gateway.watch({ DOCKER_SOCK: socketPath });
    await until('the first line', () => daemon.lines.length > 0, { everyMs: 1 });
    times.push(performance.now() - began);
    await daemon.kill();
  }
  return times.toSorted((a, b) => a - b);
}

async function measure(
  start: (gateway: Gateway, proxy: EngineProxy) => Promise<Contestant>,
): Promise<Figures> {
  const contestant = await start(gateway, proxy);
  const restartsBefore = gateway.broker.restarts();
  const lateMs: number[] = [];
  try {
    for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
      const callsBefore = proxy.restartCalls().length;
      const writtenAt = await gateway.rotate();
      const call = await until('the call to the engine', () => proxy.restartCalls()[callsBefore]);
      lateMs.push(call.atMs - writtenAt - WINDOW_MS);
      await until('the restart', () => gateway.broker.restarts() >= restartsBefore + rotation);
      // the verification, and whatever else comes of it
      await sleep(3_000);
    }
    const idle = await measureIdle(contestant);
    const restarts = gateway.broker.restarts() - restartsBefore;
    return { restarts, lateMs: lateMs.toSorted((a, b) => a - b), ...idle };
  } finally {
    await contestant.end();
  }
}

async function measureIdle(contestant: Contestant) {
  const footprints = () => contestant.pids().map(footprintOf);
  const total = (read: (one: ReturnType<typeof footprintOf>) => number) =>
    footprints().reduce((sum, one) => sum + read(one), 0);
  const [cpuBefore, logBefore] = [total(({ cpuS }) => cpuS), contestant.logBytes()];
  await sleep(IDLE_S * 1_000);
  return {
    cpuSPerHour: ((total(({ cpuS }) => cpuS) - cpuBefore) / IDLE_S) * HOUR_S,
    logBytesPerDay: ((contestant.logBytes() - logBefore) / IDLE_S) * DAY_S,
    residentMb: total(({ residentMb }) => residentMb),
    privateMb: total(({ privateMb }) => privateMb),
  };
}

async function startWatcher(): Promise<Contestant> {
  const daemon = gateway.watch({
    DOCKER_SOCK: socketPath,
    STABILITY_WINDOW: `${WINDOW_MS}ms`,
    RESTART_COOLDOWN: '0',
    // all else as by default: a look every 5 s, a probe every 60 s
  });
  await daemon.says('broker_already_current');
  return {
    name: gateway.program,
    pids: () => [daemon.pid],
    logBytes: () => daemon.lines.reduce((sum, line) => sum + JSON.stringify(line).length + 1, 0),
    end: daemon.kill,
  };
}

async function startScript(): Promise<Contestant> {
  if (spawnSync('inotifywait', ['--help']).error !== undefined)
    throw new Error('the script needs inotifywait (on Debian: apt-get install inotify-tools)');
  const script = join(import.meta.dirname, 'naive-watcher.sh');
  const args = [gateway.certs.path, gateway.broker.name, String(WINDOW_MS / 1_000)];
  const child = spawn(script, args, {
    env: { ...process.env, DOCKER_HOST: `unix://${socketPath}` },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await until('the script to watch', () => bytes > 0 && descendants(child.pid ?? 0).length >= 2);
  return {
    name: 'shell script',
    pids: () => [child.pid ?? 0, ...descendants(child.pid ?? 0)],
    logBytes: () => bytes,
    end: () => endGroup(child),
  };
}

function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').flatMap((id) => [Number(id), ...descendants(Number(id))]);
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const gone = once(child, 'exit');
  // the group is its own: inotifywait and the loop behind the pipe end with it
  process.kill(-child.pid, 'SIGTERM');
  await gone;
}

function report(startMs: readonly number[], ours: Figures, theirs: Figures): void {
  const ms = (value: number) => `${Math.round(value)} ms`;
  const rows: [string, string, string][] = [
    [`restarts for ${ROTATIONS} rotations`, String(ours.restarts), String(theirs.restarts)],
    ['late, median', ms(quantile(ours.lateMs, 0.5)), ms(quantile(theirs.lateMs, 0.5))],
    ['late, 99 %', ms(quantile(ours.lateMs, 0.99)), ms(quantile(theirs.lateMs, 0.99))],
    ['CPU, an idle hour', `${ours.cpuSPerHour.toFixed(1)} s`, `${theirs.cpuSPerHour.toFixed(1)} s`],
    ['resident memory', `${ours.residentMb.toFixed(1)} MB`, `${theirs.residentMb.toFixed(1)} MB`],
    ['private memory', `${ours.privateMb.toFixed(1)} MB`, `${theirs.privateMb.toFixed(1)} MB`],
    [
      'log, a quiet day',
      `${Math.round(ours.logBytesPerDay)} bytes`,
      `${Math.round(theirs.logBytesPerDay)} bytes`,
    ],
    ['handshakes with the upstream, a day', `${DAY_S / 60}`, '0'],
    ['start to the first line, median', ms(quantile(startMs, 0.5)), ''],
  ];
  print(
    `${machine()}; late = from the last rename to the call to the engine, less the window of ${WINDOW_MS} ms;`,
  );
  print(`idle figures over ${IDLE_S} s\n`);
  print(`| | mosquitto-cert-watcher (${gateway.program}) | shell script (bench/naive-watcher.sh) |`);
  print('|---|---|---|');
  for (const row of rows) print(`| ${row.join(' | ')} |`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
