/**
 * The container engine: the three calls of the Docker Engine API that this program makes, over a unix
 * socket or TCP. Podman answers the same calls. https://docs.docker.com/reference/api/engine/
 */

import * as v from 'valibot';
import type { EngineAnswer } from '../../core/model/broker.ts';
import { CONTAINER_ID, type ContainerState, isMeant, ownName } from '../../core/model/container.ts';
import type { EngineEndpoint } from '../../core/model/settings.ts';
import { serviceName } from '../../core/model/unit.ts';
import { createVersionedReads } from './api-version.ts';
import { failure } from './failure.ts';
import { ANSWER_MS, type CallOptions, createCaller, parseBody, type Reply, refusal } from './http.ts';

export interface Container {
  /**
   * `GET /containers/{name}/json` in the engine's API version, which `GET /_ping` tells before the first. If another
   * container answers, this one is missing.
   */
  inspect(options?: CallOptions): Promise<EngineAnswer<ContainerState>>;
  /**
   * `POST /containers/{id}/restart?t=…`: stops the container with the `id` of an inspection, with `stopTimeoutS`
   * seconds of grace before it is killed (negative: without limit), and starts it. `t` is always given: without it
   * Podman kills at once. A container that was created again since then has another id: it is left alone, and the
   * answer is `container_missing`.
   */
  restart(id: string, stopTimeoutS: number): Promise<EngineAnswer<undefined>>;
  /** `POST /containers/{id}/kill?signal=SIGHUP`: Mosquitto rereads its configuration and certificates. */
  signalHangup(id: string): Promise<EngineAnswer<undefined>>;
}

/** What stopping, killing and starting may take beyond the grace period. */
const RESTART_MARGIN_MS = 30_000;

/** How long to wait for a broker whose stop timeout is unlimited. */
const ENDLESS_STOP_MS = 300_000;

/** Docker's and Podman's "never". */
const NEVER = '0001-01-01T00:00:00Z';

const NANOSECONDS_PER_MS = 1e6;

const INSPECTION = v.object({
  Id: v.pipe(v.string(), v.regex(CONTAINER_ID)),
  Name: v.string(),
  RestartCount: v.nullish(v.number(), 0),
  State: v.object({
    Status: v.string(),
    Running: v.boolean(),
    Restarting: v.optional(v.boolean(), false),
    OOMKilled: v.nullish(v.boolean(), false),
    Error: v.nullish(v.string(), ''),
    ExitCode: v.number(),
    StartedAt: v.string(),
    FinishedAt: v.string(),
    Health: v.nullish(v.object({ Status: v.string() })),
  }),
  Config: v.object({
    StopTimeout: v.nullish(v.number()),
    Labels: v.optional(v.unknown()),
    Healthcheck: v.nullish(
      v.object({
        Test: v.nullish(v.array(v.string())),
        Interval: v.nullish(v.number()),
        Timeout: v.nullish(v.number()),
        StartPeriod: v.nullish(v.number()),
        StartInterval: v.nullish(v.number()),
        Retries: v.nullish(v.number()),
      }),
    ),
  }),
  HostConfig: v.nullish(
    v.object({
      RestartPolicy: v.nullish(
        v.object({ Name: v.nullish(v.string(), ''), MaximumRetryCount: v.nullish(v.number(), 0) }),
      ),
    }),
  ),
});

type HealthCheck = v.InferOutput<typeof INSPECTION>['Config']['Healthcheck'];

/** The engine's defaults for values that are not set (daemon/health.go). */
const HEALTH_DEFAULTS = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startIntervalMs: 5_000,
  retries: 3,
} as const;

/** How long starting the checks themselves may take. */
const HEALTH_MARGIN_MS = 10_000;

/** The longest wait for a health check, even if it may need longer. */
const LONGEST_HEALTH_MS = 86_400_000;

/** The engine's reason why a container did not start is reported up to this length. */
const LONGEST_ERROR = 400;

/** The engine at `endpoint`, for one container given by name or id. */
export function createContainer(endpoint: EngineEndpoint, container: string): Container {
  const call = createCaller(endpoint);
  // a restart follows an inspection, which has met the version of an engine that was replaced
  const { get, prefix } = createVersionedReads(call);

  async function inspect({
    timeoutMs = ANSWER_MS,
    signal,
  }: CallOptions = {}): Promise<EngineAnswer<ContainerState>> {
    const answer = await get(`${pathOf(container)}/json`, timeoutMs, signal);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value, 'inspecting', container, false);
    return readInspection(answer.value.body, container);
  }

  async function restart(id: string, stopTimeoutS: number): Promise<EngineAnswer<undefined>> {
    const graceMs = stopTimeoutS < 0 ? ENDLESS_STOP_MS : stopTimeoutS * 1_000;
    const answer = await call(
      'POST',
      `${prefix()}${pathOf(id)}/restart?t=${stopTimeoutS}`,
      graceMs + RESTART_MARGIN_MS,
    );
    return answer.ok ? done(answer.value, 'restarting', container) : answer;
  }

  async function signalHangup(id: string): Promise<EngineAnswer<undefined>> {
    const answer = await call('POST', `${prefix()}${pathOf(id)}/kill?signal=SIGHUP`, ANSWER_MS);
    return answer.ok ? done(answer.value, 'signalling', container) : answer;
  }

  return { inspect, restart, signalHangup };
}

function pathOf(nameOrId: string): string {
  return `/containers/${encodeURIComponent(nameOrId)}`;
}

/** Only 204 confirms that it was done. */
function done(reply: Reply, doing: string, container: string): EngineAnswer<undefined> {
  const { status } = reply;
  if (status === 204) return { ok: true, value: undefined };
  if (status < 300) return failure('bad_answer', `${doing} ${container}: HTTP ${status}, not 204`, true);
  return refusal(reply, doing, container, status >= 500);
}

function readInspection(body: string, container: string): EngineAnswer<ContainerState> {
  const badAnswer = (why: string) => failure('bad_answer', `inspecting ${container}: ${why}`, false);
  const json = parseBody(body);
  if (!json.ok) return badAnswer(`the answer ${json.problem}`);
  const result = v.safeParse(INSPECTION, json.value);
  if (!result.success)
    return badAnswer(
      `the answer is not the inspection of a container (${v.getDotPath(result.issues[0]) ?? 'not an object'})`,
    );
  const {
    Id: id,
    Name: name,
    State: state,
    Config: config,
    HostConfig: host,
    RestartCount: restartCount,
  } = result.output;
  if (!isMeant(container, { id, name })) {
    const found = `the engine answers with ${ownName(name).slice(0, 100)}, whose id ${id.slice(0, 12)} begins with it`;
    return failure('container_missing', `there is no container ${container} (${found})`, false);
  }
  const startedAtMs = parseTime(state.StartedAt);
  const finishedAtMs = parseTime(state.FinishedAt);
  if (Number.isNaN(startedAtMs) || Number.isNaN(finishedAtMs))
    return badAnswer('a time in the answer is not a date');
  return {
    ok: true,
    value: {
      kind: 'container',
      id,
      up: state.Running && !state.Restarting,
      status: state.Restarting ? 'restarting' : state.Status,
      exitCode: state.ExitCode,
      startError: state.Error.slice(0, LONGEST_ERROR),
      oomKilled: state.OOMKilled,
      restartPolicy: {
        name: host?.RestartPolicy?.Name ?? '',
        retries: host?.RestartPolicy?.MaximumRetryCount ?? 0,
      },
      restartCount,
      startedAt: state.StartedAt,
      startedAtMs,
      finishedAt: state.FinishedAt,
      finishedAtMs,
      health: config.Healthcheck?.Test?.[0] === 'NONE' ? undefined : healthOf(state.Health?.Status),
      healthNeedsMs: healthNeedsMs(config.Healthcheck),
      stopTimeoutS: config.StopTimeout ?? undefined,
      unit: unitIn(config.Labels),
    },
  };
}

const PODMAN_LABELS = v.object({ PODMAN_SYSTEMD_UNIT: v.string() });

/** The unit that Podman has written into the labels, which may hold anything: no container is refused for them. */
function unitIn(labels: unknown): string | undefined {
  const parsed = v.safeParse(PODMAN_LABELS, labels);
  return parsed.success ? serviceName(parsed.output.PODMAN_SYSTEMD_UNIT) : undefined;
}

function parseTime(text: string): number | undefined {
  return text === NEVER || text === '' ? undefined : Date.parse(text);
}

function healthOf(status: string | undefined): ContainerState['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : undefined;
}

/**
 * How long after a start a health check may need to pass or to fail: failures within the start period do not count, and
 * after it there have to be as many in a row as there are retries. The engine begins each check an interval after the
 * last.
 */
function healthNeedsMs(check: HealthCheck): number {
  const msOf = (nanoseconds: number | null | undefined, otherwise: number) =>
    typeof nanoseconds === 'number' && nanoseconds > 0 ? nanoseconds / NANOSECONDS_PER_MS : otherwise;
  const intervalMs = msOf(check?.Interval, HEALTH_DEFAULTS.intervalMs);
  const timeoutMs = msOf(check?.Timeout, HEALTH_DEFAULTS.timeoutMs);
  const startPeriodMs = msOf(check?.StartPeriod, 0);
  const startIntervalMs = msOf(check?.StartInterval, HEALTH_DEFAULTS.startIntervalMs);
  const retries = (check?.Retries ?? 0) > 0 ? (check?.Retries ?? 0) : HEALTH_DEFAULTS.retries;
  // the last check that does not count may begin one start interval late
  const uncountedMs = startPeriodMs > 0 ? startPeriodMs + startIntervalMs + timeoutMs : 0;
  const needsMs = uncountedMs + retries * (intervalMs + timeoutMs) + HEALTH_MARGIN_MS;
  return Math.min(needsMs, LONGEST_HEALTH_MS);
}
