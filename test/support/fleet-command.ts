/** The `fleet` command as a process of its own. */

import { spawn } from 'node:child_process';
import { COMPILE_CACHE } from '../../lab/compile-cache.ts';
import { PROGRAM } from '../../lab/daemon.ts';
import { until } from '../../lab/until.ts';

export interface FleetRun {
  /** what it has written to standard output so far */
  output(): string;
  errors(): string;
  /** Resolves with the first line of which this is true. */
  line(what: string, of: (line: string) => boolean): Promise<string>;
  stop(signal: NodeJS.Signals): void;
  /** Goes away, as `head` does. */
  closeOutput(): void;
  readonly ended: Promise<number | null>;
}

export function startFleet(flags: readonly string[]): FleetRun {
  const child = spawn(PROGRAM.node, [PROGRAM.main, 'fleet', ...flags], {
    cwd: '/',
    env: { PATH: process.env['PATH'], ...COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8');
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    output: () => output,
    errors: () => errors,
    line: (what, of) => until(what, () => output.split('\n').find(of), { otherwise: () => output + errors }),
    stop: (signal) => void child.kill(signal),
    closeOutput: () => void child.stdout.destroy(),
    ended,
  };
}

/** Runs it to its end. */
export async function fleet(...flags: readonly string[]) {
  const run = startFleet(flags);
  const code = await run.ended;
  return { code, output: run.output(), errors: run.errors() };
}

/** The same with `--json`. */
export async function fleetJson(...flags: readonly string[]) {
  const { code, output } = await fleet(...flags, '--json');
  return { code, document: JSON.parse(output) };
}
