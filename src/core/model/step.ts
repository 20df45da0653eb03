/** The steps that a decision can ask for. */

import type { BrokerState, RestartOutcome } from './broker.ts';
import type { CertificateSet, Parts } from './files.ts';

export interface ProbeStep {
  readonly kind: 'probe';
  /** the set to probe with */
  readonly identity: string;
  readonly fingerprint: string;
  /** it tests the live set; otherwise the probe tests what the agent has written */
  readonly ofLive?: true;
}

/** Search for other watchers of the same broker. */
export interface LookAroundStep {
  readonly kind: 'look_around';
  /** the set that is on disk */
  readonly identity: string;
}

/** The operator has requested a restart: remember for which set, and answer. */
export interface WaiveStep {
  readonly kind: 'waive';
  /** of the set that waits; undefined: none does */
  readonly fingerprint: string | undefined;
  /** why it has waited until now, or why none waits; see `core/decision/diagram.ts` */
  readonly reason: string;
  /** what it still waits for, or why none waits; undefined: for nothing known so far */
  readonly sentence: string | undefined;
}

/** Another watcher goes first: remember since when. */
export interface YieldStep {
  readonly kind: 'yield';
  readonly container: string;
  readonly identity: string;
}

/** The broker runs with this set, but this watcher did not start it: remember that. */
export interface AdoptStep {
  readonly kind: 'adopt';
  readonly container: string;
  readonly fingerprint: string;
  readonly startedAt: string;
  readonly notAfterMs: number;
  readonly leaf: string;
  readonly authorities: string;
  /** of several sets, by their names */
  readonly sets?: Readonly<Record<string, string>> | undefined;
  /** of several sets: what each listener has loaded */
  readonly parts?: Readonly<Record<string, Parts>> | undefined;
  /** its listener presents the set, although it was started before the files were changed */
  readonly isPresented?: true;
  /** the same of listeners of several sets: the names of the sets */
  readonly presentedBy?: readonly string[];
}

/** The update of a service has ended: record the outcome. */
export interface ConcludeStep {
  readonly kind: 'conclude';
  readonly container: string;
  readonly set: CertificateSet;
  readonly outcome: RestartOutcome;
}

/** What can prove that a signal was enough; `both`: bridges and listeners have changed, and both have to. */
export type SignalProof = 'bridge' | 'listener' | 'both';

/** Of several sets, which have to prove it: those that have changed. */
export interface Proving {
  /** names of sets */
  readonly listeners: readonly string[];
  /** of bridges, as the broker reports them */
  readonly connections: readonly string[];
}

/** Whether a signal (SIGHUP) is tried before a restart. */
export type Signal =
  /** a signal is tried, and this must prove that it was enough */
  | { readonly kind: 'first'; readonly proof: SignalProof; readonly by?: Proving }
  /** restart at once; the reason, in a clause about the broker */
  | { readonly kind: 'none'; readonly why: string };

/** Apply this set to the broker by restarting it. */
export interface RestartStep {
  readonly kind: 'restart';
  readonly container: string;
  readonly set: CertificateSet;
  readonly broker: BrokerState;
  /** whether a signal is tried first; undefined: signals are not enabled */
  readonly signal: Signal | undefined;
}

/** Convert what was found in the live directory to the layout that can be switched by one rename. */
export interface TakeOverStep {
  readonly kind: 'take_over';
}

/** Make this incoming set the live one. */
export interface PromoteStep {
  readonly kind: 'promote';
  readonly set: CertificateSet;
  /** of the set that is live until then */
  readonly previousFingerprint: string | undefined;
}

/** Roll back to the set before the live one. */
export interface RollBackStep {
  readonly kind: 'roll_back';
  readonly set: CertificateSet;
  readonly restored: CertificateSet;
  /** the broker that is not well with it */
  readonly name: string;
  /** in a clause about the broker */
  readonly why: string;
}

/** A broker is well with the live set: remember it. */
export interface ProveStep {
  readonly kind: 'prove';
}

/** What is done to the live directory of a two-phase rotation. */
export type LiveStep = TakeOverStep | PromoteStep | RollBackStep | ProveStep;

/** What a verdict asks to be done to the broker, or to what is known of it. */
export type BrokerStep = YieldStep | AdoptStep | ConcludeStep | RestartStep;

export type Step = ProbeStep | LookAroundStep | WaiveStep | LiveStep | BrokerStep;
