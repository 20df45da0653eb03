/**
 * The current state as one value: everything that the metrics, `/status.json`, the status page and `check` show.
 * Nothing in it grows without limit.
 */

import type { Reason, State } from '../decision/diagram.ts';
import type { Applied } from '../memory/memory.ts';
import type { BridgeSight } from '../model/bridge.ts';
import { type BrokerState, ENGINE_CAUSES, type EngineFailure, type RestartOutcome } from '../model/broker.ts';
import type { Opening } from '../model/calendar.ts';
import type { FileComplaint, Moment, Obstacle, Revocation } from '../model/files.ts';
import type { ConfSight } from '../model/named-set.ts';
import type { Presented } from '../model/presented.ts';
import type { ProbeCause, ProbeVerdict } from '../model/probe.ts';
import type { CertRole, HostPort, Settings } from '../model/settings.ts';
import type { TlsVersion } from '../model/tls-version.ts';
import type { EventKind, EventName } from '../news/events.ts';
import type { Assessment } from './assess.ts';
import type { PromotionResult } from './cycle.ts';

/** What keeps a changed set from being applied, each counted once per rotation, if restarts are enabled at all. */
export const SUPPRESSION_REASONS = ['stability_window', 'window', 'splay', 'cooldown', 'held'] as const;

export type SuppressionReason = (typeof SUPPRESSION_REASONS)[number];

/** Why a restart failed: the engine's causes, and a broker that did not come back well. */
export const RESTART_FAILURE_CAUSES = [...ENGINE_CAUSES, 'broker_unhealthy'] as const;

export type RestartFailureCause = (typeof RESTART_FAILURE_CAUSES)[number];

export const RELOAD_RESULTS = ['proven', 'insufficient'] as const;

export type ReloadResult = (typeof RELOAD_RESULTS)[number];

/** Counts since the start of the process. */
export interface Totals {
  readonly probeSuccesses: number;
  readonly probeFailures: Readonly<Record<ProbeCause, number>>;
  /** restarts that may have reached the broker */
  readonly restarts: number;
  /** signals that were proved to be enough, and those that had to be followed by a restart */
  readonly reloads: Readonly<Record<ReloadResult, number>>;
  readonly restartFailures: Readonly<Record<RestartFailureCause, number>>;
  readonly suppressed: Readonly<Record<SuppressionReason, number>>;
  /** changes of the live directory in a two-phase rotation */
  readonly promotions: Readonly<Record<PromotionResult, number>>;
}

export interface CertificateStatus {
  readonly file: string;
  /** `server`: the leaf of a listener's set */
  readonly role: 'client' | 'server' | 'intermediate' | 'ca';
  readonly subject: string;
  readonly issuer: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly daysRemaining: number;
  /** negative once expired */
  readonly expiresInMs: number;
  /** from when it counts as expiring */
  readonly expiringFromMs: number;
  readonly state: 'valid' | 'expiring' | 'expired' | 'not_yet_valid';
}

/** Whether key and certificate belong together; only a probe can determine that. */
export type PairStatus = 'matches' | 'does_not_match' | 'not_checked';

/** The set in one directory. */
export interface SetStatus {
  readonly files: 'complete' | 'incomplete' | 'changing' | 'unparsable';
  readonly complaints: readonly FileComplaint[];
  readonly certificates: readonly CertificateStatus[];
  readonly fingerprint: string | undefined;
  readonly pair: PairStatus;
  /** what the broker's user cannot read of it; undefined: that is not looked at */
  readonly unreadable: readonly Obstacle[] | undefined;
}

/** The set that the agent has written in a two-phase rotation. */
export interface IncomingStatus extends SetStatus {
  readonly isLive: boolean;
  /** in one sentence; undefined: it is the live one */
  readonly waitsFor: string | undefined;
}

/** One of several sets. */
export interface NamedSetStatus extends SetStatus {
  readonly name: string;
  readonly role: CertRole;
  readonly keyFile: string;
  /** of a bridge: its addresses, as far as they are probed */
  readonly upstreams: readonly HostPort[];
  readonly caPath: string | undefined;
  readonly oldestTls: TlsVersion;
  readonly alpn: string | undefined;
  /** what the last probe found, and at which of its addresses */
  readonly verdict: ProbeVerdict | undefined;
  /** of a listener with a `crlfile`: when its lists end */
  readonly revocation: Revocation | undefined;
  /** of a listener: what it presented last; undefined: that is not compared, or not looked at yet */
  readonly listener: ListenerStatus | undefined;
  /** it is not what the broker is known to have */
  readonly isPending: boolean;
}

/** The last cycle, with the set that the broker reads. */
export interface CycleStatus extends SetStatus {
  readonly at: Moment;
  /** each set that the broker's configuration names; undefined: there is one */
  readonly sets: readonly NamedSetStatus[] | undefined;
  readonly conf: ConfSight | undefined;
  readonly path: readonly State[];
  readonly reason: Reason;
  readonly sentence: string;
  /** a changed set is waiting to be applied */
  readonly pending: boolean;
  /** when its wait is over, wall clock; undefined if that does not depend on time */
  readonly waitsUntilMs: number | undefined;
  /** undefined: the agent writes directly to where the broker reads */
  readonly incoming: IncomingStatus | undefined;
  /** the set that the broker is known to have */
  readonly applied: Applied | undefined;
  readonly probeRunning: boolean;
  readonly nextProbeAtMs: number | undefined;
  /** when RESTART_WINDOW is open, or will be next; undefined: at any time */
  readonly opening: Opening | undefined;
}

export interface ProbeRecord {
  readonly atMs: number;
  readonly ok: boolean;
  readonly cause: ProbeCause | undefined;
  readonly durationMs: number;
}

export interface RestartRecord {
  /** when it ended */
  readonly atMs: number;
  readonly container: string;
  readonly result: RestartOutcome['kind'];
  readonly cause: RestartFailureCause | undefined;
  readonly error: string | undefined;
  readonly tookMs: number;
  readonly fingerprint: string | undefined;
  /** how often in a row it ended in this way; more than 1 only for restarts that could not be made */
  readonly tries: number;
}

/** One broker as it was last seen. */
export interface BrokerStatus {
  readonly container: string;
  /** as the engine last described it */
  readonly seen: { readonly state: BrokerState; readonly atMs: number } | undefined;
  /** why the engine could not be asked most recently */
  readonly engineFailure: { readonly failure: EngineFailure; readonly atMs: number } | undefined;
  /** the set that it is known to have */
  readonly applied: Applied | undefined;
  /** whether that is the set on disk; undefined while no readable set is there */
  readonly isCurrent: boolean | undefined;
  /** its bridges as the broker reports them, if the watcher subscribes to it */
  readonly bridges: BridgeSight | undefined;
  /** what its TLS listener presented last; undefined: that is not compared with the set, or not looked at yet */
  readonly listener: ListenerStatus | undefined;
}

/** What a listener presented, compared with the set that the broker reads. */
export interface ListenerStatus {
  readonly seen: Presented;
  readonly atMs: number;
  /** it is the leaf on disk */
  readonly isCurrent: boolean;
}

export interface EventRecord {
  readonly atMs: number;
  readonly level: EventKind['level'];
  readonly component: EventKind['component'];
  readonly event: EventName;
  readonly message: string;
}

export interface Snapshot {
  readonly settings: Settings;
  readonly started: Moment;
  /** increases with everything that is recorded */
  readonly revision: number;
  readonly assessment: Assessment;
  /** undefined before the first cycle */
  readonly cycle: CycleStatus | undefined;
  readonly lastProbe: { readonly verdict: ProbeVerdict; readonly atMs: number } | undefined;
  /** oldest first */
  readonly probes: readonly ProbeRecord[];
  /** in restart order; empty before the first cycle */
  readonly brokers: readonly BrokerStatus[];
  /** the one that the last cycle decided about */
  readonly broker: BrokerStatus | undefined;
  /** start of a restart that is in progress */
  readonly restartingSinceMs: number | undefined;
  /** oldest first */
  readonly restarts: readonly RestartRecord[];
  /** when the last restart that may have reached the broker ended */
  readonly lastRestartAtMs: number | undefined;
  /** oldest first */
  readonly events: readonly EventRecord[];
  readonly totals: Totals;
  /** the loop is alive if its next cycle comes before this monotonic moment */
  readonly aliveUntilMonoMs: number;
}

/** A broker of which nothing is known yet. */
export function neverSeen(container: string): BrokerStatus {
  return {
    container,
    seen: undefined,
    engineFailure: undefined,
    applied: undefined,
    isCurrent: undefined,
    bridges: undefined,
    listener: undefined,
  };
}

/** The certificate that the set is about. */
export function leafOf(certificates: readonly CertificateStatus[]): CertificateStatus | undefined {
  return certificates.find(({ role }) => role === 'client' || role === 'server');
}

/** All probe failures, whatever their cause. */
export function probeFailures({ probeFailures }: Totals): number {
  return Object.values(probeFailures).reduce((sum, count) => sum + count, 0);
}
