/** The restart of the broker: one call to the engine, then watching until the broker has come back for good. */

import type { Clock } from './adapters/clock.ts';
import type { Engine } from './adapters/engine.ts';
import { type BrokerState, judgeRecovery, type RestartOutcome } from './core/broker.ts';
import type { Settings } from './core/settings.ts';

/** The engine's grace before it kills, where neither the settings nor the container say otherwise. */
const DEFAULT_STOP_TIMEOUT_S = 10;

/** A broker that dies of its configuration does so within this time. */
const SETTLE_MS = 2_000;

const POLL_MS = 200;

/** Even at the end of its time the engine gets this long to answer. */
const MIN_ANSWER_MS = 1_000;

export type RestartBroker = (before: BrokerState) => Promise<RestartOutcome>;

/**
 * Restarts the broker and proves that it came back: started anew, up, healthy where it has a health check,
 * and still so after a short settle time. It ends within the stop timeout, the engine's margin and the
 * verify timeout, and never throws. A lost answer is not repeated but looked into in the same way.
 */
export function createRestart(engine: Engine, clock: Clock, settings: Settings): RestartBroker {
  return async (before) => {
    const beganMs = clock.now().monoMs;
    const answer = await engine.restart(stopTimeoutS(before, settings));
    const answeredMonoMs = clock.now().monoMs;
    const timing = () => ({ tookMs: clock.now().monoMs - beganMs, answeredMonoMs });
    if (!answer.ok && !answer.mayHaveHappened) return { kind: 'not_done', failure: answer, ...timing() };
    const recovery = await watchRecovery(engine, clock, before, settings.verifyTimeoutMs);
    const { broker } = recovery;
    if (recovery.isWell) return { kind: 'verified', broker: recovery.broker, ...timing() };
    const isStartedAgain = broker !== undefined && broker.startedAt !== before.startedAt;
    if (!answer.ok && !isStartedAgain) return { kind: 'uncertain', failure: answer, broker, ...timing() };
    return { kind: 'unhealthy', why: recovery.why, broker, ...timing() };
  };
}

/** Whole seconds, as the engine takes them. */
function stopTimeoutS(broker: BrokerState, { stopTimeoutMs }: Settings): number {
  if (stopTimeoutMs !== undefined) return Math.ceil(stopTimeoutMs / 1_000);
  return broker.stopTimeoutS ?? DEFAULT_STOP_TIMEOUT_S;
}

type Watched =
  | { readonly isWell: true; readonly broker: BrokerState }
  | { readonly isWell: false; readonly why: string; readonly broker: BrokerState | undefined };

async function watchRecovery(
  engine: Engine,
  clock: Clock,
  before: BrokerState,
  timeoutMs: number,
): Promise<Watched> {
  const endMs = clock.now().monoMs + timeoutMs;
  const settleMs = Math.min(SETTLE_MS, timeoutMs / 2);
  const never = new AbortController().signal;
  let last: BrokerState | undefined;
  let why = 'the engine does not answer';
  let up: { readonly startedAt: string; readonly sinceMs: number } | undefined;
  for (;;) {
    const answer = await engine.inspect({ timeoutMs: Math.max(MIN_ANSWER_MS, endMs - clock.now().monoMs) });
    const nowMs = clock.now().monoMs;
    if (answer.ok) {
      last = answer.value;
      const recovery = judgeRecovery(before, last);
      if (recovery.kind === 'up') {
        if (up?.startedAt !== last.startedAt) up = { startedAt: last.startedAt, sinceMs: nowMs };
        if (nowMs - up.sinceMs >= settleMs) return { isWell: true, broker: last };
        why = 'it does not stay up';
      } else {
        up = undefined;
        why = recovery.why;
        if (recovery.kind === 'down') return { isWell: false, why, broker: last };
      }
    } else {
      why = answer.problem;
    }
    if (nowMs >= endMs) return { isWell: false, why, broker: last };
    await clock.sleep(Math.min(POLL_MS, endMs - nowMs), never);
  }
}
