/** How long V8 keeps the code that it has compiled. */

import { startTimer } from '../timer.ts';

/** V8's default: so many large collections in which it did not run, and a function is compiled again when it runs. */
const KEPT_FOR = '--bytecode-old-age=6';

/** The start is over for V8 after eight seconds, and it then makes two or three large collections within two. */
const START_IS_COLLECTED_MS = 20_000;

/**
 * The executable begins with `--bytecode-old-age=1`, so that what ran for the start alone is collected after it. From then
 * on this restores V8's default: else a rotation soon after others would have to compile the code of the one before
 * again, 12 ms of it (docs/decisions/0009). V8 reads the flag at each collection. Nothing happens after `stop`.
 */
export function keepCompiledCode(stop: AbortSignal, setFlag = setV8Flag): void {
  const timer = startTimer(() => void setFlag(KEPT_FOR), START_IS_COLLECTED_MS).unref();
  stop.addEventListener('abort', () => clearTimeout(timer), { once: true });
}

async function setV8Flag(flag: string): Promise<void> {
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString(flag);
}
