/**
 * The `fleet` command before a real Mosquitto with its defaults, at which a fleet has published: how long it takes from
 * the start of the process to the table, how much memory, and how soon `--watch` shows a change.
 *
 *     make fleet-table                 # 10,000 gateways
 *     GATEWAYS=100000 make fleet-table
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connectPublisher, fleetOf } from '../lab/fleet.ts';
import { startPlainMosquitto } from '../lab/real-servers.ts';
import { until } from '../lab/until.ts';
import { machine } from './machine.ts';
import { numberFrom } from './options.ts';

const GATEWAYS = numberFrom('GATEWAYS', 10_000);
const TRIES = 3;
const CHANGES = 20;
const PROGRAM = process.argv[2];

const broker = await startPlainMosquitto();
const publisher = await connectPublisher(broker.port);
try {
  await publisher.fleet(fleetOf(GATEWAYS));
  console.log(`${GATEWAYS.toLocaleString('en-US')} gateways, ${machine()}\n`);
  console.log('| | connect to table, s | most memory (RSS), MB | complete |');
  console.log('|---|---|---|---|');
  for (let number = 1; number <= TRIES; number += 1) {
    const { seconds, megabytes, isComplete } = await tableOnce();
    console.log(
      `| table ${number} | ${seconds.toFixed(2)} | ${megabytes.toFixed(0)} | ${isComplete ? 'yes' : 'no'} |`,
    );
  }
  const { delays, megabytes } = await watchChanges();
  const sorted = delays.toSorted((a, b) => a - b);
  console.log(
    `\n--watch, ${CHANGES} changes: shown after ${median(sorted)} ms (median), ${sorted.at(-1)} ms (longest);`,
  );
  console.log(`most memory ${megabytes.toFixed(0)} MB`);
} finally {
  await publisher.end();
  await broker.close();
}

function start(...flags: readonly string[]): ChildProcess {
  const [command, ...args] = PROGRAM === undefined ? [process.execPath, 'src/main.ts'] : [PROGRAM];
  const url = `mqtt://127.0.0.1:${broker.port}`;
  return spawn(command ?? '', [...args, 'fleet', '--url', url, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function tableOnce() {
  const beganMs = performance.now();
  const child = start('--json');
  const memory = followMemory(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await new Promise((resolve) => child.once('close', resolve));
  const seconds = (performance.now() - beganMs) / 1_000;
  const { complete, gateways } = JSON.parse(text) as { complete: boolean; gateways: readonly unknown[] };
  return { seconds, megabytes: memory(), isComplete: complete && gateways.length === GATEWAYS };
}

async function watchChanges() {
  const child = start('--watch');
  const memory = followMemory(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await until('the table', () => text.includes('\n\n'), { withinMs: 60_000 });
  const delays: number[] = [];
  for (let change = 1; change <= CHANGES; change += 1) {
    const topic = `cert-watcher/edge-${GATEWAYS - change}`;
    text = '';
    const beganMs = performance.now();
    await publisher.gateway({ topic, situation: 'rejected' });
    await until('the change', () => text.includes(topic));
    delays.push(Math.round(performance.now() - beganMs));
  }
  child.kill();
  await new Promise((resolve) => child.once('close', resolve));
  return { delays, megabytes: memory() };
}

/** The most that the process has had, which Linux keeps, as long as it runs. */
function followMemory({ pid }: ChildProcess): () => number {
  let most = 0;
  const look = () => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      most = Math.max(most, Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024);
    } catch {
      // it has ended
    }
  };
  const timer = setInterval(look, 20);
  return () => {
    clearInterval(timer);
    return most;
  };
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
