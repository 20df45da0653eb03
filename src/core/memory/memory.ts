/**
 * What the watcher remembers from one cycle to the next. The functions in the files beside this one describe how each
 * event changes it: every function there takes a memory and returns a new one.
 */

import type { BridgeSight } from '../model/bridge.ts';
import type { BrokerState, EngineAnswer, RestartOutcome } from '../model/broker.ts';
import { type CertificateSet, leafOf, type Moment, markOf, type Parts, partsOfEach } from '../model/files.ts';
import type { LiveDirectory, PromotionFailure } from '../model/live.ts';
import type { Presented } from '../model/presented.ts';
import type { ProbeFailure, ProbeVerdict } from '../model/probe.ts';
import type { WatchersSeen } from '../model/rivals.ts';
import type { ServiceUpdate } from '../model/service.ts';
import type { BridgeNews } from './bridge-news.ts';
import type { Start } from './start.ts';

/** The set that the broker is known to have loaded, or has been restarted for. */
export interface Applied {
  readonly fingerprint: string;
  /** the engine's `StartedAt` of the start that loaded it; undefined if that start was never seen */
  readonly startedAt: string | undefined;
  /** when its client certificate expires, milliseconds since the epoch; undefined if it was never seen */
  readonly notAfterMs?: number | undefined;
  /** its client certificate, see {@link leafOf}; undefined if it was never seen */
  readonly leaf?: string | undefined;
  /** its CA certificates, see {@link authoritiesOf}; undefined if they were never seen */
  readonly authorities?: string | undefined;
  /** of several sets, by their names: the fingerprint of each, or that it could not be read */
  readonly sets?: Readonly<Record<string, string>> | undefined;
  /** of several sets: what each listener has loaded; where one is missing, that is not known */
  readonly parts?: Readonly<Record<string, Parts>> | undefined;
}

/** Whether that is this set; of several, each of them. One that the configuration has named since changes nothing. */
export function hasSet(applied: Applied | undefined, files: CertificateSet): boolean {
  if (applied === undefined) return false;
  const { sets } = applied;
  if (files.sets === undefined || sets === undefined) return applied.fingerprint === files.fingerprint;
  return files.sets.every((named) => (sets[named.name] ?? markOf(named)) === markOf(named));
}

/** What is remembered of several sets. */
export function marksOf({ sets }: CertificateSet): Applied['sets'] {
  return sets && Object.fromEntries(sets.map((named) => [named.name, markOf(named)]));
}

/** What is remembered of a set that a broker has loaded now, apart from the start that has. */
export function loaded(set: CertificateSet) {
  return {
    fingerprint: set.fingerprint,
    notAfterMs: set.leaf.notAfterMs,
    leaf: leafOf(set),
    authorities: authoritiesOf(set),
    ...(set.sets && { sets: marksOf(set), parts: partsOfEach(set.sets) }),
  } satisfies Omit<Applied, 'startedAt'>;
}

/** The CA certificates of a set as a text for comparison: a listener loads new ones only when it is started. */
export function authoritiesOf({ authorities }: CertificateSet): string {
  return authorities
    .map(({ sha256 }) => sha256.slice(0, 16))
    .toSorted()
    .join(' ');
}

/** The progress of the probe of one set. */
export interface ProbeProgress {
  readonly identity: string;
  /** no fault found in the files: key and certificate belong together, as far as they may be read */
  readonly filesPassed: boolean;
  readonly running: boolean;
  /** the last verdict on exactly this set */
  readonly verdict: ProbeVerdict | undefined;
  /** monotonic milliseconds of that verdict */
  readonly verdictAtMs: number | undefined;
  /** the proof that the upstream refuses exactly this set; it stands until a probe proves the contrary */
  readonly rejection: ProbeFailure | undefined;
  /** the same for each of several sets, by their names */
  readonly rejections?: Readonly<Record<string, ProbeFailure>>;
}

/** The last look at the files of one directory, and since when they have been unchanged. */
export interface Sighting {
  readonly identity: string;
  readonly sinceMonoMs: number;
  readonly lookMonoMs: number;
}

/** What is remembered of the live directory of a two-phase rotation. */
export interface LiveMemory {
  /** as the last look found it */
  readonly seen: LiveDirectory;
  readonly sighting: Sighting;
  /** the last change of it that failed */
  readonly failed:
    | {
        readonly failure: PromotionFailure;
        /** the identity of the incoming files for which it was tried */
        readonly identity: string;
        readonly tries: number;
        readonly askAgainMonoMs: number;
      }
    | undefined;
  /** the last probe with the live set itself, made because a bridge has not come back with it */
  readonly proof:
    | {
        readonly identity: string;
        readonly running: boolean;
        readonly verdict: ProbeVerdict | undefined;
        /** monotonic milliseconds of its end, or of its start while it runs */
        readonly atMonoMs: number;
      }
    | undefined;
}

/** What all brokers share: the files, the upstream, and the watcher itself. */
export interface SiteMemory {
  /** when the watcher started */
  readonly started: Moment;
  readonly cycles: number;
  /** of the files that the agent writes */
  readonly sighting: Sighting | undefined;
  /** undefined: the agent writes to the live directory itself */
  readonly live: LiveMemory | undefined;
  /** fingerprints of the sets that have been on disk here, the latest last */
  readonly seen: readonly string[];
  readonly probe: ProbeProgress | undefined;
  /** the last verdict of all, for any set, as shown to people */
  readonly lastVerdict:
    | { readonly verdict: ProbeVerdict; readonly fingerprint: string; readonly at: Moment }
    | undefined;
  /** the last search for other watchers: for which set, and what it found */
  readonly watchers:
    | {
        readonly identity: string;
        readonly running: boolean;
        readonly seen: WatchersSeen | undefined;
        /** monotonic milliseconds; undefined while the first look runs */
        readonly atMonoMs: number | undefined;
      }
    | undefined;
  /** seed of its waiting times; no other watcher has the same */
  readonly lot: string;
  /** what the operator has requested: a look, which is this one, and a restart, until it is answered */
  readonly requests: { readonly look: boolean; readonly restart: boolean };
  /** the set that does not wait for RESTART_WINDOW and RESTART_SPLAY, because the operator requested it */
  readonly waived: string | undefined;
}

/** What is remembered of one broker. */
export interface RequestedUpdate {
  readonly set: CertificateSet;
  readonly atMonoMs: number;
  /** since when the swarm has reported it as complete; undefined: it has not, or not the last time */
  readonly completeMonoMs: number | undefined;
}

export interface BrokerMemory {
  readonly applied: Applied | undefined;
  /** when files other than `applied` appeared on disk, by the wall clock; a broker started later may run with those */
  readonly divergedAtMs: number | undefined;
  /** monotonic milliseconds of the last restart that may have reached the broker; negative: before the start */
  readonly lastRestartMonoMs: number | undefined;
  /** if no restart is known: the latest start of the broker that our predecessor may have made */
  readonly predecessor: { readonly startedAt: string; readonly monoMs: number } | undefined;
  /**
   * The answer on which the decision about a set rests until it is worth asking again. A later look, made for display,
   * does not replace it: that would cut a backoff short.
   */
  readonly standing:
    | {
        readonly answer: EngineAnswer<BrokerState>;
        readonly identity: string;
        readonly askAgainMonoMs: number;
        /** the cycle that has asked; undefined: it is how a restart ended */
        readonly cycle: number | undefined;
      }
    | undefined;
  /** the engine's last answer, whatever it was requested for: used for display and by the other brokers of a roll */
  readonly lastAnswer: { readonly answer: EngineAnswer<BrokerState>; readonly at: Moment } | undefined;
  /** its bridges as the broker reports them, if the watcher subscribes to it */
  readonly bridges: BridgeMemory | undefined;
  /** what its own TLS listener has presented at the last look; undefined: it is not looked at */
  readonly presented: { readonly seen: Presented; readonly at: Moment } | undefined;
  /** the same of the listeners of several sets, by the names of the sets */
  readonly presentedBy:
    | { readonly seen: Readonly<Record<string, SeenListener>>; readonly at: Moment }
    | undefined;
  /** a restart that has brought the broker up, until it is known whether it is well */
  readonly start: Start | undefined;
  /** the update of a service that this watcher has requested, until its end has been reported */
  readonly updating: RequestedUpdate | undefined;
  /** the update of a service that was seen to fail for the set on disk; the next update makes the swarm forget it */
  readonly failedUpdate: { readonly fingerprint: string; readonly update: ServiceUpdate } | undefined;
  /** how often in a row the pending restart could not be made */
  readonly failedTries: number;
  /** `FinishedAt` of a broker that our own failed restart left stopped */
  readonly stoppedByUs: string | undefined;
  /**
   * its set was rolled back while it was down: it is started with the previous one, once, without waiting for the
   * cooldown
   */
  readonly startAtOnce: boolean;
  /** the last restart, as shown to people */
  readonly lastRestart:
    | { readonly outcome: RestartOutcome; readonly at: Moment; readonly fingerprint: string }
    | undefined;
  /** since when this watcher has been letting another one go first with a set */
  readonly yielding: { readonly identity: string; readonly sinceMonoMs: number } | undefined;
  /** nothing done to the broker has revealed another watcher */
  readonly isAlone: boolean;
}

/** What one of several listeners has presented at the last look. */
export interface SeenListener {
  readonly seen: Presented;
  /** it has presented a certificate at some look, so that the watcher can reach it */
  readonly hasAnswered: boolean;
}

/** The bridges of one broker as the loop remembers them. Times are monotonic milliseconds. */
export interface BridgeMemory {
  readonly sight: BridgeSight;
  /** since when `sight` has been unchanged */
  readonly sinceMonoMs: number;
  /** the number of the last message that was not retained, and when a look found it */
  readonly live: { readonly message: number; readonly atMonoMs: number } | undefined;
  /** how often the state of the bridges was unknown for so long that this was reported */
  readonly lapses: number;
  /** as it was last reported */
  readonly leftOut: Extract<BridgeSight, { ok: true }>['leftOut'] | undefined;
  readonly news: BridgeNews;
}

/**
 * After the predecessor of a watcher without a state file was killed, its restart may still be under way and the broker
 * not stopped yet. A broker needs well under this time to stop.
 */
export const PREDECESSOR_MS = 2_000;
