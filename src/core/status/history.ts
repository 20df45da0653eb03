/** Folds what the loop publishes into the snapshot. Pure. */

import type { RestartOutcome } from '../model/broker.ts';
import type { Moment } from '../model/files.ts';
import { PROBE_CAUSES, type ProbeVerdict } from '../model/probe.ts';
import { asksUpstream, type Settings } from '../model/settings.ts';
import { type Announcement, EVENTS, type EventName } from '../news/events.ts';
import { summaryOf } from '../news/summary.ts';
import type { Situation } from '../situation.ts';
import { clip } from '../text/clip.ts';
import { assess, NOTHING_KNOWN } from './assess.ts';
import { increase, keep, zeros } from './counts.ts';
import { type Cycle, type Fact, PROMOTION_RESULTS, type PromotionResult, type Publication } from './cycle.ts';
import { brokerStatus, cycleStatus } from './cycle-status.ts';
import { cycleAllowance, restartAllowance } from './liveness.ts';
import {
  type EventRecord,
  type ProbeRecord,
  RELOAD_RESULTS,
  RESTART_FAILURE_CAUSES,
  type RestartFailureCause,
  type RestartRecord,
  type Snapshot,
  SUPPRESSION_REASONS,
  type SuppressionReason,
} from './snapshot.ts';

/** A snapshot, and what is needed to fold the next one from it. */
export interface History {
  readonly snapshot: Snapshot;
  /** the set that was last counted as held */
  readonly heldFingerprint: unknown;
}

const KEPT_PROBES = 60;

const KEPT_RESTARTS = 20;

const KEPT_EVENTS = 50;

/** The history of a watcher that starts now. */
export function createHistory(settings: Settings, started: Moment): History {
  const snapshot: Snapshot = {
    settings,
    started,
    revision: 0,
    assessment: NOTHING_KNOWN,
    cycle: undefined,
    lastProbe: undefined,
    probes: [],
    brokers: [],
    broker: undefined,
    restartingSinceMs: undefined,
    restarts: [],
    lastRestartAtMs: undefined,
    events: [],
    totals: {
      probeSuccesses: 0,
      probeFailures: zeros(PROBE_CAUSES),
      restarts: 0,
      reloads: zeros(RELOAD_RESULTS),
      restartFailures: zeros(RESTART_FAILURE_CAUSES),
      suppressed: zeros(SUPPRESSION_REASONS),
      promotions: zeros(PROMOTION_RESULTS),
    },
    aliveUntilMonoMs: started.monoMs + cycleAllowance(settings),
  };
  return { snapshot, heldFingerprint: undefined };
}

/** The history, extended by what the loop has published. */
export function record(history: History, publication: Publication): History {
  const { say, wallMs, cycle, fact } = publication;
  let next = say.reduce((before, saying) => recordSaying(before, saying, wallMs), history);
  if (cycle !== undefined) next = recordCycle(next, cycle);
  if (fact !== undefined) next = recordFact(next, fact, wallMs);
  return change(next, { revision: history.snapshot.revision + 1 });
}

function recordSaying(history: History, saying: Publication['say'][number], wallMs: number): History {
  const isNew = !('isNew' in saying) || saying.isNew;
  const event = recordOf(saying, wallMs);
  const { events } = history.snapshot;
  const next = change(history, { events: keep(events, event, KEPT_EVENTS) });
  return isNew ? countSuppressed(next, saying) : next;
}

const SUPPRESSION_OF: Partial<Record<EventName, SuppressionReason>> = {
  restart_deferred: 'stability_window',
  restart_suppressed_cooldown: 'cooldown',
  restart_held: 'held',
  set_unreadable_by_broker: 'held',
};

const TIMING_REASONS = ['window', 'splay'] as const;

/**
 * A held set whose cause of failure changes is still the same held set. A watcher with restarts disabled suppresses
 * nothing.
 */
function countSuppressed(history: History, { event, details }: Announcement): History {
  // a restart that another watcher makes instead is not suppressed
  if (details['reason'] === 'another_watcher') return history;
  const reason = TIMING_REASONS.find((each) => each === details['reason']) ?? SUPPRESSION_OF[event];
  if (reason === undefined || !history.snapshot.settings.restartEnabled) return history;
  const fingerprint = details['fingerprint'];
  if (reason === 'held' && history.heldFingerprint === fingerprint) return history;
  const { totals } = history.snapshot;
  return {
    ...change(history, { totals: { ...totals, suppressed: increase(totals.suppressed, reason) } }),
    heldFingerprint: reason === 'held' ? fingerprint : history.heldFingerprint,
  };
}

function recordCycle(history: History, { decision, situations }: Cycle): History {
  const { snapshot } = history;
  const { situation } = decision;
  const { now, name, settings } = situation;
  const cycle = cycleStatus(decision);
  const assessment =
    decision.transient && snapshot.cycle !== undefined ? snapshot.assessment : assess(decision, situations);
  const aliveUntilMonoMs = now.monoMs + cycleAllowance(settings) + restartAllowance(decision);
  const counted = countFailedAnswer(history, decision);
  const lastRestartAtMs = snapshot.lastRestartAtMs ?? rememberedRestart(situation);
  const brokers = situations.map((each) => brokerStatus(each, snapshot));
  return change(counted, {
    cycle,
    assessment,
    aliveUntilMonoMs,
    lastRestartAtMs,
    brokers,
    broker: brokers.find(({ container }) => container === name),
  });
}

/** The last restart before this process, if a state file records it. */
function rememberedRestart({ memory, now }: Situation): number | undefined {
  const last = memory.lastRestartMonoMs;
  return last === undefined ? undefined : now.wallMs - (now.monoMs - last);
}

/** An answer of the engine that kept a restart from being done counts as a failed restart, once. */
function countFailedAnswer(history: History, { situation, reason }: Cycle['decision']): History {
  const { standing } = situation.memory;
  if (reason !== 'engine_failed' || standing?.answer.ok !== false) return history;
  return standing.cycle === situation.site.cycles
    ? countRestartFailure(history, standing.answer.cause)
    : history;
}

function recordFact(history: History, fact: Fact, wallMs: number): History {
  switch (fact.kind) {
    case 'restart_asked':
      return change(history, { restartingSinceMs: wallMs });
    case 'restart_dropped':
      return change(history, { restartingSinceMs: undefined });
    case 'restart_ended':
      return recordRestart(history, fact, wallMs);
    case 'reload_ended':
      return recordReload(history, fact.proven);
    case 'promotion_ended':
      return countPromotion(history, fact.result);
    case 'probe_ended':
      if (fact.verdict.sets !== undefined) return recordProbes(history, fact.verdict.sets, wallMs);
      return asksUpstream(history.snapshot.settings)
        ? recordProbe(history, fact.verdict, wallMs)
        : recordComparison(history, fact.verdict, wallMs);
  }
}

function countPromotion(history: History, result: PromotionResult): History {
  const { totals } = history.snapshot;
  return change(history, { totals: { ...totals, promotions: increase(totals.promotions, result) } });
}

function recordRestart(
  history: History,
  { container, outcome }: Extract<Fact, { kind: 'restart_ended' }>,
  wallMs: number,
): History {
  const { restarts, totals, cycle, brokers, lastRestartAtMs } = history.snapshot;
  const { cause, error } = failureOf(outcome);
  const record: RestartRecord = {
    atMs: wallMs,
    container,
    result: outcome.kind,
    cause,
    error: error && clip(error),
    tookMs: outcome.tookMs,
    fingerprint: cycle?.fingerprint,
    tries: 1,
  };
  const isDone = outcome.kind !== 'not_done';
  const seen = isDone && outcome.broker !== undefined ? { state: outcome.broker, atMs: wallMs } : undefined;
  const after = brokers.map((broker) =>
    broker.container === container && seen !== undefined ? { ...broker, seen } : broker,
  );
  const next = change(history, {
    restarts: keepRestart(restarts, record),
    restartingSinceMs: undefined,
    lastRestartAtMs: isDone ? wallMs : lastRestartAtMs,
    brokers: after,
    broker: after.find((broker) => broker.container === container),
    totals: { ...totals, restarts: totals.restarts + (isDone ? 1 : 0) },
  });
  if (cause === undefined) return next;
  return countRestartFailure(next, cause);
}

/** A reload that was enough ends here; one that was not is followed by a restart. */
function recordReload(history: History, proven: boolean): History {
  const { totals, restartingSinceMs } = history.snapshot;
  return change(history, {
    restartingSinceMs: proven ? undefined : restartingSinceMs,
    totals: { ...totals, reloads: increase(totals.reloads, proven ? 'proven' : 'insufficient') },
  });
}

/**
 * Attempts that fail in the same way are one record: they repeat every few seconds for as long as the failure lasts.
 */
function keepRestart(restarts: readonly RestartRecord[], record: RestartRecord): readonly RestartRecord[] {
  const last = restarts.at(-1);
  const isRepetition =
    last?.result === 'not_done' &&
    record.result === 'not_done' &&
    last.cause === record.cause &&
    last.container === record.container;
  return isRepetition
    ? [...restarts.slice(0, -1), { ...record, tries: last.tries + 1 }]
    : keep(restarts, record, KEPT_RESTARTS);
}

function failureOf(outcome: RestartOutcome): { cause?: RestartFailureCause; error?: string } {
  switch (outcome.kind) {
    case 'verified':
      return {};
    case 'unhealthy':
      return { cause: 'broker_unhealthy', error: outcome.why };
    case 'uncertain':
    case 'not_done':
      return { cause: outcome.failure.cause, error: outcome.failure.problem };
  }
}

function countRestartFailure(history: History, cause: RestartFailureCause): History {
  const { totals } = history.snapshot;
  return change(history, {
    totals: { ...totals, restartFailures: increase(totals.restartFailures, cause) },
  });
}

function recordProbe(history: History, verdict: ProbeVerdict, wallMs: number): History {
  const { probes, totals } = history.snapshot;
  const cause = verdict.ok ? undefined : verdict.cause;
  const record: ProbeRecord = { atMs: wallMs, ok: verdict.ok, cause, durationMs: verdict.durationMs };
  return change(history, {
    lastProbe: { verdict, atMs: wallMs },
    probes: keep(probes, record, KEPT_PROBES),
    totals:
      cause === undefined
        ? { ...totals, probeSuccesses: totals.probeSuccesses + 1 }
        : { ...totals, probeFailures: increase(totals.probeFailures, cause) },
  });
}

/** Several sets: each that an upstream was asked about counts, and the last that failed is the last probe. */
function recordProbes(
  history: History,
  sets: Readonly<Record<string, ProbeVerdict>>,
  wallMs: number,
): History {
  return Object.values(sets)
    .filter((verdict) => !verdict.ok || verdict.proof !== 'pair')
    .toSorted((a, b) => Number(b.ok) - Number(a.ok))
    .reduce((before, verdict) => recordProbe(before, verdict, wallMs), history);
}

/** Without an upstream, only a fault of the files is worth showing: nobody was asked. */
function recordComparison(history: History, verdict: ProbeVerdict, wallMs: number): History {
  return change(history, { lastProbe: verdict.ok ? undefined : { verdict, atMs: wallMs } });
}

function recordOf({ event, details }: Announcement, wallMs: number): EventRecord {
  const { level, component } = EVENTS[event];
  return { atMs: wallMs, level, component, event, message: summaryOf(event, details) };
}

function change(history: History, changes: Partial<Snapshot>): History {
  return { ...history, snapshot: { ...history.snapshot, ...changes } };
}
