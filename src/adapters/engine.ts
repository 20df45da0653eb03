/**
 * The container engine: the three calls of the Docker Engine API that this program makes, over a unix
 * socket or TCP. Podman answers the same calls. https://docs.docker.com/reference/api/engine/
 */

import * as v from 'valibot';
import type { BrokerState, EngineAnswer } from '../core/broker.ts';
import type { EngineEndpoint } from '../core/settings.ts';
import {
  ANSWER_MS,
  type CallOptions,
  createCaller,
  failure,
  meet,
  type Reply,
  refusal,
} from './engine/http.ts';

export interface Engine {
  /** `GET /_ping` for the API version, then `GET /containers/{id}/json`. */
  inspect(options?: CallOptions): Promise<EngineAnswer<BrokerState>>;
  /**
   * `POST /containers/{id}/restart?t=…`: stops the container, with `stopTimeoutS` seconds of grace before it
   * is killed (negative: for ever), and starts it. `t` is always given: without it Podman kills at once.
   */
  restart(stopTimeoutS: number): Promise<EngineAnswer<undefined>>;
  /** `POST /containers/{id}/kill?signal=SIGHUP`: Mosquitto reads its configuration and certificates again. */
  hangUp(): Promise<EngineAnswer<undefined>>;
}

/** What stopping, killing and starting may take beyond the grace period. */
const RESTART_MARGIN_MS = 30_000;

/** A broker that may take for ever to stop is waited for this long. */
const ENDLESS_STOP_MS = 300_000;

/** Docker's and Podman's "never". */
const NEVER = '0001-01-01T00:00:00Z';

const INSPECTION = v.object({
  Id: v.string(),
  State: v.object({
    Status: v.string(),
    Running: v.boolean(),
    Restarting: v.optional(v.boolean(), false),
    ExitCode: v.number(),
    StartedAt: v.string(),
    FinishedAt: v.string(),
    Health: v.nullish(v.object({ Status: v.string() })),
  }),
  Config: v.object({ StopTimeout: v.nullish(v.number()) }),
});

/** The engine at `endpoint`, for one container given by name or id. */
export function createEngine(endpoint: EngineEndpoint, container: string): Engine {
  const call = createCaller(endpoint);
  const path = `/containers/${encodeURIComponent(container)}`;
  // as the last ping said; an engine that is replaced by another version is met again at the next inspection
  let prefix = '';

  async function inspect({
    timeoutMs = ANSWER_MS,
    signal,
  }: CallOptions = {}): Promise<EngineAnswer<BrokerState>> {
    const met = await meet(call, timeoutMs, signal);
    if (!met.ok) return met;
    prefix = met.value;
    const answer = await call('GET', `${prefix}${path}/json`, timeoutMs, signal);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value, 'inspecting', container, false);
    return readInspection(answer.value.body, container);
  }

  async function restart(stopTimeoutS: number): Promise<EngineAnswer<undefined>> {
    const graceMs = stopTimeoutS < 0 ? ENDLESS_STOP_MS : stopTimeoutS * 1_000;
    const answer = await call(
      'POST',
      `${prefix}${path}/restart?t=${stopTimeoutS}`,
      graceMs + RESTART_MARGIN_MS,
    );
    return answer.ok ? done(answer.value, 'restarting', container) : answer;
  }

  async function hangUp(): Promise<EngineAnswer<undefined>> {
    const answer = await call('POST', `${prefix}${path}/kill?signal=SIGHUP`, ANSWER_MS);
    return answer.ok ? done(answer.value, 'signalling', container) : answer;
  }

  return { inspect, restart, hangUp };
}

/** Only 204 says that it was done. */
function done(reply: Reply, doing: string, container: string): EngineAnswer<undefined> {
  const { status } = reply;
  if (status === 204) return { ok: true, value: undefined };
  if (status < 300) return failure('bad_answer', `${doing} ${container}: HTTP ${status}, not 204`, true);
  return refusal(reply, doing, container, status >= 500);
}

function readInspection(body: string, container: string): EngineAnswer<BrokerState> {
  const badAnswer = (why: string) => failure('bad_answer', `inspecting ${container}: ${why}`, false);
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return badAnswer('the answer is not JSON');
  }
  const result = v.safeParse(INSPECTION, json);
  if (!result.success)
    return badAnswer(
      `the answer is no inspection of a container (${v.getDotPath(result.issues[0]) ?? 'not an object'})`,
    );
  const { Id: id, State: state, Config: config } = result.output;
  const startedAtMs = parseTime(state.StartedAt);
  const finishedAtMs = parseTime(state.FinishedAt);
  if (Number.isNaN(startedAtMs) || Number.isNaN(finishedAtMs))
    return badAnswer('a time in the answer is not a date');
  return {
    ok: true,
    value: {
      id,
      up: state.Running && !state.Restarting,
      status: state.Restarting ? 'restarting' : state.Status,
      exitCode: state.ExitCode,
      startedAt: state.StartedAt,
      startedAtMs,
      finishedAt: state.FinishedAt,
      finishedAtMs,
      health: healthOf(state.Health?.Status),
      stopTimeoutS: config.StopTimeout ?? undefined,
    },
  };
}

function parseTime(text: string): number | undefined {
  return text === NEVER || text === '' ? undefined : Date.parse(text);
}

function healthOf(status: string | undefined): BrokerState['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : undefined;
}
