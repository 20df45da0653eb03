/** How a set is applied to a broker: one interface for all methods. */

import type { CallOptions } from '../adapters/engine/http.ts';
import type { BridgeSight } from '../core/model/bridge.ts';
import type { BrokerState, BrokerUp, EngineAnswer, RestartOutcome } from '../core/model/broker.ts';
import type { CertificateSet, NamedSet } from '../core/model/files.ts';
import type { Presented } from '../core/model/presented.ts';
import type { Signal, SignalProof } from '../core/model/step.ts';

/** What is to be applied to a broker, and the broker's state when that was decided. */
export interface Order {
  readonly set: CertificateSet;
  readonly before: BrokerState;
  /** whether a signal is tried first; undefined: signals are not enabled */
  readonly signal: Signal | undefined;
}

/**
 * Applies the set to the broker, step by step. Every event is remembered, saved and published before the generator
 * continues, so an intent is on disk before the call is made. It never throws.
 */
export type Rollout = (order: Order) => AsyncGenerator<RolloutEvent, void, void>;

export type RolloutEvent =
  /** the call is about to be made */
  | { readonly kind: 'asked'; readonly by: 'signal' | 'restart' }
  | { readonly kind: 'signal_ended'; readonly outcome: SignalOutcome; readonly tookMs: number }
  | { readonly kind: 'restart_ended'; readonly outcome: RestartOutcome }
  /** up, but not yet proved to be well: the following cycles look at it */
  | { readonly kind: 'came_up'; readonly up: BrokerUp }
  /** it is not made after all: somebody has stopped or paused the broker in the meantime; its state as seen then */
  | { readonly kind: 'dropped'; readonly broker: BrokerState }
  /** the swarm proceeds without the watcher */
  | { readonly kind: 'update_accepted' }
  /** another node has changed the service first */
  | { readonly kind: 'lost_race' };

/** How a signal ended. */
export type SignalOutcome =
  | { readonly kind: 'proven'; readonly broker: BrokerState; readonly proof: SignalProof }
  /** nothing proves that it was enough; why, in a sentence about the broker, and what to try */
  | { readonly kind: 'unproven'; readonly why: string; readonly hint: string }
  /** somebody has started it in the meantime, and it has read the files then */
  | { readonly kind: 'started_again' };

/** One broker: how to look at it, and how to apply a set to it. */
export interface Broker {
  inspect(options?: CallOptions): Promise<EngineAnswer<BrokerState>>;
  readonly rollout: Rollout;
  /** What its own TLS listener presents now; undefined: that is not compared with the set. Never rejects. */
  readonly presented?: () => Promise<Presented>;
  /**
   * What the listeners of several sets present now, by the names of the sets; undefined: that is not compared. Never
   * rejects.
   */
  readonly presentedBy?: (sets: readonly NamedSet[]) => Promise<Readonly<Record<string, Presented>>>;
}

/** Which brokers there are. */
export type BrokersFound =
  /** their names in restart order, at least one */
  | { readonly kind: 'found'; readonly names: readonly string[] }
  /** none yet; a single placeholder stands for them, and is reported as missing under a label for people */
  | { readonly kind: 'none_found'; readonly label: string; readonly missing: Broker };

/** The brokers that are managed. */
export interface BrokerList {
  list(options: CallOptions): Promise<EngineAnswer<BrokersFound>>;
  /** the list before the engine has been asked */
  readonly first: BrokersFound;
  of(name: string): Broker;
}

/** A listener at which a broker reports which of its bridges are up. */
export interface BridgeListener {
  /** the broker that listens there; undefined: it reports for all of them */
  readonly container: string | undefined;
  /** Connects, and stays connected; `onChange` is called whenever {@link sight} may have changed. */
  open(onChange: () => void): void;
  /** What the broker currently reports. */
  sight(): BridgeSight;
  /** Logs out and releases everything. */
  close(): Promise<void>;
}
