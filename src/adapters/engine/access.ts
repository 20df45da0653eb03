/** What the engine's socket grants, found out by calls that change nothing and that this program never needs. */

import { type EngineAccess, judgeAccess, type Trial } from '../../core/engine-access.ts';
import type { EngineEndpoint } from '../../core/settings.ts';
import { createCaller } from './http.ts';

/** An engine that needs longer is asked again, or another time. */
const ANSWER_MS = 2_000;

/** Only the status is of interest; a short body is read so that the engine is not left with half an answer. */
const MAX_BODY_BYTES = 64 * 1024;

/** Asks for all `paths` at once, with `GET`. It never rejects, and ends at once when `signal` aborts. */
export async function findEngineAccess(
  endpoint: EngineEndpoint,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<EngineAccess> {
  const call = createCaller(endpoint, { maxBodyBytes: MAX_BODY_BYTES, isLongBodyDropped: true });
  const trials = paths.map(async (path): Promise<Trial> => {
    const answer = await call('GET', path, ANSWER_MS, signal);
    return answer.ok ? { path, status: answer.value.status } : { path, problem: answer.problem };
  });
  return judgeAccess(await Promise.all(trials));
}
