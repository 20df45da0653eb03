/**
 * A service of a Docker Swarm. Only a manager answers; `{id}` may be the name.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Service
 */

import * as v from 'valibot';
import type { EngineAnswer, EngineFailure } from '../../core/model/broker.ts';
import {
  APPLIED_LABEL,
  HISTORY_LABEL,
  labelsFor,
  type ServiceState,
  UPDATE_STATES,
} from '../../core/model/service.ts';
import type { EngineEndpoint } from '../../core/model/settings.ts';
import { meet } from './api-version.ts';
import { failure } from './failure.ts';
import { ANSWER_MS, bodyAs, type CallOptions, createCaller, errorText, type Reply, refusal } from './http.ts';

export interface SwarmService {
  /** `GET /_ping`, `GET /services/{id}` and `GET /tasks`. */
  inspect(options?: CallOptions): Promise<EngineAnswer<ServiceState>>;
  /**
   * `POST /services/{id}/update?version=…`: the specification of the last inspection with `ForceUpdate` increased by
   * one and the labels of this set, under the version of that inspection. If the service has been changed since,
   * nothing is done and the cause is `out_of_sequence`: no other service has this version, so its name is as good as
   * its id.
   */
  update(fingerprint: string): Promise<EngineAnswer<undefined>>;
}

const SERVICE = v.object({
  ID: v.string(),
  Version: v.object({ Index: v.number() }),
  Spec: v.looseObject({
    Name: v.string(),
    Labels: v.nullish(v.record(v.string(), v.string())),
    TaskTemplate: v.looseObject({ ForceUpdate: v.optional(v.number(), 0) }),
    Mode: v.nullish(
      v.looseObject({ Replicated: v.nullish(v.object({ Replicas: v.optional(v.number(), 0) })) }),
    ),
  }),
  UpdateStatus: v.nullish(
    v.object({
      State: v.optional(v.string()),
      StartedAt: v.nullish(v.string()),
      Message: v.optional(v.string(), ''),
    }),
  ),
});
type Service = v.InferOutput<typeof SERVICE>;

const TASKS = v.array(
  v.object({
    CreatedAt: v.string(),
    DesiredState: v.string(),
    Status: v.object({ State: v.string() }),
    Spec: v.object({ ForceUpdate: v.optional(v.number(), 0) }),
  }),
);
type Tasks = v.InferOutput<typeof TASKS>;

/**
 * A task repeats the specification of its service: 2 to 6 kB. The API offers neither paging nor field selection, so
 * this bounds how many tasks a service may have: 700 and more.
 */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The service called `name`, as the manager at `endpoint` knows it. */
export function createSwarmService(endpoint: EngineEndpoint, name: string): SwarmService {
  const call = createCaller(endpoint, { maxBodyBytes: MAX_BODY_BYTES });
  const path = `/services/${encodeURIComponent(name)}`;
  let prefix = '';
  // specification and version from the same answer: only together do they make an update that reverts nothing
  let last: Service | undefined;

  async function get<T>(
    where: string,
    schema: v.GenericSchema<unknown, T>,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<EngineAnswer<T>> {
    const answer = await call('GET', `${prefix}${where}`, timeoutMs, signal);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return serviceRefusal(answer.value, 'inspecting', name, false);
    const read = bodyAs(answer.value.body, schema);
    return read === undefined
      ? failure('bad_answer', `inspecting the service ${name}: the answer to ${where} is none`, false)
      : { ok: true, value: read };
  }

  async function inspect({
    timeoutMs = ANSWER_MS,
    signal,
  }: CallOptions = {}): Promise<EngineAnswer<ServiceState>> {
    const met = await meet(call, timeoutMs, signal);
    if (!met.ok) return met;
    prefix = met.value;
    const service = await get(path, SERVICE, timeoutMs, signal);
    if (!service.ok) return service;
    const { ID: id, Spec: spec } = service.value;
    // if there is no such name, a manager takes it for the beginning of an id and answers with another service
    if (spec.Name !== name && id !== name) {
      const found = `the swarm answers with ${spec.Name.slice(0, 100)}, whose id begins with it`;
      return failure('service_missing', `there is no service ${name} (${found})`, false);
    }
    const tasksWith = (filters: object) =>
      get(`/tasks?filters=${encodeURIComponent(JSON.stringify(filters))}`, TASKS, timeoutMs, signal);
    const tasks = await tasksWith({ service: [id], 'desired-state': ['running'] });
    if (!tasks.ok) return tasks;
    const isDown = desiredTasks(service.value, tasks.value) > 0 && !tasks.value.some(isRunning);
    // tasks that have ended, or wait for their turn, explain why none runs
    const all = isDown ? await tasksWith({ service: [id] }) : tasks;
    if (!all.ok) return all;
    last = service.value;
    return { ok: true, value: stateOf(service.value, tasks.value, all.value) };
  }

  async function update(fingerprint: string): Promise<EngineAnswer<undefined>> {
    if (last === undefined) return failure('bad_answer', `the service ${name} has not been inspected`, false);
    const { Spec: spec, Version: version } = last;
    const next = {
      ...spec,
      Labels: { ...spec.Labels, ...labelsFor(labelsOf(last), fingerprint) },
      TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: spec.TaskTemplate.ForceUpdate + 1 },
    };
    last = undefined;
    const where = `${prefix}${path}/update?version=${version.Index}`;
    const answer = await call('POST', where, ANSWER_MS, undefined, next);
    if (!answer.ok) return answer;
    if (answer.value.status === 200) return { ok: true, value: undefined };
    return serviceRefusal(answer.value, 'updating', name, answer.value.status >= 500);
  }

  return { inspect, update };
}

/** Refusals that the engine (or Podman, which has no swarm) expresses in text, without codes of their own. */
function serviceRefusal(reply: Reply, doing: string, name: string, mayHaveHappened: boolean): EngineFailure {
  // at most 300 characters: a pattern may be slow on a long text
  const said = errorText(reply.body);
  if (/out of sequence/i.test(said)) {
    return failure('out_of_sequence', `the service ${name} was changed by somebody else meanwhile`, false);
  }
  if (/not a swarm manager|not part of a swarm|does not support service/i.test(said)) {
    return failure('not_a_manager', 'this engine is not a manager of a swarm', false);
  }
  if (reply.status === 404 && /service .*not found/i.test(said)) {
    return failure('service_missing', `there is no service ${name}`, false);
  }
  return refusal(reply, doing, `the service ${name}`, mayHaveHappened);
}

function labelsOf({ Spec: { Labels: labels } }: Service): Pick<ServiceState, 'applied' | 'history'> {
  return {
    applied: labels?.[APPLIED_LABEL],
    history: (labels?.[HISTORY_LABEL] ?? '').split(' ').filter(Boolean),
  };
}

/** A global service has one task on each node where it may run. */
function desiredTasks({ Spec: spec }: Service, tasks: Tasks): number {
  return spec.Mode?.Replicated?.Replicas ?? tasks.length;
}

function isRunning({ Status: { State: state } }: Tasks[number]): boolean {
  return state === 'running';
}

/** Final task states (swarmkit, api/types.proto). */
const ENDED: readonly string[] = ['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned'];

function stateOf(service: Service, tasks: Tasks, all: Tasks): ServiceState {
  const { ID: id, Spec: spec, Version: version } = service;
  const running = tasks.filter(isRunning);
  const made = tasks.map(({ CreatedAt: at }) => Date.parse(at)).filter((ms) => !Number.isNaN(ms));
  const startedAtMs = made.length === 0 ? undefined : Math.min(...made);
  const ended = all.filter(({ Status: { State: state } }) => ENDED.includes(state));
  const update = updateOf(service);
  return {
    kind: 'service',
    id,
    up: running.length > 0,
    status: update === undefined || update.state === 'completed' ? 'running' : update.state,
    startedAt: startedAtMs === undefined ? '' : new Date(startedAtMs).toISOString(),
    startedAtMs,
    ...labelsOf(service),
    version: version.Index,
    update,
    desired: desiredTasks(service, tasks),
    running: running.length,
    updated: running.filter(({ Spec: task }) => task.ForceUpdate === spec.TaskTemplate.ForceUpdate).length,
    coming: all.length - running.length - ended.length,
    hasRun: running.length > 0 || ended.length > 0,
  };
}

function updateOf({ UpdateStatus: status }: Service): ServiceState['update'] {
  const state = UPDATE_STATES.find((each) => each === status?.State);
  const startedAtMs = Date.parse(status?.StartedAt ?? '');
  if (state === undefined || Number.isNaN(startedAtMs)) return undefined;
  return { state, startedAtMs, message: status?.Message ?? '' };
}
