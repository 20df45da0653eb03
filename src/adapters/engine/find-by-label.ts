/** Containers by label: `GET /containers/json`. */

import * as v from 'valibot';
import type { EngineAnswer } from '../../core/model/broker.ts';
import { CONTAINER_ID, ownName } from '../../core/model/container.ts';
import type { EngineEndpoint } from '../../core/model/settings.ts';
import { meet } from './api-version.ts';
import { failure } from './failure.ts';
import { ANSWER_MS, bodyAs, type CallOptions, createCaller, refusal } from './http.ts';

const LIST = v.array(
  v.object({ Id: v.pipe(v.string(), v.regex(CONTAINER_ID)), Names: v.nullish(v.array(v.string())) }),
);

/**
 * Finds the names of all containers, running or not, with a label (`key=value`, or `key` with any value), in
 * alphabetical order: the engine's own order is that of creation, which changes when one is created again.
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
      ? failure('bad_answer', `looking for ${what}: the answer is not a list of containers`, false)
      : { ok: true, value: namesIn(list) };
  };
}

/** If `--link` gives a container an alias, the list contains that too, as `/other/alias`, and not always last. */
const OWN_NAME = /^\/?[^/]+$/;

function namesIn(list: v.InferOutput<typeof LIST>): readonly string[] {
  return list
    .map(({ Id: id, Names: names }) => {
      const name = names?.find((each) => OWN_NAME.test(each));
      return name === undefined ? id.slice(0, SHOWN_DIGITS) : ownName(name);
    })
    .toSorted();
}

/** As many as every tool shows, and enough to rule out any other container. */
const SHOWN_DIGITS = 12;
