/** Remembers, saves and publishes what is done to the brokers: an intent is on disk before the call is made. */

import type { Clock } from '../adapters/clock.ts';
import { rememberLastAnswer } from '../core/memory/broker.ts';
import * as memories from '../core/memory/rollout.ts';
import type { RestartOutcome } from '../core/model/broker.ts';
import type { CertificateSet } from '../core/model/files.ts';
import type { Settings } from '../core/model/settings.ts';
import type { AdoptStep, RestartStep } from '../core/model/step.ts';
import type { Announcement } from '../core/news/events.ts';
import {
  brokerAdopted,
  reloadCompleted,
  reloadInsufficient,
  reloadTriggered,
  restartEnded,
  restartTriggered,
} from '../core/news/rollout.ts';
import type { RolloutEvent } from '../rollout/rollout.ts';
import type { Publisher } from './publish.ts';
import type { State } from './state.ts';

export interface RecorderParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly state: State;
  readonly publisher: Publisher;
}

interface Conclusion {
  readonly container: string;
  readonly set: CertificateSet;
  readonly outcome: RestartOutcome;
}

export interface Recorder {
  /** Records an event of a rollout; `previousRestartMonoMs` counts again if the restart does not happen. */
  record(event: RolloutEvent, step: RestartStep, previousRestartMonoMs: number | undefined): Promise<void>;
  /** How a restart, or the update of a service, has ended. */
  conclude(conclusion: Conclusion, previousRestartMonoMs: number | undefined): Promise<void>;
  /** The broker runs with a set that this watcher did not apply. */
  adopt(step: AdoptStep): Promise<void>;
}

export function createRecorder({ settings, clock, state, publisher }: RecorderParts): Recorder {
  async function record(
    event: RolloutEvent,
    step: RestartStep,
    previousRestartMonoMs: number | undefined,
  ): Promise<void> {
    const { container, set } = step;
    const watched = state.named(container);
    const { memory } = watched;
    switch (event.kind) {
      case 'asked': {
        const asked =
          event.by === 'signal'
            ? [reloadTriggered(memory, set, container)]
            : restartTriggered(memory, step, container);
        publisher.publishFact(asked, { kind: 'restart_asked' });
        watched.memory = memories.rememberRestartIntent(memory, step.broker, clock.now());
        return state.save();
      }
      case 'signal_ended':
        return recordSignal(event, step);
      case 'restart_ended':
        return conclude({ container, set, outcome: event.outcome }, previousRestartMonoMs);
      case 'came_up':
        watched.memory = memories.rememberUp(memory, set, event.up, clock.now(), settings);
        return state.save();
      case 'update_accepted':
        publisher.publishFact(restartTriggered(memory, step, container), { kind: 'restart_asked' });
        watched.memory = memories.rememberUpdate(memory, set, clock.now());
        return state.save();
      case 'dropped':
        watched.memory = rememberLastAnswer(memory, { ok: true, value: event.broker }, clock.now());
        publisher.publishFact([], { kind: 'restart_dropped' });
        return;
      case 'lost_race':
        watched.memory = memories.rememberLostRace(memory);
    }
  }

  async function recordSignal(
    event: Extract<RolloutEvent, { kind: 'signal_ended' }>,
    { container, set }: RestartStep,
  ) {
    const { outcome } = event;
    const watched = state.named(container);
    if (outcome.kind === 'proven')
      watched.memory = memories.rememberReload(watched.memory, set, outcome.broker, clock.now());
    const fact = { kind: 'reload_ended', container, proven: outcome.kind !== 'unproven' } as const;
    publisher.publishFact(signalNews(event, set, container), fact);
    // if nothing is proven, a restart follows
    if (outcome.kind !== 'unproven') await state.save();
  }

  /** Remembers and publishes how a restart, or the update of a service, has ended. */
  async function conclude(
    { container, set, outcome }: Conclusion,
    previousRestartMonoMs: number | undefined,
  ): Promise<void> {
    const watched = state.named(container);
    const { memory } = watched;
    const now = clock.now();
    watched.memory = memories.rememberRestart(memory, set, outcome, previousRestartMonoMs, now, settings);
    const fact = { kind: 'restart_ended', container, outcome } as const;
    publisher.publishFact(restartEnded(outcome, set, now, container, settings), fact);
    return state.save();
  }

  async function adopt(step: AdoptStep): Promise<void> {
    const watched = state.named(step.container);
    publisher.publishFact(brokerAdopted(watched.memory, step, watched.name));
    watched.memory = memories.rememberAdopted(watched.memory, state.site(), step, clock.now());
    return state.save();
  }

  return { record, conclude, adopt };
}

/** A broker that was started in the meantime is announced when it is found to have the set. */
function signalNews(
  { outcome, tookMs }: Extract<RolloutEvent, { kind: 'signal_ended' }>,
  set: CertificateSet,
  container: string,
): readonly Announcement[] {
  switch (outcome.kind) {
    case 'unproven':
      return [reloadInsufficient(set, outcome, tookMs, container)];
    case 'proven':
      return [reloadCompleted(set, outcome.proof, tookMs, container)];
    case 'started_again':
      return [];
  }
}
