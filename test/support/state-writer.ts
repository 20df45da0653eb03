/** A process of its own that saves the state of its broker again and again, as a watcher does at each restart. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createStateFile } from '../../src/adapters/state-file.ts';

/** Saves `times` states of the broker `name`, the last with `lastRestartAtMs: times`; rejects if one cannot be saved. */
export async function saveOften(path: string, name: string, times: number): Promise<void> {
  const args = [fileURLToPath(import.meta.url), path, name, String(times)];
  await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
}

async function main([path = '', name = '', times = '']: readonly string[]) {
  const file = createStateFile(path);
  for (let nth = 1; nth <= Number(times); nth++) {
    const state = {
      applied: undefined,
      divergedAtMs: undefined,
      stoppedByUs: undefined,
      lastRestartAtMs: nth,
    };
    const written = await file.save(new Map([[name, state]]));
    if (!written.ok) throw new Error(written.problem);
  }
}

if (import.meta.main) await main(process.argv.slice(2));
