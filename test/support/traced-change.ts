/** A change of a live directory whose system calls are traced: each may be the last, fail, or be waited for. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from '../../lab/compile-cache.ts';
import type { PromotionOutcome } from '../../src/core/model/live.ts';
import type { Stage } from './live-directory.ts';

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

export interface TracedChange {
  readonly child: ChildProcess;
  /** how it ended; undefined: it was killed */
  readonly outcome: Promise<PromotionOutcome | undefined>;
}

/** Starts the change; strace gets these options. */
export async function startTraced(
  change: string,
  { certs, incoming }: Stage,
  options: readonly string[],
): Promise<TracedChange> {
  const child = spawn(process.execPath, [SCRIPT, change, certs, incoming, 'wait'], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '1', ...COMPILE_CACHE },
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  await said(child, 'ready');
  const tracer = spawn('strace', ['-y', ...options, '-p', poolThreadOf(child)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await said(tracer, 'attached');
  const ended = Promise.all([once(child, 'close'), once(tracer, 'close')]);
  child.stdin.write('\n');
  const outcome = ended.then(([[code, signal]]): PromotionOutcome | undefined => {
    if (signal === 'SIGKILL') return undefined;
    if (code !== 0) throw new Error(`the change ended with ${code} ${signal}`);
    return JSON.parse(text);
  });
  return { child, outcome };
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
async function said({ stderr }: ChildProcess, what: string): Promise<void> {
  let text = '';
  for await (const chunk of stderr?.iterator({ destroyOnReturn: false }) ?? []) {
    text += String(chunk);
    if (text.includes(what)) {
      stderr?.resume();
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
