/**
 * What the executable weighs and takes: size, start-up, a health check, a decision, memory and processor while nothing
 * happens. Watchers with the default settings and a set that the broker has loaded, three without metrics and three with
 * metrics that are read every 15 s; medians of three. Beside them as many of the bare runtime (bare.ts), which has the same
 * minutes of the machine: a virtual one may take twice as long for the same work half an hour later.
 *
 *     make footprint             # a table in Markdown, after two minutes
 *     IDLE=10m make footprint    # memory after ten minutes, the processor over the ten that follow
 *     OTHER=/path/to/mosquitto-cert-watcher make footprint    # another build's memory and processor beside them
 */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { build } from 'esbuild';
import { type Daemon, startDaemon } from '../lab/daemon.ts';
import { evict } from '../lab/page-cache.ts';
import { closedPort } from '../lab/tls-servers.ts';
import { until } from '../lab/until.ts';
import { bundle } from '../scripts/shipping/bundle.ts';
import { FLAGS, makeExecutable } from '../scripts/shipping/executable.ts';
import { readIdentity } from '../scripts/shipping/identity.ts';
import { noticesFor } from '../scripts/shipping/notices.ts';
import { DIST, PROGRAM } from '../scripts/shipping/paths.ts';
import { makeRootfs, ROOT_DIRECTORY } from '../scripts/shipping/rootfs.ts';
import { hostRuntime } from '../scripts/shipping/runtime.ts';
import { hostTarget } from '../scripts/shipping/target.ts';
import { parseDuration } from '../src/core/text/duration.ts';
import { machine } from './machine.ts';
import { refuse } from './options.ts';
import { startPeers } from './peers.ts';
import { footprintOf } from './process.ts';

const EXECUTABLE = join(DIST, PROGRAM);
const STARTS = 20;
const HEALTH_CHECKS = 20;
const WATCHERS = 3;
const SCRAPE_EVERY_MS = 15_000;
const HOUR_MS = 3_600_000;
/** Of /proc: sysconf(_SC_CLK_TCK), which is 100 on every Linux that Node.js runs on. */
const TICKS_PER_S = 100;

/** As in the image and in the unit. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

/** Megabytes of a million bytes, as docker counts them. */
interface Size {
  readonly plainMb: number;
  readonly gzipMb: number;
}

interface Idle {
  readonly residentMb: number;
  readonly privateMb: number;
  readonly cpuSPerHour: number;
}

const span = process.env['IDLE'] ?? '60s';
const idleMs = parseDuration(span) ?? 0;
if (idleMs < 1_000) refuse(`IDLE="${span}" is not a duration such as 60s or 10m`);
// a daemon does not start in this directory
const other = process.env['OTHER'] && resolve(process.env['OTHER']);
if (other && !existsSync(other)) refuse(`OTHER=${other}: there is no such file`);

const peers = await startPeers();
const workshop = await mkdtemp(join(tmpdir(), 'cert-watcher-footprint-'));
process.once('SIGINT', () => end().then(() => process.exit(130)));
try {
  const executable = await sizeOf(() => createReadStream(EXECUTABLE));
  const image = await sizeOfImage();
  evict(EXECUTABLE);
  if (other) evict(other);
  const startMs = await medianStart();
  const healthCheckMs = await meanHealthCheck();
  const decisionMs = await medianDecision();
  const bare = await makeBare(join(workshop, 'bare'));
  const idle = await Promise.all(
    [EXECUTABLE, bare, ...(other ? [other] : [])].flatMap((program) => [
      idleMedian(program, false),
      idleMedian(program, true),
    ]),
  );
  print({ executable, image, startMs, healthCheckMs, decisionMs, idle });
} finally {
  await end();
}

async function end(): Promise<void> {
  await peers.close();
  await rm(workshop, { recursive: true, force: true });
}

/** The bare runtime as an executable, made and evicted as the watcher's is. Resolves with its path. */
async function makeBare(file: string): Promise<string> {
  const code = await scriptOf('bare.ts');
  await makeExecutable({ target: hostTarget(), bundle: { code, chunks: new Map() }, file });
  evict(file);
  return file;
}

/** A program of this folder in one script. */
async function scriptOf(name: string): Promise<Uint8Array> {
  const entryPoints = [join(import.meta.dirname, name)];
  const { outputFiles } = await build({ entryPoints, bundle: true, platform: 'node', write: false });
  const [script] = outputFiles;
  if (script === undefined) throw new Error(`${name} has become no script`);
  return script.contents;
}

/** What the image holds, as a tar archive. Makes dist/rootfs-<architecture> of the executable that is there. */
async function sizeOfImage(): Promise<Size> {
  const identity = await readIdentity();
  const notices = await noticesFor(await bundle(identity), await hostRuntime());
  const parts = { target: hostTarget(), program: EXECUTABLE, notices, epochS: identity.epochS };
  const directory = join(await makeRootfs(parts), ROOT_DIRECTORY);
  return sizeOf(() => spawn('tar', ['-c', '-C', directory, '.']).stdout);
}

async function sizeOf(open: () => Readable): Promise<Size> {
  return { plainMb: await bytesOf(open()), gzipMb: await bytesOf(open().pipe(createGzip())) };
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes / 1e6;
}

/** From exec to the line `started`, in milliseconds; the executable is in the page cache. */
async function medianStart(): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < STARTS; count += 1) times.push(await startUp(peers.settings));
  return median(times);
}

/** Of a watcher with metrics, in milliseconds of processor time. */
async function meanHealthCheck(): Promise<number> {
  const port = String(await closedPort());
  const settings = { ...peers.settings, ENABLE_METRICS: 'true', METRICS_PORT: port };
  const daemon = start(settings);
  try {
    await daemon.says('started');
    await until('a health check', () => isHealthy(settings));
    const before = cpuMsOfChildren();
    for (let count = 0; count < HEALTH_CHECKS; count += 1) {
      if (!(await isHealthy(settings))) throw new Error('a health check failed');
    }
    return (cpuMsOfChildren() - before) / HEALTH_CHECKS;
  } finally {
    await daemon.kill();
  }
}

async function isHealthy(settings: Readonly<Record<string, string>>): Promise<boolean> {
  const child = spawn(EXECUTABLE, ['healthcheck'], { env: { ...ENVIRONMENT, ...settings } });
  const [code] = await once(child, 'close');
  return code === 0;
}

/** Of the children of this process that have ended. proc_pid_stat(5), fields 16 and 17 */
function cpuMsOfChildren(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').replace(/.*\) /s, '').split(' ');
  return ((Number(fields[13]) + Number(fields[14])) * 1_000) / TICKS_PER_S;
}

/** One decision of the core for one broker, with the flags of the executable; they leave no TypeScript to the runtime. */
async function medianDecision(): Promise<number> {
  const { node } = await hostRuntime();
  const input = await scriptOf('decision.ts');
  return Number(execFileSync(node, [...FLAGS, '-'], { input, encoding: 'utf8' })) / 1_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function startUp(settings: Readonly<Record<string, string>>): Promise<number> {
  const beganAt = performance.now();
  const child = spawn(EXECUTABLE, { env: { ...ENVIRONMENT, ...settings } });
  const gone = once(child, 'close');
  const [first] = await once(child.stdout, 'data');
  const tookMs = performance.now() - beganAt;
  child.kill('SIGKILL');
  await gone;
  if (!String(first).includes('"event":"started"')) throw new Error(`it began with something else: ${first}`);
  return tookMs;
}

function start(settings: Readonly<Record<string, string>>, program = EXECUTABLE): Daemon {
  return startDaemon({ ...ENVIRONMENT, ...settings }, { program: { node: program } });
}

async function idleMedian(program: string, withMetrics: boolean): Promise<Idle> {
  const all = await Promise.all(
    Array.from({ length: WATCHERS }, async () => {
      const port = withMetrics ? { ENABLE_METRICS: 'true', METRICS_PORT: String(await closedPort()) } : {};
      return idleOf(program, port);
    }),
  );
  return {
    residentMb: median(all.map(({ residentMb }) => residentMb)),
    privateMb: median(all.map(({ privateMb }) => privateMb)),
    cpuSPerHour: median(all.map(({ cpuSPerHour }) => cpuSPerHour)),
  };
}

/** Memory after the span, and what the processor did in the same time after that. */
async function idleOf(program: string, more: Readonly<Record<string, string>>): Promise<Idle> {
  const daemon = start({ ...peers.settings, ...more }, program);
  const scraping = more['METRICS_PORT'] === undefined ? undefined : scrape(Number(more['METRICS_PORT']));
  try {
    await sleep(idleMs);
    const { residentMb, privateMb } = footprintOf(daemon.pid);
    const before = cpuSecondsOf(daemon.pid);
    await sleep(idleMs);
    const cpuSPerHour = ((cpuSecondsOf(daemon.pid) - before) * HOUR_MS) / idleMs;
    const trouble = daemon.lines.filter(({ level }) => level !== 'info');
    if (trouble.length > 0) throw new Error(`this was not idle: ${JSON.stringify(trouble)}`);
    return { residentMb, privateMb, cpuSPerHour };
  } finally {
    clearInterval(scraping);
    await daemon.kill();
  }
}

function scrape(port: number): NodeJS.Timeout {
  return setInterval(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    await answer.text();
  }, SCRAPE_EVERY_MS);
}

/** Of all threads, from the scheduler's own count: the ticks of /proc/<pid>/stat are too coarse for so little. */
function cpuSecondsOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9;
}

interface Figures {
  readonly executable: Size;
  readonly image: Size;
  readonly startMs: number;
  readonly healthCheckMs: number;
  readonly decisionMs: number;
  /** without metrics and with them, of the watcher, the bare runtime and another build if there is one */
  readonly idle: readonly Idle[];
}

function print({ executable, image, startMs, healthCheckMs, decisionMs, idle }: Figures): void {
  const each = (name: string, show: (idle: Idle) => string) => `| ${name} | ${idle.map(show).join(' | ')} |`;
  const size = ({ plainMb, gzipMb }: Size) => `${plainMb.toFixed(1)} MB | ${gzipMb.toFixed(1)} MB`;
  const ofOther = other ? ' the other build | the other, with metrics |' : '';
  const lines = [
    machine(),
    '',
    `The executable was evicted from the page cache and read again; medians of ${WATCHERS} watchers each.`,
    '',
    `| ${hostTarget().name} | plain | gzip |`,
    '|---|---|---|',
    `| executable | ${size(executable)} |`,
    `| image | ${size(image)} |`,
    '',
    `| | without metrics | with metrics, read every 15 s | bare runtime | bare, with metrics |${ofOther}`,
    `|${'---|'.repeat(idle.length + 1)}`,
    each(`private memory after ${span}`, ({ privateMb }) => `${privateMb.toFixed(1)} MiB`),
    each(`RSS after ${span}`, ({ residentMb }) => `${residentMb.toFixed(1)} MiB`),
    each(
      `processor in an idle hour, from ${span}`,
      ({ cpuSPerHour }) => `${cpuSPerHour.toFixed(1)} s (${((cpuSPerHour / 3_600) * 100).toFixed(2)} %)`,
    ),
    '',
    `Start, from exec to the line \`started\`: ${startMs.toFixed(0)} ms (median of ${STARTS}). A health check: ${healthCheckMs.toFixed(0)} ms of`,
    `processor time (mean of ${HEALTH_CHECKS}; the image gives one each minute). One decision: ${decisionMs.toFixed(3)} ms (the loop decides`,
    'when it has looked, every five seconds).',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
