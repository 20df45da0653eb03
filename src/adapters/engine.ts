/**
 * The container engine: the three calls of the Docker Engine API that this program makes, over a unix
 * socket or TCP. Podman answers the same calls. https://docs.docker.com/reference/api/engine/
 */

import * as v from 'valibot';
import type { BrokerState, EngineAnswer, EngineFailure } from '../core/broker.ts';
import type { EngineEndpoint } from '../core/settings.ts';
import { createCaller, failure, type Reply } from './engine-http.ts';

export interface InspectOptions {
  /** cancels the conversation */
  readonly signal?: AbortSignal;
  /** milliseconds for each of the two calls, instead of 10 s */
  readonly timeoutMs?: number;
}

export interface Engine {
  /** `GET /_ping` for the API version, then `GET /containers/{id}/json`. */
  inspect(options?: InspectOptions): Promise<EngineAnswer<BrokerState>>;
  /**
   * `POST /containers/{id}/restart?t=…`: stops the container, with `stopTimeoutS` seconds of grace before it
   * is killed (negative: for ever), and starts it. `t` is always given: without it Podman kills at once.
   */
  restart(stopTimeoutS: number): Promise<EngineAnswer<undefined>>;
}

/** How long the engine may take for an answer that needs no waiting. */
const ANSWER_MS = 10_000;

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
  }: InspectOptions = {}): Promise<EngineAnswer<BrokerState>> {
    const ping = await call('GET', '/_ping', timeoutMs, signal);
    if (!ping.ok) return ping;
    prefix = versionPrefix(ping.value);
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
    if (!answer.ok) return answer;
    const { status } = answer.value;
    if (status === 204) return { ok: true, value: undefined };
    if (status < 300) return failure('bad_answer', `restarting ${container}: HTTP ${status}, not 204`, true);
    return refusal(answer.value, 'restarting', container, status >= 500);
  }

  return { inspect, restart };
}

/** Engines drop old API versions and refuse new ones, so theirs is used; without one, the path without. */
function versionPrefix({ status, headers }: Reply): string {
  const version = headers['api-version'];
  return status === 200 && typeof version === 'string' && /^\d+\.\d+$/.test(version) ? `/v${version}` : '';
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

/** An HTTP status that says no. */
function refusal(reply: Reply, doing: string, container: string, mayHaveHappened: boolean): EngineFailure {
  const said = errorText(reply.body);
  const problem = `${doing} ${container}: HTTP ${reply.status}${said === '' ? '' : `: ${said}`}`;
  if (reply.status === 404 && /no such container/i.test(said)) {
    return failure('container_missing', `there is no container ${container}`, false);
  }
  if (reply.status === 401 || reply.status === 403) return failure('permission_denied', problem, false);
  if (reply.status >= 500) return failure('engine_error', problem, mayHaveHappened);
  return failure('call_refused', problem, false);
}

/** Docker's and Podman's errors are `{"message": …}`; anything else is shown as it is, cut short. */
function errorText(body: string): string {
  let text = body;
  try {
    const result = v.safeParse(v.object({ message: v.string() }), JSON.parse(body));
    if (result.success) text = result.output.message;
  } catch {
    // not JSON: the body itself is the best that there is to show
  }
  return text.replace(/\s+/g, ' ').trim().slice(0, 300);
}
