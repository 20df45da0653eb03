/**
 * A unit of systemd, by systemctl: `show` for evidence, `restart` and `kill` to act. systemctl(1). D-Bus itself would
 * need a library, and none is kept well enough.
 */

import type { BrokerState, EngineAnswer } from '../../core/model/broker.ts';
import type { UnitState } from '../../core/model/unit.ts';
import { badAnswer, type Call, failureOf, unitMissing } from './failure.ts';
import { readProperties } from './properties.ts';
import type { Ran, Systemctl } from './systemctl.ts';

export interface CallOptions {
  /** cancels the call */
  readonly signal?: AbortSignal;
  /** milliseconds for the call, instead of 10 s */
  readonly timeoutMs?: number;
}

/** How long systemd may take for an answer that involves no waiting. */
const ANSWER_MS = 10_000;

export interface Unit {
  /** `systemctl show`: it needs no rights. */
  inspect(options?: CallOptions): Promise<EngineAnswer<UnitState>>;
  /**
   * `systemctl restart`, which ends when the job has: the unit is stopped, and started again, or started if it is down.
   * With the start limit used up, systemd would stop a running unit and not start it again: `reset-failed` comes first.
   * A unit that has failed looks afterwards as if somebody had stopped it, so there it comes only where it is needed.
   */
  restart(before: BrokerState): Promise<EngineAnswer<undefined>>;
  /** `systemctl kill --signal=SIGHUP --kill-whom=main`: Mosquitto rereads its configuration and certificates. */
  signalHangup(): Promise<EngineAnswer<undefined>>;
}

/** What the job may take beyond the times of the unit. */
const RESTART_MARGIN_MS = 30_000;

/** If the state before is not that of a unit. */
const DEFAULT_RESTART_MS = 270_000;

/** `Result` of a unit that was started too often. */
const START_LIMIT = 'start-limit-hit';

/** From the older name of an option to the newer one; systemd 252 and later know both. */
const KILL_OPTIONS = ['--kill-whom=main', '--kill-who=main'] as const;

/** The unit called `name`, in full. */
export function createUnit(name: string, systemctl: Systemctl): Unit {
  async function inspect({
    timeoutMs = ANSWER_MS,
    signal,
  }: CallOptions = {}): Promise<EngineAnswer<UnitState>> {
    const call: Call = { unit: name, doing: 'inspecting', verb: 'show', timeoutMs, acts: false };
    const ran = await systemctl(showArguments(name), { timeoutMs, signal });
    if (isUnknownOption(ran)) return badAnswer(name, 'systemctl does not know --timestamp');
    const failed = failureOf(ran, call);
    if (failed !== undefined) return failed;
    const read = readProperties(ran.kind === 'ended' ? ran.stdout : '');
    if (!read.ok) return badAnswer(name, read.problem);
    return read.isThere ? { ok: true, value: read.unit } : unitMissing(name);
  }

  /** One call that asks systemd to do something. */
  async function act(
    verb: string,
    doing: string,
    options: readonly string[],
    timeoutMs: number,
  ): Promise<EngineAnswer<undefined>> {
    const ran = await systemctl([verb, ...options, name], { timeoutMs });
    const call: Call = { unit: name, doing, verb, timeoutMs, acts: true };
    return failureOf(ran, call) ?? { ok: true, value: undefined };
  }

  async function restart(before: BrokerState): Promise<EngineAnswer<undefined>> {
    const needsMs = before.kind === 'unit' ? before.restartNeedsMs : DEFAULT_RESTART_MS;
    const job = () => act('restart', 'restarting', [], needsMs + RESTART_MARGIN_MS);
    if (before.kind === 'unit' && before.active === 'failed' && before.result !== START_LIMIT) {
      const answer = await job();
      if (answer.ok || !(await hasNotRunSince(before))) return answer;
    }
    const reset = await act('reset-failed', 'resetting the start limit of', [], ANSWER_MS);
    // a unit that is at rest has nothing to reset; without the right to, or an answer, a restart could take it down
    if (!reset.ok && MUST_BE_ALLOWED.has(reset.cause)) return { ...reset, mayHaveHappened: false };
    return job();
  }

  /**
   * Whether systemd has started nothing since. That is the only trace of a limit that `Restart=` has used up: the unit
   * still has the result of its last run, and so has the answer to our call.
   */
  async function hasNotRunSince({ finishedAt }: UnitState): Promise<boolean> {
    const now = await inspect();
    return now.ok && now.value.active === 'failed' && now.value.finishedAt === finishedAt;
  }

  async function signalHangup(): Promise<EngineAnswer<undefined>> {
    const [whom, who] = KILL_OPTIONS;
    const kill = (option: string) => act('kill', 'signalling', ['--signal=SIGHUP', option], ANSWER_MS);
    const answer = await kill(whom);
    return !answer.ok && /unrecognized option/.test(answer.problem) ? kill(who) : answer;
  }

  return { inspect, restart, signalHangup };
}

const MUST_BE_ALLOWED: ReadonlySet<string> = new Set([
  'permission_denied',
  'unreachable',
  'systemctl_missing',
  'timeout',
  'connection_lost',
]);

const PROPERTIES = [
  ...['Id', 'LoadState', 'ActiveState', 'SubState', 'Result', 'NRestarts', 'FreezerState', 'ConditionResult'],
  ...['ExecMainStartTimestamp', 'ExecMainCode', 'ExecMainStatus', 'InactiveEnterTimestamp', 'ExecStart'],
  ...['TimeoutStartUSec', 'TimeoutStopUSec'],
];

function showArguments(name: string): readonly string[] {
  return ['show', '--timestamp=us+utc', `--property=${PROPERTIES.join(',')}`, name];
}

function isUnknownOption(ran: Ran): boolean {
  return ran.kind === 'ended' && ran.code !== 0 && /unrecognized option '?--timestamp/.test(ran.stderr);
}
