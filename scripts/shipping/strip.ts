/** Takes the symbols out of a runtime: a seventh of its size. */

import { command, findProgram } from './command.ts';
import { isHost, type Target } from './target.ts';

/**
 * Strips the file in place and returns the program that did it; undefined if no program here can. This comes
 * before the blob is injected: strip moves what the blob's note points at, and the result crashes.
 */
export async function strip(file: string, target: Target): Promise<string | undefined> {
  const names = [...(isHost(target) ? ['strip'] : []), `${target.gnu}-strip`, 'llvm-strip'];
  for (const name of names) {
    const program = await findProgram(name);
    if (program === undefined) continue;
    await command(program, [file]);
    return name;
  }
  return undefined;
}
