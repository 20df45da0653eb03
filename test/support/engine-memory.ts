/** What an answer of the engine costs in memory: a process of its own asks, and says by how much it has grown. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createContainer } from '../../src/adapters/engine/container.ts';
import { createSwarmService } from '../../src/adapters/engine/service.ts';

const ASKING = {
  container: (path: string) => createContainer({ kind: 'unix', path }, 'broker').inspect(),
  service: (path: string) => createSwarmService({ kind: 'unix', path }, 'broker').inspect(),
};

export interface Growth {
  /** of the answer to the last of three questions; undefined if it was believed */
  readonly cause: string | undefined;
  /** the peak of the process beyond what it had before, in MiB */
  readonly mebibytes: number;
}

/** The growth of a process with the flags of the product that asks the engine at `socketPath` three times. */
export async function growthByAsking(what: keyof typeof ASKING, socketPath: string): Promise<Growth> {
  const flags = ['--max-semi-space-size=1', '--optimize-for-size'];
  const args = [...flags, fileURLToPath(import.meta.url), what, socketPath];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
  return JSON.parse(stdout) as Growth;
}

async function main([what = '', socketPath = '']: readonly string[]) {
  const ask = what === 'service' ? ASKING.service : ASKING.container;
  // so that code and connection are there
  await ask('/none');
  const before = process.memoryUsage.rss();
  let answer = await ask(socketPath);
  for (let times = 1; times < 3; times++) answer = await ask(socketPath);
  const growth: Growth = {
    cause: answer.ok ? undefined : answer.cause,
    mebibytes: (process.resourceUsage().maxRSS * 1_024 - before) / 2 ** 20,
  };
  process.stdout.write(JSON.stringify(growth));
}

if (import.meta.main) await main(process.argv.slice(2));
