/** One broker as a child process, with the state that a container engine would tell of it. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import type { BrokerReady } from './broker.ts';

export interface BrokerProcess {
  readonly pid: number;
  readonly startedAt: Date;
  /** Resolves once it listens; rejects if it ends before. */
  readonly ready: Promise<BrokerReady>;
  /** undefined while it runs */
  end(): { readonly at: Date; readonly exitCode: number } | undefined;
  /** SIGTERM, and SIGKILL after `graceMs`; resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('broker.ts', import.meta.url));
const READY = v.object({ port: v.number(), tls: v.boolean() });

/** As shells and engines count: 128 and the number of the signal. */
const SIGNAL_CODES: Readonly<Record<string, number>> = { SIGINT: 130, SIGKILL: 137, SIGTERM: 143 };

/** Starts a broker on the certificates in `certDir`. Resolves as soon as its process runs, before it listens. */
export async function startBrokerProcess(certDir: string): Promise<BrokerProcess> {
  const child = fork(PROGRAM, [certDir], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_000);
  });
  let end: { at: Date; exitCode: number } | undefined;
  const ended = new Promise<void>((resolve) => {
    child.on('exit', (code, signal) => {
      end = { at: new Date(), exitCode: code ?? SIGNAL_CODES[signal ?? ''] ?? 255 };
      resolve();
    });
  });
  const ready = readiness(child, ended, () => complaint);
  await once(child, 'spawn');
  const startedAt = new Date();

  async function stop(graceMs: number): Promise<void> {
    if (end !== undefined) return;
    child.kill('SIGTERM');
    const kill = Number.isFinite(graceMs) ? setTimeout(() => child.kill('SIGKILL'), graceMs) : undefined;
    await ended;
    clearTimeout(kill);
  }

  return { pid: child.pid ?? 0, startedAt, ready, end: () => end, stop };
}

function readiness(child: ChildProcess, ended: Promise<void>, complaint: () => string): Promise<BrokerReady> {
  const ready = new Promise<BrokerReady>((resolve, reject) => {
    child.once('message', (message) => {
      const result = v.safeParse(READY, message);
      if (result.success) resolve(result.output);
      else reject(new Error('the broker sent a message that is none of ours'));
    });
    child.once('error', reject);
    ended.then(() => reject(new Error(`the broker ended before it listened: ${complaint().trim()}`)));
  });
  // whoever needs a broker that listens waits for this; that nobody does now is no fault
  ready.catch(() => undefined);
  return ready;
}
