/** Runs programs of this machine: quiet when they succeed, told in full when they do not. */

import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface CommandOptions {
  readonly cwd?: string;
  /** in addition to our own environment */
  readonly env?: Readonly<Record<string, string>>;
  /** its output goes where ours goes, instead of being returned */
  readonly isShown?: boolean;
}

/** Runs a program to its end and resolves with its standard output; rejects with everything that it said. */
export function command(
  program: string,
  args: readonly string[],
  { cwd, env, isShown = false }: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...(cwd !== undefined && { cwd }),
      env: { ...process.env, ...env },
      stdio: ['ignore', isShown ? 'inherit' : 'pipe', isShown ? 'inherit' : 'pipe'],
    });
    const said: Buffer[] = [];
    const output: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => {
      said.push(chunk);
      output.push(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
    child.on('error', (error) => reject(new Error(`${program} cannot be run: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(output).toString('utf8'));
      const line = [program, ...args].join(' ');
      reject(
        new Error(`${line}: ended with ${signal ?? code}\n${Buffer.concat(said).toString('utf8')}`.trim()),
      );
    });
  });
}

/** Where the program is on the PATH; undefined if it is not. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}
