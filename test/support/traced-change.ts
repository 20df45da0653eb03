/** A change of a live directory whose system calls are traced: each may be the last, fail, or be waited for. */

import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from '../../lab/compile-cache.ts';
import type { PromotionOutcome } from '../../src/core/model/live.ts';
import { bundled } from './bundled.ts';
import type { Stage } from './live-directory.ts';

/** Where a change is under way. */
const LOCK = '..lock';

/**
 * The `nth` call of this name, as strace counts. A write(2) cannot be counted, because Node wakes its threads by others:
 * it comes right after the file was opened.
 */
export interface Call {
  readonly name: string;
  readonly nth: number;
}

/** Whatever changes a file system or its disk, but for write(2), see {@link Call}. */
const NAMES = [
  ...['openat', 'mkdir', 'symlink', 'rename', 'unlink', 'rmdir', 'unlinkat', 'linkat'],
  ...['pwrite64', 'ftruncate', 'copy_file_range', 'sendfile'],
  ...['fchmod', 'fchown', 'chmod', 'utimensat', 'fsync', 'fdatasync'],
];

const SCRIPT = fileURLToPath(import.meta.resolve('./change-live-directory.ts'));
let script: Promise<string> | undefined;

export interface TracedChange {
  readonly child: ChildProcess;
  /** how it ended; undefined: it was killed */
  readonly outcome: Promise<PromotionOutcome | undefined>;
}

/** A process that waits for a change, and the thread of it that makes the calls. */
interface Changer {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly thread: string;
}

/** Those that have survived their last change. They end with this process, when their standard input does. */
const waiting: Changer[] = [];

/** Starts the change; strace gets these options. */
export async function startTraced(
  change: string,
  { certs, incoming }: Stage,
  options: readonly string[],
): Promise<TracedChange> {
  const changer = waiting.pop() ?? (await startChanger());
  const { child, thread } = changer;
  const tracer = spawn('strace', ['-y', ...options, '-p', thread], { stdio: ['ignore', 'ignore', 'pipe'] });
  const traced = once(tracer, 'close');
  await said(tracer.stderr, 'attached');
  const answered = answerOf(child);
  child.stdin.write(`${JSON.stringify([change, certs, incoming])}\n`);
  const outcome = answered.then(async (text) => {
    tracer.kill('SIGTERM');
    await traced;
    if (text === undefined) return undefined;
    // who has not released its lock has to end: the next watcher waits for one that lives
    if (existsSync(join(certs, LOCK))) await ended(child);
    else waiting.push(changer);
    return JSON.parse(text) as PromotionOutcome;
  });
  return { child, outcome };
}

async function startChanger(): Promise<Changer> {
  script ??= bundled(SCRIPT);
  const child = spawn(process.execPath, [await script], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '1', ...COMPILE_CACHE },
    stdio: 'pipe',
  });
  child.stdout.setEncoding('utf8');
  // of one that is killed at once
  child.stdin.on('error', () => undefined);
  await said(child.stderr, 'ready');
  return { child, thread: poolThreadOf(child) };
}

/** The line that it answers; undefined: it was killed before. */
function answerOf(child: Changer['child']): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let text = '';
    const hear = (more: string) => {
      text += more;
      if (text.endsWith('\n')) settle(() => resolve(text));
    };
    const end = (code: number | null, signal: NodeJS.Signals | null) =>
      settle(() =>
        signal === 'SIGKILL'
          ? resolve(undefined)
          : reject(new Error(`the change ended with ${code} ${signal}`)),
      );
    function settle(tell: () => void) {
      child.stdout.off('data', hear);
      child.off('exit', end);
      tell();
    }
    child.stdout.on('data', hear);
    child.on('exit', end);
  });
}

async function ended(child: Changer['child']): Promise<void> {
  const exited = once(child, 'exit');
  child.stdin.end();
  await exited;
}

/** The thread that makes the calls; the main thread loads code, and the writes that wake threads are not to be counted. */
function poolThreadOf({ pid }: ChildProcess): string {
  const nameOf = (id: string) => {
    try {
      return readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8');
    } catch {
      // it has ended meanwhile
      return '';
    }
  };
  const found = readdirSync(`/proc/${pid}/task`).find((id) => nameOf(id) === 'libuv-worker\n');
  if (found === undefined) throw new Error('no thread of the pool has begun');
  return found;
}

/** Waits for a text on standard error. */
async function said(stderr: Readable, what: string): Promise<void> {
  let text = '';
  for await (const chunk of stderr.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes(what)) {
      stderr.resume();
      return;
    }
  }
  throw new Error(`no "${what}" before the end: ${text}`);
}

export const injecting = ({ name, nth }: Call, what: string) => [
  ...['-o', '/dev/null', '-e', `trace=${name}`],
  ...['-e', `inject=${name}:${what}:when=${nth}`],
];

/** The calls by which this change changes anything below its live directory, in their order. */
export async function callsOf(change: string, stage: Stage, log: string): Promise<readonly Call[]> {
  const { outcome } = await startTraced(change, stage, ['-o', log, '-e', `trace=${NAMES.join()}`]);
  const ended = await outcome;
  if (ended?.kind !== 'done') throw new Error(`the change ended with ${JSON.stringify(ended)}`);
  const counts = new Map<string, number>();
  const calls: Call[] = [];
  // rename("/a", "/b") = 0
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    const [, name = ''] = /^(\w+)\(/.exec(line) ?? [];
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    const isChange =
      line.includes(stage.certs) && / = \d+/.test(line) && (name !== 'openat' || line.includes('O_CREAT'));
    if (isChange) calls.push({ name, nth });
  }
  return calls;
}

/** Whether it was stopped by a signal, and has not gone on. */
export function isStopped({ child: { pid } }: TracedChange): boolean {
  try {
    return /^State:\s+[tT]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
