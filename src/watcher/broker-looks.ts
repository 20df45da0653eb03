/** Looks at the brokers through the engine; each answer is remembered for the purpose of its look. */

import type { Clock } from '../adapters/clock.ts';
import type { CallOptions } from '../adapters/engine/http.ts';
import { areListenersDue, brokerIsInQuestion, isDueForLook } from '../core/decision/broker-look.ts';
import {
  rememberLastAnswer,
  rememberPresented,
  rememberPresentedBy,
  rememberStandingAnswer,
} from '../core/memory/broker.ts';
import type { BrokerState, EngineAnswer } from '../core/model/broker.ts';
import type { FilesObservation, Moment } from '../core/model/files.ts';
import type { Settings } from '../core/model/settings.ts';
import type { BrokerList } from '../rollout/rollout.ts';
import type { State, Watched } from './state.ts';

/** An engine that answers slowly must not delay the look at the files for long. */
const LOOK_TIMEOUT_MS = 1_000;

export interface BrokerLooksParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly brokers: BrokerList;
}

export interface BrokerLooks {
  /**
   * Asks the engine about the brokers if a decision depends on it, or if they are displayed and it is time. Resolves
   * with the moment to decide for: everything that a decision depends on then has been asked, although a stability
   * window may have ended during a look for display.
   */
  whereDue(files: FilesObservation, seen: Moment, signal: AbortSignal): Promise<Moment>;
  /** Asks about every broker, as for a decision. */
  atAll(files: FilesObservation, options: CallOptions): Promise<Moment>;
}

export function createBrokerLooks({ settings, clock, brokers }: BrokerLooksParts, state: State): BrokerLooks {
  async function whereDue(files: FilesObservation, seen: Moment, signal: AbortSignal): Promise<Moment> {
    await lookWhereDue(files, seen, signal);
    const now = clock.now();
    const isUnasked = (broker: Watched) =>
      broker.memory.standing?.identity !== files.identity &&
      brokerIsInQuestion(state.situation(broker, files, now));
    return !signal.aborted && state.brokers().some(isUnasked) ? whereDue(files, now, signal) : now;
  }

  async function lookWhereDue(files: FilesObservation, seen: Moment, signal: AbortSignal) {
    const isInQuestion = (broker: Watched) => brokerIsInQuestion(state.situation(broker, files, seen));
    const isDue = (broker: Watched) => isDueForLook(state.situation(broker, files, seen));
    const look = async (broker: Watched, options: CallOptions) => {
      const inQuestion = isInQuestion(broker);
      const remember = inQuestion ? rememberAnswer : rememberLook;
      const withListeners = areListenersDue(state.situation(broker, files, seen), inQuestion);
      const answer = await lookAt(broker, files, { ...options, withListeners });
      remember(broker, files, answer);
    };
    if (state.brokers().some(isInQuestion)) {
      await listBrokers({ signal });
      // before one is restarted, all of them are looked at
      await Promise.all(state.brokers().map((broker) => look(broker, { signal })));
    } else if (state.brokers().some(isDue)) {
      const options = { signal, timeoutMs: LOOK_TIMEOUT_MS };
      await listBrokers(options);
      const due = state.brokers().filter(isDue);
      await Promise.all(due.map((broker) => look(broker, options)));
    }
  }

  async function atAll(files: FilesObservation, options: CallOptions): Promise<Moment> {
    await listBrokers(options);
    await Promise.all(
      state.brokers().map(async (broker) => {
        const answer = await lookAt(broker, files, { ...options, withListeners: true });
        rememberAnswer(broker, files, answer);
      }),
    );
    return clock.now();
  }

  /** What the engine says; what its listeners present is remembered on the way. */
  async function lookAt(
    broker: Watched,
    { sets }: FilesObservation,
    { withListeners, ...options }: CallOptions & { readonly withListeners: boolean },
  ): Promise<EngineAnswer<BrokerState>> {
    const { inspect, presented, presentedBy } = broker.broker;
    const [answer, seen, all] = await Promise.all([
      inspect(options),
      withListeners ? presented?.() : undefined,
      withListeners ? sets && presentedBy?.(sets) : undefined,
    ]);
    const now = clock.now();
    broker.memory = rememberPresentedBy(rememberPresented(broker.memory, seen, now), all, now);
    return answer;
  }

  /** The engine was asked for a decision. */
  function rememberAnswer(broker: Watched, files: FilesObservation, answer: EngineAnswer<BrokerState>) {
    broker.memory = rememberStandingAnswer(broker.memory, state.site(), files, answer, clock.now(), settings);
  }

  /** The engine was asked for display. */
  function rememberLook(broker: Watched, _files: FilesObservation, answer: EngineAnswer<BrokerState>) {
    broker.memory = rememberLastAnswer(broker.memory, answer, clock.now());
  }

  /** If the engine does not answer, the list of brokers stays as it was, and looking at each explains why. */
  async function listBrokers(options: CallOptions) {
    const answer = await brokers.list(options);
    if (answer.ok) state.watch(answer.value);
  }

  return { whereDue, atAll };
}
