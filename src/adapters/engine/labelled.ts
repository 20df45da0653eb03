/** Containers by label: `GET /containers/json`. */

import * as v from 'valibot';
import type { EngineAnswer } from '../../core/broker.ts';
import type { EngineEndpoint } from '../../core/settings.ts';
import { ANSWER_MS, type CallOptions, createCaller, failure, refusal, versionPrefix } from './http.ts';

const LIST = v.array(v.object({ Names: v.array(v.string()) }));

/**
 * Finds the names of all containers, running or not, with a label (`key=value`, or `key` with any value), in
 * alphabetical order: the engine's own is that of creation, which changes when one is made anew.
 */
export function createLabelSearch(
  endpoint: EngineEndpoint,
  label: string,
): (options?: CallOptions) => Promise<EngineAnswer<readonly string[]>> {
  const call = createCaller(endpoint);
  const query = new URLSearchParams({ all: 'true', filters: JSON.stringify({ label: [label] }) });

  return async ({ timeoutMs = ANSWER_MS, signal } = {}) => {
    const ping = await call('GET', '/_ping', timeoutMs, signal);
    if (!ping.ok) return ping;
    const path = `${versionPrefix(ping.value)}/containers/json?${query}`;
    const answer = await call('GET', path, timeoutMs, signal);
    if (!answer.ok) return answer;
    const what = `containers with ${label}`;
    if (answer.value.status !== 200) return refusal(answer.value, 'looking for', what, false);
    const names = namesIn(answer.value.body);
    return names === undefined
      ? failure('bad_answer', `looking for ${what}: the answer is no list of containers`, false)
      : { ok: true, value: names };
  };
}

function namesIn(body: string): readonly string[] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  const result = v.safeParse(LIST, json);
  if (!result.success) return undefined;
  return result.output
    .flatMap(({ Names: [name] }) => (name === undefined ? [] : [name.replace(/^\//, '')]))
    .toSorted();
}
