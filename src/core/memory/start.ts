/**
 * A broker that has been restarted and is up, but is not yet known to be well: its health check has not passed, or it
 * has been paused since. The loop continues meanwhile and looks at it at intervals. Pure.
 */

import {
  type BrokerState,
  type BrokerUp,
  conditionOf,
  type EngineAnswer,
  type RestartOutcome,
} from '../model/broker.ts';
import { type ContainerState, judgeRecovery } from '../model/container.ts';
import type { CertificateSet, Moment } from '../model/files.ts';
import { formatDuration } from '../text/duration.ts';

/** The progress of such a start. Times are monotonic milliseconds. */
export interface Start {
  /** the set that it was restarted for */
  readonly set: CertificateSet;
  readonly up: BrokerUp;
  /** since when its health check has been waited for: a pause does not count */
  readonly sinceMonoMs: number;
  /** from when a failing health check, or a broker that does not stay up, counts as a failure */
  readonly upByMonoMs: number;
  /** from when a health check that has not passed counts as failed */
  readonly healthyByMonoMs: number;
  /** since when it has been well in this run */
  readonly well: { readonly startedAt: string; readonly monoMs: number } | undefined;
}

/** A broker that dies of its configuration does so within this time. */
const SETTLE_MS = 2_000;

/** How long a broker has to keep its state for that to count. */
export function settleTime(verifyTimeoutMs: number): number {
  return Math.min(SETTLE_MS, verifyTimeoutMs / 2);
}

/** The broker is looked at this often. */
export const START_LOOK_MS = 1_000;

/**
 * The start that a restart for `set` has led to. It has RESTART_VERIFY_TIMEOUT to be up, and the longer of that and its
 * own time to be healthy.
 */
export function beginStart(set: CertificateSet, up: BrokerUp, now: Moment, verifyTimeoutMs: number): Start {
  return {
    set,
    up,
    sinceMonoMs: now.monoMs,
    upByMonoMs: up.answeredMonoMs + verifyTimeoutMs,
    healthyByMonoMs: now.monoMs + Math.max(verifyTimeoutMs, up.broker.healthNeedsMs),
    well: undefined,
  };
}

/** Takes a look into account. After a pause the engine restarts its checks, and so does the wait for them. */
export function followStart(start: Start, answer: EngineAnswer<BrokerState>, now: Moment): Start {
  if (!answer.ok) return start;
  const { startedAt } = answer.value;
  const condition = conditionOf(answer.value);
  if (condition === 'paused') {
    const pauseMs = now.monoMs - start.sinceMonoMs;
    return {
      ...start,
      sinceMonoMs: now.monoMs,
      upByMonoMs: start.upByMonoMs + pauseMs,
      healthyByMonoMs: start.healthyByMonoMs + pauseMs,
      well: undefined,
    };
  }
  if (condition !== 'well') return { ...start, well: undefined };
  return start.well?.startedAt === startedAt ? start : { ...start, well: { startedAt, monoMs: now.monoMs } };
}

/** How the restart has ended, once that is known. */
export function endOfStart(
  start: Start,
  answer: EngineAnswer<BrokerState>,
  now: Moment,
  verifyTimeoutMs: number,
): RestartOutcome | undefined {
  const { calledMonoMs, answeredMonoMs } = start.up;
  const timing = { tookMs: now.monoMs - calledMonoMs, answeredMonoMs };
  const broker = answer.ok && answer.value.kind === 'container' ? answer.value : undefined;
  const unhealthy = (why: string) => ({ kind: 'unhealthy', why, broker, ...timing }) as const;
  const isLate = now.monoMs >= start.healthyByMonoMs;
  if (broker === undefined) return isLate && !answer.ok ? unhealthy(answer.problem) : undefined;
  const isSettled = start.well !== undefined && now.monoMs - start.well.monoMs >= settleTime(verifyTimeoutMs);
  const why = whyNotWell(start, broker);
  switch (conditionOf(broker)) {
    case 'paused':
      return undefined;
    case 'well':
      if (isSettled) return { kind: 'verified', broker, ...timing };
      return isLate ? unhealthy('it does not stay up') : undefined;
    case 'starting':
      return isLate ? unhealthy(why) : undefined;
    case 'unhealthy':
    case 'crash_loop':
    case 'stopping':
    case 'removing':
      return now.monoMs >= start.upByMonoMs ? unhealthy(why) : undefined;
    default:
      return unhealthy(why);
  }
}

function whyNotWell({ up, sinceMonoMs, healthyByMonoMs }: Start, broker: ContainerState): string {
  if (conditionOf(broker) === 'starting')
    return `its health check has not passed within ${formatDuration(healthyByMonoMs - sinceMonoMs)}`;
  // compared with a broker that was never started
  const recovery = judgeRecovery({ ...up.broker, startedAt: '' }, broker);
  return recovery.kind === 'up' ? 'it does not stay up' : recovery.why;
}
