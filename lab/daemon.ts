/** The watcher as its users run it: a process of its own, known by its log, its signals and its exit code. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { COMPILE_CACHE } from './compile-cache.ts';
import { until } from './until.ts';

/** Exactly the seed's shape, and nothing beside it. */
export const LINE = v.strictObject({
  timestamp: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
  level: v.picklist(['debug', 'info', 'warn', 'error']),
  component: v.picklist(['watcher', 'cert', 'tls', 'restart', 'metrics']),
  event: v.pipe(v.string(), v.regex(/^[a-z_]+$/)),
  details: v.record(v.string(), v.unknown()),
});

export type LogLine = v.InferOutput<typeof LINE>;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface DaemonOptions {
  readonly args?: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  /** runs this program with the watcher's command line behind its own arguments: `['unshare', '--pid', '--fork']` */
  readonly wrapper?: readonly string[];
  /** another copy of the program than the one in this working tree; an executable of its own has no `main` */
  readonly program?: { readonly node: string; readonly main?: string };
}

export interface Daemon {
  readonly pid: number;
  /** Every line of the log so far. */
  readonly lines: readonly LogLine[];
  /** Lines on standard output that are not of the promised shape. */
  readonly offences: readonly string[];
  stderr(): string;
  /** How often it has said this. */
  count(event: string): number;
  /** The first line with this event after the first `skip` of them. */
  says(event: string, options?: { skip?: number; withinMs?: number }): Promise<LogLine>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process has ended and everything that it wrote has been read. */
  readonly ended: Promise<Exit>;
  hasEnded(): boolean;
  /** Closes our end of its standard output, as a reader does that goes away. */
  closeStdout(): void;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
}

/** The program in this working tree. */
export const PROGRAM = {
  node: process.execPath,
  main: fileURLToPath(new URL('../src/main.ts', import.meta.url)),
};

/** Starts the watcher with these settings and nothing else in its environment that matters. */
export function startDaemon(settings: Readonly<Record<string, string>>, options: DaemonOptions = {}): Daemon {
  const { node, main } = options.program ?? PROGRAM;
  const program = main === undefined ? [node] : [node, main];
  const [command = node, ...args] = [...(options.wrapper ?? []), ...program, ...(options.args ?? [])];
  const child = spawn(command, args, {
    cwd: '/',
    env: { PATH: process.env['PATH'], ...(main !== undefined && COMPILE_CACHE), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid !== undefined && { uid: options.uid }),
    ...(options.gid !== undefined && { gid: options.gid }),
  });
  return follow(child);
}

function follow(child: ChildProcessByStdio<null, Readable, Readable>): Daemon {
  const lines: LogLine[] = [];
  const offences: string[] = [];
  let rest = '';
  let stderr = '';
  let exit: Exit | undefined;

  function take(text: string) {
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), LINE), text);
    if (parsed.success) lines.push(parsed.output);
    else offences.push(text);
  }

  child.stdout.on('data', (chunk: Buffer) => {
    const texts = (rest + chunk.toString('utf8')).split('\n');
    rest = texts.pop() ?? '';
    texts.forEach(take);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  const ended = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      // a process that is killed may leave half a line; one that ends may not
      if (rest !== '' && signal === null) offences.push(rest);
      exit = { code, signal };
      resolve(exit);
    });
  });

  const tail = () =>
    [...lines.slice(-20).map((line) => JSON.stringify(line)), ...offences, stderr].join('\n').trim();
  const of = (event: string) => lines.filter((line) => line.event === event);

  return {
    pid: child.pid ?? 0,
    lines,
    offences,
    ended,
    stderr: () => stderr,
    count: (event) => of(event).length,
    says: (event, { skip = 0, withinMs } = {}) =>
      until(
        `"${event}" in the log`,
        () => {
          const line = of(event)[skip];
          if (line === undefined && exit !== undefined) throw new Error(`the watcher has ended\n${tail()}`);
          return line;
        },
        { otherwise: tail, ...(withinMs !== undefined && { withinMs }) },
      ),
    signal: (name) => void child.kill(name),
    hasEnded: () => exit !== undefined,
    closeStdout: () => void child.stdout.destroy(),
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
