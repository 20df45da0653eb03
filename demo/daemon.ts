/** The watcher itself: the real program as a child process, with its log read line by line. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';

const LINE = v.object({
  level: v.picklist(['debug', 'info', 'warn', 'error']),
  component: v.string(),
  event: v.string(),
  details: v.record(v.string(), v.unknown()),
});

/** One line of the watcher's log. */
export type LogLine = v.InferOutput<typeof LINE>;

export interface Daemon {
  /** SIGTERM, and SIGKILL to one that does not end; resolves with the exit code when it has ended. */
  stop(): Promise<number | null>;
}

export interface DaemonOptions {
  /** the whole environment: nothing of the caller's own settings may leak in */
  readonly settings: Readonly<Record<string, string>>;
  readonly onLine: (line: LogLine) => void;
  /** it ended without having been told to, or wrote something that is no log line */
  readonly fail: (error: Error) => void;
}

const PROGRAM = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** The watcher finishes a restart that is under way; here that is over well within this time. */
const STOP_MS = 10_000;

/** Starts the watcher. */
export function startDaemon({ settings, onLine, fail }: DaemonOptions): Daemon {
  const child = spawn(process.execPath, [PROGRAM], { env: settings, stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  let isToldToStop = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000);
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = readLine(text);
    if (line === undefined) fail(new Error(`the watcher wrote something that is no log line: ${text}`));
    else onLine(line);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      fail(new Error(`the watcher could not be started: ${error.message}`));
      resolve(null);
    });
    child.on('close', (code, signal) => {
      if (!isToldToStop)
        fail(new Error(`the watcher ended by itself (${signal ?? `code ${code}`})\n${complaint}`));
      resolve(code);
    });
  });

  return {
    stop: async () => {
      isToldToStop = true;
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const code = await ended;
      clearTimeout(kill);
      return code;
    },
  };
}

function readLine(text: string): LogLine | undefined {
  try {
    const result = v.safeParse(LINE, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    // not JSON: the caller says what it was
    return undefined;
  }
}
