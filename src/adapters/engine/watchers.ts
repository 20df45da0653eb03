/** Other watchers among the containers of the engine, as far as it lists them: a socket proxy may not. */

import { hostname } from 'node:os';
import * as v from 'valibot';
import { RUNNING_CONTAINERS } from '../../core/engine/calls.ts';
import { CONTAINER_ID, ownName } from '../../core/model/container.ts';
import {
  isWatcherContainer,
  type OtherWatcher,
  targetOf,
  type WatcherContainer,
} from '../../core/model/rivals.ts';
import type { EngineEndpoint } from '../../core/model/settings.ts';
import { readText } from '../../system/file-calls.ts';
import { meet } from './api-version.ts';
import { bodyAs, type Call, createCaller } from './http.ts';

export interface ContainersSeen {
  /** the container that this process runs in, if the engine lists it */
  readonly own: WatcherContainer | undefined;
  /** without that one */
  readonly others: readonly (OtherWatcher & { readonly place: WatcherContainer })[];
}

/** The search runs while a rotation waits: with a slower engine nothing is found. */
const ANSWER_MS = 1_000;

/** More than these cannot be there by mistake. */
const MAX_WATCHERS = 8;

const LIST = v.array(
  v.object({
    Id: v.pipe(v.string(), v.regex(CONTAINER_ID)),
    Names: v.nullish(v.array(v.string())),
    Command: v.nullish(v.string()),
    Created: v.number(),
  }),
);
type Listed = v.InferOutput<typeof LIST>[number];

const INSPECTION = v.object({
  Path: v.string(),
  Args: v.nullish(v.array(v.string())),
  Config: v.object({ Env: v.nullish(v.array(v.string())) }),
});

const NOBODY: ContainersSeen = { own: undefined, others: [] };

/**
 * Finds them with `GET /containers/json` and an inspection of each container whose command is this program. If the list
 * is refused it finds none and does not ask again, so that the log of a proxy stays quiet. It never rejects.
 */
export function createWatcherSearch(
  endpoint: EngineEndpoint,
  byDefault: string,
): (signal: AbortSignal) => Promise<ContainersSeen> {
  const call = createCaller(endpoint);
  let isRefused = false;

  return async (signal) => {
    if (isRefused) return NOBODY;
    const met = await meet(call, ANSWER_MS, signal);
    if (!met.ok) return NOBODY;
    const answer = await call('GET', `${met.value}${RUNNING_CONTAINERS}`, ANSWER_MS, signal);
    if (answer.ok) isRefused = answer.value.status >= 400 && answer.value.status < 500;
    const list = answer.ok && answer.value.status === 200 ? bodyAs(answer.value.body, LIST) : undefined;
    const candidates =
      list?.filter(({ Command: command }) => isWatcherContainer(wordsIn(command ?? ''))) ?? [];
    if (candidates.length === 0) return NOBODY;
    const ownId = await ownContainer(candidates.map(({ Id: id }) => id));
    const looks = candidates
      .slice(0, MAX_WATCHERS)
      .map((each) => look(call, met.value, each, byDefault, signal));
    const found = (await Promise.all(looks)).filter((each) => each !== undefined);
    return {
      own: found.find(({ place }) => place.id === ownId)?.place,
      others: found.filter(({ place }) => place.id !== ownId),
    };
  };
}

async function look(
  call: Call,
  prefix: string,
  { Id: id, Names: names, Command: command, Created: createdS }: Listed,
  byDefault: string,
  signal: AbortSignal,
): Promise<ContainersSeen['others'][number] | undefined> {
  const answer = await call('GET', `${prefix}/containers/${id}/json`, ANSWER_MS, signal);
  const inspection =
    answer.ok && answer.value.status === 200 ? bodyAs(answer.value.body, INSPECTION) : undefined;
  const words = inspection ? [inspection.Path, ...(inspection.Args ?? [])] : wordsIn(command ?? '');
  if (!isWatcherContainer(words)) return undefined;
  const environment = new Map(
    inspection?.Config.Env?.map(
      (entry) => [entry.replace(/=.*/s, ''), entry.replace(/^[^=]*=/, '')] as const,
    ),
  );
  const overTcp = environment.get('DOCKER_HOST')?.startsWith('tcp:') === true;
  return {
    name: `container ${ownName(names?.[0] ?? id).slice(0, 100)}`,
    place: { kind: 'container', id, createdS, overTcp },
    isBlind: false,
    target: inspection && targetOf(environment, words, byDefault),
  };
}

/** The list joins all words into one text. */
function wordsIn(command: string): readonly string[] {
  return command.slice(0, 1_000).split(' ');
}

/**
 * Which of these containers this process runs in. The engine mounts files of its own into each, from a directory named
 * after the id; if that is hidden, the host name is the beginning of the id, unless another one was set.
 */
async function ownContainer(ids: readonly string[]): Promise<string | undefined> {
  const mounts = await readText('/proc/self/mountinfo').catch(() => '');
  const own = mounts.split('\n').filter((line) => / \/etc\/(hostname|hosts|resolv\.conf) /.test(line));
  const byMount = ids.find((id) => own.some((line) => line.includes(id)));
  const name = hostname();
  return byMount ?? (/^[0-9a-f]{12}$/.test(name) ? ids.find((id) => id.startsWith(name)) : undefined);
}
