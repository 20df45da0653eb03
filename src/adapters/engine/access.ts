/** Finds out what the engine's socket grants, through read-only calls that this program never needs. */

import * as v from 'valibot';
import { type EngineAccess, judgeAccess, type Trial } from '../../core/engine/access.ts';
import type { EngineEndpoint } from '../../core/model/settings.ts';
import { meet } from './api-version.ts';
import { bodyAs, createCaller } from './http.ts';

/** An engine that takes longer is asked again at another time. */
const ANSWER_MS = 2_000;

/** Only the status matters, and what `/info` reports about rights: 6 kB. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Requests all `paths` at once, with `GET`, in the API version that the engine names: an engine that refuses old
 * versions must not look like a proxy. It never rejects, and ends at once when `signal` aborts.
 */
export async function findEngineAccess(
  endpoint: EngineEndpoint,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<EngineAccess> {
  const call = createCaller(endpoint, { maxBodyBytes: MAX_BODY_BYTES, isLongBodyDropped: true });
  const met = await meet(call, ANSWER_MS, signal);
  if (!met.ok) return { kind: 'unknown', problem: met.problem };
  const trials = paths.map(async (path): Promise<Trial> => {
    const answer = await call('GET', `${met.value}${path}`, ANSWER_MS, signal);
    if (!answer.ok) return { path, problem: answer.problem };
    const { status, body } = answer.value;
    return path === '/info' ? { path, status, rootless: isRootless(body) } : { path, status };
  });
  return judgeAccess(await Promise.all(trials));
}

/** Docker lists it among its security options; Podman (some versions only there) in a separate field. */
const INFO = v.object({
  SecurityOptions: v.nullish(v.array(v.string())),
  Rootless: v.nullish(v.boolean()),
});

function isRootless(body: string): boolean {
  const info = bodyAs(body, INFO);
  return info?.Rootless === true || info?.SecurityOptions?.some((each) => each === 'name=rootless') === true;
}
