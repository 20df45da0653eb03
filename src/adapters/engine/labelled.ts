/** Containers by label: `GET /containers/json`. */

import * as v from 'valibot';
import type { EngineAnswer } from '../../core/broker.ts';
import type { EngineEndpoint } from '../../core/settings.ts';
import { ANSWER_MS, bodyAs, type CallOptions, createCaller, failure, meet, refusal } from './http.ts';

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
    const met = await meet(call, timeoutMs, signal);
    if (!met.ok) return met;
    const answer = await call('GET', `${met.value}/containers/json?${query}`, timeoutMs, signal);
    if (!answer.ok) return answer;
    const what = `containers with ${label}`;
    if (answer.value.status !== 200) return refusal(answer.value, 'looking for', what, false);
    const list = bodyAs(answer.value.body, LIST);
    return list === undefined
      ? failure('bad_answer', `looking for ${what}: the answer is no list of containers`, false)
      : { ok: true, value: namesIn(list) };
  };
}

function namesIn(list: v.InferOutput<typeof LIST>): readonly string[] {
  return list
    .flatMap(({ Names: [name] }) => (name === undefined ? [] : [name.replace(/^\//, '')]))
    .toSorted();
}
