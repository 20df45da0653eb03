/** The loop: observe once, decide purely, act last, publish the result. */

import type { Clock } from '../adapters/clock.ts';
import { decide } from '../core/decision/decide.ts';
import type { Settings } from '../core/model/settings.ts';
import { createActor } from './act.ts';
import { createScout, type ScoutParts } from './looking-around.ts';
import { createObserver, type ObserverParts } from './observe.ts';
import { createProber, type ProberParts } from './probing.ts';
import { createPromoter } from './promoting.ts';
import { createPublisher, type Publish } from './publish.ts';
import { createState, type StateParts } from './state.ts';
import { createWake } from './wake.ts';

export interface WatcherParts extends ObserverParts, StateParts, ProberParts, ScoutParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly publish: Publish;
}

export interface Watcher {
  /** resolves when the loop has ended after `signal` */
  readonly ended: Promise<void>;
  /** a restart is in progress and must be finished first */
  isRestarting(): boolean;
}

/** File events within this time of the last look wait for its end, so that a busy writer costs little. */
const CLOSEST_LOOKS_MS = 100;

/** Starts the loop. It ends when `signal` aborts, after any restart in progress and its verification. */
export function startWatcher(parts: WatcherParts, signal: AbortSignal): Watcher {
  const { settings, clock } = parts;
  const wake = createWake(clock);
  const state = createState(parts);
  const publisher = createPublisher(parts.publish, clock);
  const prober = createProber(parts, state, publisher, wake.hint);
  const observer = createObserver(parts, state, wake.hint, ({ identity }) => prober.endUnless(identity));
  const scout = createScout(parts, state, wake.hint);
  const promoter = createPromoter(parts, state, publisher);
  const { isStillThere } = observer;
  const actor = createActor({ settings, clock, state, publisher, prober, scout, promoter, isStillThere });

  /** One walk through the diagram; resolves with the monotonic moment of the next. */
  async function cycle(): Promise<number> {
    const situations = await observer.observe(signal);
    if (signal.aborted) return 0;
    const decision = decide(situations);
    publisher.publishCycle(situations, decision, observer.degradations());
    return (await actor.carryOut(decision.steps, signal)) ?? decision.nextLookMonoMs;
  }

  function failCycle(error: unknown): number {
    publisher.publishFailure(error, observer.degradations());
    return clock.now().monoMs + settings.checkIntervalMs;
  }

  async function run() {
    await state.load();
    // a state file that cannot be parsed is reported before the first look replaces it
    if (state.trouble() !== undefined) publisher.publishDegradations(observer.degradations());
    while (!signal.aborted) {
      const lookMonoMs = clock.now().monoMs;
      const nextLookMonoMs = await cycle().catch(failCycle);
      await wake.sleepUntil(nextLookMonoMs, lookMonoMs + CLOSEST_LOOKS_MS, signal);
    }
    await actor.finish();
    await observer.close();
    scout.close();
    await prober.close();
  }

  return { ended: run(), isRestarting: actor.isRestarting };
}
