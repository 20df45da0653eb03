/**
 * A service of a Docker Swarm. Only a manager answers; `{id}` may be the name.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Service
 */

import * as v from 'valibot';
import type { BrokerState, EngineAnswer, EngineFailure } from '../../core/broker.ts';
import {
  APPLIED_LABEL,
  HISTORY_LABEL,
  isBusy,
  labelsFor,
  type ServiceState,
  UPDATE_STATES,
} from '../../core/service.ts';
import type { EngineEndpoint } from '../../core/settings.ts';
import {
  ANSWER_MS,
  bodyAs,
  type CallOptions,
  createCaller,
  failure,
  meet,
  type Reply,
  refusal,
} from './http.ts';

export interface SwarmService {
  /** `GET /_ping`, `GET /services/{id}` and `GET /tasks`. */
  inspect(options?: CallOptions): Promise<EngineAnswer<BrokerState>>;
  /**
   * `POST /services/{id}/update?version=…`: the specification of the last inspection with `ForceUpdate` one higher and
   * the labels of this set, under the version of that inspection. If anybody has changed the service since, nothing is
   * done and the cause is `out_of_sequence`.
   */
  update(fingerprint: string): Promise<EngineAnswer<undefined>>;
}

const SERVICE = v.object({
  ID: v.string(),
  Version: v.object({ Index: v.number() }),
  Spec: v.looseObject({
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

/** The service called `name`, as the manager at `endpoint` knows it. */
export function createSwarmService(endpoint: EngineEndpoint, name: string): SwarmService {
  const call = createCaller(endpoint);
  const path = `/services/${encodeURIComponent(name)}`;
  const filters = encodeURIComponent(JSON.stringify({ service: [name], 'desired-state': ['running'] }));
  let prefix = '';
  // specification and version of one and the same answer: only together they make an update that undoes nothing
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
  }: CallOptions = {}): Promise<EngineAnswer<BrokerState>> {
    const met = await meet(call, timeoutMs, signal);
    if (!met.ok) return met;
    prefix = met.value;
    const service = await get(path, SERVICE, timeoutMs, signal);
    if (!service.ok) return service;
    const tasks = await get(`/tasks?filters=${filters}`, TASKS, timeoutMs, signal);
    if (!tasks.ok) return tasks;
    last = service.value;
    return { ok: true, value: brokerOf(service.value, stateOf(service.value, tasks.value)) };
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

/** What the engine (or Podman, which knows no swarm) says no to in its own words, which have no codes of their own. */
function serviceRefusal(reply: Reply, doing: string, name: string, mayHaveHappened: boolean): EngineFailure {
  if (/out of sequence/i.test(reply.body)) {
    return failure('out_of_sequence', `the service ${name} was changed by somebody else meanwhile`, false);
  }
  if (/not a swarm manager|not part of a swarm|does not support service/i.test(reply.body)) {
    return failure('not_a_manager', 'this engine is not a manager of a swarm', false);
  }
  if (reply.status === 404 && /service .*not found/i.test(reply.body)) {
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

function stateOf(service: Service, tasks: Tasks): ServiceState {
  const { Spec: spec, Version: version } = service;
  const running = tasks.filter(({ Status: { State: state } }) => state === 'running');
  const made = running.map(({ CreatedAt: at }) => Date.parse(at)).filter((ms) => !Number.isNaN(ms));
  return {
    ...labelsOf(service),
    version: version.Index,
    update: updateOf(service),
    // a global service has one task on each node that it may run on
    desired: spec.Mode?.Replicated?.Replicas ?? tasks.length,
    running: running.length,
    updated: running.filter(({ Spec: task }) => task.ForceUpdate === spec.TaskTemplate.ForceUpdate).length,
    oldestTaskMs: made.length === 0 ? undefined : Math.min(...made),
  };
}

function updateOf({ UpdateStatus: status }: Service): ServiceState['update'] {
  const state = UPDATE_STATES.find((each) => each === status?.State);
  const startedAtMs = Date.parse(status?.StartedAt ?? '');
  if (state === undefined || Number.isNaN(startedAtMs)) return undefined;
  return { state, startedAtMs, message: status?.Message ?? '' };
}

/** The service in the words for a broker: up while a task runs, and healthy while all of them do. */
function brokerOf({ ID: id }: Service, service: ServiceState): BrokerState {
  const { desired, running, oldestTaskMs } = service;
  const isWhole = running >= desired;
  return {
    id,
    up: running > 0,
    status: service.update?.state === 'completed' ? 'running' : (service.update?.state ?? 'running'),
    // scaled to nothing is stopped on purpose
    exitCode: desired === 0 ? 0 : 1,
    startedAt: oldestTaskMs === undefined ? '' : new Date(oldestTaskMs).toISOString(),
    startedAtMs: oldestTaskMs,
    finishedAt: '',
    finishedAtMs: undefined,
    health: isWhole ? 'healthy' : isBusy(service) ? 'starting' : 'unhealthy',
    stopTimeoutS: undefined,
    service,
  };
}
