/** Watches a broker whose restart was requested, until it has come back and stays up. */

import type { Clock } from '../adapters/clock.ts';
import type { CallOptions } from '../adapters/engine/http.ts';
import { settleTime } from '../core/memory/start.ts';
import { comebackOf, type EngineAnswer, type SingleState } from '../core/model/broker.ts';
import type { ContainerState } from '../core/model/container.ts';

const POLL_MS = 200;

/** Once the engine has finished its call, a failed start counts as final if two looks this far apart agree. */
const AGREE_MS = 1_000;

/** The engine gets at least this long to answer, even when the time is nearly over. */
const MIN_ANSWER_MS = 1_000;

/** A broker that can be looked at. */
export interface Looked {
  inspect(options?: CallOptions): Promise<EngineAnswer<SingleState>>;
}

/** How the broker was last seen. */
export type Recovery =
  | { readonly kind: 'well'; readonly broker: SingleState }
  /** for the settle time, but not proved to be well */
  | { readonly kind: 'up'; readonly broker: ContainerState }
  | { readonly kind: 'ill'; readonly why: string; readonly broker: SingleState | undefined };

export interface RecoveryOptions {
  readonly timeoutMs: number;
  /** the engine has finished its call, and is not still working on it behind a lost connection */
  readonly isAnswered: boolean;
}

/** Since when, by the monotonic clock, every look has seen the same. */
interface Since {
  readonly of: string;
  readonly monoMs: number;
}

/**
 * Looks at the broker until it has been started since `before`, is up, healthy if it has a health check, and still so
 * after a short settle time; or until it is down for good, or `timeoutMs` are over. A health check that has not passed
 * by the end of the settle time is not waited for. It never throws.
 */
export async function watchRecovery(
  looked: Looked,
  clock: Clock,
  before: Pick<SingleState, 'startedAt'>,
  { timeoutMs, isAnswered }: RecoveryOptions,
): Promise<Recovery> {
  const endMs = clock.now().monoMs + timeoutMs;
  const settleMs = settleTime(timeoutMs);
  const never = new AbortController().signal;
  let last: SingleState | undefined;
  let why = 'the engine does not answer';
  let up: Since | undefined;
  let well: Since | undefined;
  let rest: Since | undefined;
  for (;;) {
    const answer = await looked.inspect({
      timeoutMs: Math.max(MIN_ANSWER_MS, endMs - clock.now().monoMs),
    });
    const nowMs = clock.now().monoMs;
    const since = (it: Since | undefined, of: string) => (it?.of === of ? it : { of, monoMs: nowMs });
    const isPast = (it: Since | undefined, ms: number) => it !== undefined && nowMs - it.monoMs >= ms;
    if (answer.ok) {
      last = answer.value;
      const recovery = comebackOf(before, last);
      const isUp = recovery.kind === 'up' || recovery.kind === 'unproven';
      up = isUp ? since(up, last.startedAt) : undefined;
      well = recovery.kind === 'up' ? since(well, last.startedAt) : undefined;
      rest = recovery.kind === 'not_started' && isAnswered ? since(rest, last.finishedAt) : undefined;
      why = recovery.kind === 'up' ? 'it does not stay up' : recovery.why;
      if (isPast(well, settleMs)) return { kind: 'well', broker: last };
      if (recovery.kind === 'unproven' && last.kind === 'container' && isPast(up, settleMs))
        return { kind: 'up', broker: last };
      if (recovery.kind === 'down' || isPast(rest, AGREE_MS)) return { kind: 'ill', why, broker: last };
    } else {
      why = answer.problem;
    }
    if (nowMs >= endMs) return { kind: 'ill', why, broker: last };
    await clock.sleep(Math.min(POLL_MS, endMs - nowMs), never);
  }
}
