/** Carries out what was decided, one step after the other, and remembers and publishes the outcome of each. */

import type { Clock } from '../adapters/clock.ts';
import { rememberLastAnswer } from '../core/memory/broker.ts';
import * as memories from '../core/memory/rollout.ts';
import { rememberWaiver } from '../core/memory/site.ts';
import { endOfStart, START_LOOK_MS } from '../core/memory/start.ts';
import type { Settings } from '../core/model/settings.ts';
import type { LiveStep, RestartStep, Step, WaiveStep } from '../core/model/step.ts';
import { restartRequested } from '../core/news/rollout.ts';
import type { Scout } from './looking-around.ts';
import type { Observer } from './observe.ts';
import type { Prober } from './probing.ts';
import type { Promoter } from './promoting.ts';
import type { Publisher } from './publish.ts';
import { createRecorder } from './recording.ts';
import type { State, Watched } from './state.ts';

/** Delay before re-inspecting a service that another node updated first. */
const LOST_RACE_MS = 250;

/** Delay before looking at a set that has replaced the one that was to be applied. */
const REPLACED_MS = 100;

export interface ActorParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly state: State;
  readonly publisher: Publisher;
  readonly prober: Prober;
  readonly scout: Scout;
  readonly promoter: Promoter;
  readonly isStillThere: Observer['isStillThere'];
}

export interface Actor {
  /**
   * Carries out the steps in order, none after `signal` has aborted. Resolves with the monotonic moment at which to
   * look again, if a step has brought that forward.
   */
  carryOut(steps: readonly Step[], signal: AbortSignal): Promise<number | undefined>;
  /**
   * Verifies restarts that have brought a broker up but not yet proved it well: within its RESTART_VERIFY_TIMEOUT, or
   * not at all.
   */
  finish(): Promise<void>;
  /** a restart is in progress and must be finished first */
  isRestarting(): boolean;
}

export function createActor({
  settings,
  clock,
  state,
  publisher,
  prober,
  scout,
  promoter,
  isStillThere,
}: ActorParts): Actor {
  const recorder = createRecorder({ settings, clock, state, publisher });
  let isRestarting = false;

  async function carryOut(steps: readonly Step[], signal: AbortSignal): Promise<number | undefined> {
    let nextLookMonoMs: number | undefined;
    for (const step of steps) {
      if (signal.aborted) return undefined;
      if (step.kind === 'probe') prober.start(step);
      if (step.kind === 'look_around') scout.lookAround(step);
      if (step.kind === 'waive') nextLookMonoMs = answerRequest(step);
      if (step.kind === 'yield') {
        const watched = state.named(step.container);
        watched.memory = memories.rememberYield(watched.memory, step.identity, clock.now());
      }
      if (step.kind === 'adopt') await recorder.adopt(step);
      if (step.kind === 'conclude') {
        const { lastRestartMonoMs } = state.named(step.container).memory;
        await recorder.conclude(step, lastRestartMonoMs);
      }
      if (step.kind === 'restart') nextLookMonoMs = await rollOut(step);
      if (isOfLive(step)) nextLookMonoMs = await promoter.carryOut(step);
    }
    return nextLookMonoMs;
  }

  /** A set that no longer has to wait is decided on at once. */
  function answerRequest(step: WaiveStep): number {
    publisher.publishFact(restartRequested(state.site(), step));
    state.rememberSite((site) => rememberWaiver(site, step.fingerprint));
    return clock.now().monoMs;
  }

  /**
   * Applies the set to the broker, unless others have taken its place since the look. If the restart does not happen, the
   * cooldown of the previous one counts again.
   */
  async function rollOut(step: RestartStep): Promise<number> {
    if (!(await isStillThere(step.set.identity))) return clock.now().monoMs + REPLACED_MS;
    const { broker, memory } = state.named(step.container);
    const { lastRestartMonoMs } = memory;
    let lookAfterMs = 0;
    try {
      for await (const event of broker.rollout({ ...step, before: step.broker })) {
        if (event.kind === 'asked') isRestarting = true;
        if (event.kind === 'lost_race') lookAfterMs = LOST_RACE_MS;
        await recorder.record(event, step, lastRestartMonoMs);
      }
    } finally {
      isRestarting = false;
    }
    return clock.now().monoMs + lookAfterMs;
  }

  async function finish(): Promise<void> {
    isRestarting = state.brokers().some(({ memory }) => memory.start !== undefined);
    await Promise.all(state.brokers().map(verify));
    isRestarting = false;
  }

  /** A pause moves the end of the verification; a watcher that stops waits only until the original end. */
  async function verify(watched: Watched): Promise<void> {
    const { name: container, broker } = watched;
    const endMonoMs = watched.memory.start?.upByMonoMs ?? 0;
    const never = new AbortController().signal;
    while (watched.memory.start !== undefined) {
      const answer = await broker.inspect({ timeoutMs: START_LOOK_MS });
      const now = clock.now();
      watched.memory = rememberLastAnswer(watched.memory, answer, now);
      const { start, lastRestartMonoMs } = watched.memory;
      const outcome = start && endOfStart(start, answer, now, settings.verifyTimeoutMs);
      if (start && outcome)
        return recorder.conclude({ container, set: start.set, outcome }, lastRestartMonoMs);
      if (now.monoMs >= endMonoMs) return;
      await clock.sleep(Math.min(START_LOOK_MS, endMonoMs - now.monoMs), never);
    }
  }

  return { carryOut, finish, isRestarting: () => isRestarting };
}

const OF_LIVE: readonly Step['kind'][] = ['take_over', 'promote', 'roll_back', 'prove'];

function isOfLive(step: Step): step is LiveStep {
  return OF_LIVE.includes(step.kind);
}
