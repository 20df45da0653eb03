/** Runs systemctl: one short process for each call, bounded in time and in what it may say. */

import { type ChildProcess, spawn } from 'node:child_process';
import { codeOf } from '../../system/errors.ts';
import { startDeadline } from '../../system/timer.ts';

export type Ran =
  /** it has ended by itself */
  | {
      readonly kind: 'ended';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  /** a signal has ended it, which we have not sent */
  | { readonly kind: 'killed'; readonly signal: string }
  /** it has not ended in time, and was killed */
  | { readonly kind: 'timeout' }
  /** the caller no longer wants the answer, and it was killed */
  | { readonly kind: 'abandoned' }
  /** it could not be started: the code of the system call */
  | { readonly kind: 'not_started'; readonly code: string };

export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export type Systemctl = (args: readonly string[], options: RunOptions) => Promise<Ran>;

/** A unit is described in 2 kB, with very long command lines in more. */
const MOST_BYTES = 64 * 1_024;

/** Runs `program`, systemctl of the PATH unless told, with these arguments. It never rejects. */
export function createSystemctl(program = 'systemctl'): Systemctl {
  return (args, { timeoutMs, signal }) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve({ kind: 'abandoned' });
      const child = spawn(program, ['--no-ask-password', '--no-pager', ...args], {
        cwd: '/',
        env: environment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const stdout = collect(child.stdout);
      const stderr = collect(child.stderr);
      const abandon = () => end({ kind: 'abandoned' });
      const deadline = startDeadline(() => end({ kind: 'timeout' }), timeoutMs);
      signal?.addEventListener('abort', abandon, { once: true });
      /** The first of these counts; a process that cannot be killed is not waited for. */
      function end(ran: Ran) {
        deadline.end();
        signal?.removeEventListener('abort', abandon);
        if (ran.kind === 'timeout' || ran.kind === 'abandoned') giveUp(child);
        resolve(ran);
      }
      child.on('error', (error) => end({ kind: 'not_started', code: codeOf(error) ?? error.message }));
      child.on('close', (code, killedBy) => {
        if (code === null) end({ kind: 'killed', signal: killedBy ?? 'a signal' });
        else end({ kind: 'ended', code, stdout: stdout(), stderr: stderr() });
      });
    });
}

/** In English and in UTC. It gets no secret of ours, which others could read in its environment. */
function environment(): NodeJS.ProcessEnv {
  // biome-ignore lint/style/noProcessEnv: what another program needs is no setting of this one
  const { PATH, DBUS_SYSTEM_BUS_ADDRESS } = process.env;
  return { PATH, DBUS_SYSTEM_BUS_ADDRESS, LC_ALL: 'C', TZ: 'UTC', SYSTEMD_COLORS: '0', SYSTEMD_URLIFY: '0' };
}

function giveUp(child: ChildProcess) {
  child.kill('SIGKILL');
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
}

/** What comes beyond the limit is read and dropped, so that the process can end. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    if (size < MOST_BYTES) chunks.push(chunk.subarray(0, MOST_BYTES - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
