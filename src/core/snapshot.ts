/**
 * How things stand, as one value: everything that the metrics, `/status.json`, the status page and `check`
 * show. It is folded out of what the loop publishes; nothing in it grows without end. Pure.
 */

import { type Assessment, assess, type Finding, NOTHING_KNOWN } from './assess.ts';
import type { Reason, State } from './branches.ts';
import type { BridgeSight } from './bridge.ts';
import { type BrokerState, ENGINE_CAUSES, type EngineFailure, type RestartOutcome } from './broker.ts';
import { type Certificate, daysRemaining } from './certificate.ts';
import type { Decision } from './decide.ts';
import { formatDuration } from './duration.ts';
import { type Announcement, EVENTS, type EventKind, type EventName } from './events.ts';
import type { View } from './facts.ts';
import type { Applied } from './memory.ts';
import type { FileComplaint, Moment } from './observation.ts';
import { PROBE_CAUSES, type ProbeCause, type ProbeVerdict } from './probe.ts';
import type { CycleReport, Deed, Publication } from './publication.ts';
import type { Settings } from './settings.ts';
import { clip, summaryOf } from './summary.ts';

/** What keeps a changed set from being applied, each counted once a rotation, where restarts are enabled at all. */
export const SUPPRESSION_REASONS = ['stability_window', 'splay', 'cooldown', 'held'] as const;
export type SuppressionReason = (typeof SUPPRESSION_REASONS)[number];

/** Why a restart was no success: the engine's causes, and a broker that did not come back well. */
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
  /** signals that were proved to be enough, and those that a restart had to follow */
  readonly reloads: Readonly<Record<ReloadResult, number>>;
  readonly restartFailures: Readonly<Record<RestartFailureCause, number>>;
  readonly suppressed: Readonly<Record<SuppressionReason, number>>;
}

export interface CertificateStatus {
  readonly file: string;
  readonly role: 'client' | 'ca';
  readonly subject: string;
  readonly issuer: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly daysRemaining: number;
  readonly state: 'valid' | 'expiring' | 'expired' | 'not_yet_valid';
}

/** Whether key and certificate belong together; only a probe can tell. */
export type PairStatus = 'matches' | 'does_not_match' | 'not_checked';

/** The last cycle. */
export interface CycleStatus {
  readonly at: Moment;
  readonly path: readonly State[];
  readonly reason: Reason;
  readonly sentence: string;
  /** a changed set waits to be applied */
  readonly pending: boolean;
  /** when what it waits for is over, wall clock; undefined if that is not a matter of time */
  readonly waitsUntilMs: number | undefined;
  readonly files: 'complete' | 'incomplete' | 'changing' | 'unparsable';
  readonly complaints: readonly FileComplaint[];
  readonly certificates: readonly CertificateStatus[];
  /** of the set on disk */
  readonly fingerprint: string | undefined;
  readonly pair: PairStatus;
  /** the set that the broker is known to have */
  readonly applied: Applied | undefined;
  readonly probeRunning: boolean;
  readonly nextProbeAtMs: number | undefined;
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
  /** how often in a row it ended so; more than 1 only for restarts that could not be done */
  readonly tries: number;
}

/** One broker as it was seen last. */
export interface BrokerStatus {
  readonly container: string;
  /** as the engine described it last */
  readonly seen: { readonly state: BrokerState; readonly atMs: number } | undefined;
  /** why the engine could not be asked the last time */
  readonly engineFailure: { readonly failure: EngineFailure; readonly atMs: number } | undefined;
  /** the set that it is known to have */
  readonly applied: Applied | undefined;
  /** that is the set on disk; undefined while nothing readable lies there */
  readonly isCurrent: boolean | undefined;
  /** what is heard of its bridges, where somebody listens */
  readonly bridges: BridgeSight | undefined;
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
  /** grows with everything that is taken in */
  readonly revision: number;
  readonly assessment: Assessment;
  /** undefined before the first cycle */
  readonly cycle: CycleStatus | undefined;
  readonly lastProbe: { readonly verdict: ProbeVerdict; readonly atMs: number } | undefined;
  /** oldest first */
  readonly probes: readonly ProbeRecord[];
  /** in the order in which they are restarted; empty before the first cycle */
  readonly brokers: readonly BrokerStatus[];
  /** the one that the last cycle decided about */
  readonly broker: BrokerStatus | undefined;
  /** a restart is under way since then */
  readonly restartingSinceMs: number | undefined;
  /** oldest first */
  readonly restarts: readonly RestartRecord[];
  /** when a restart last ended that may have reached the broker */
  readonly lastRestartAtMs: number | undefined;
  /** oldest first */
  readonly events: readonly EventRecord[];
  readonly totals: Totals;
  /** the loop is alive if its next cycle comes before this monotonic moment */
  readonly aliveUntilMonoMs: number;
}

/** A snapshot, and what is needed to fold the next one out of it. */
export interface History {
  readonly snapshot: Snapshot;
  /** the engine's last answer about each broker as remembered, so that each counts once */
  readonly lastAnswers: ReadonlyMap<string, View['memory']['broker']>;
  /** the failure of a restart that has been counted, and that the next cycle remembers as an answer */
  readonly countedFailure: EngineFailure | undefined;
  /** the set that was last counted as held */
  readonly heldFingerprint: unknown;
}

const KEPT_PROBES = 60;
const KEPT_RESTARTS = 20;
const KEPT_EVENTS = 50;

/** Two slow conversations with the engine and a slow disk fit into this. */
const CYCLE_MARGIN_MS = 30_000;
/** As the restart: an engine's default grace, a grace without end, and the margins of its calls. */
const DEFAULT_STOP_MS = 10_000;
const ENDLESS_STOP_MS = 300_000;
const RESTART_MARGIN_MS = 60_000;

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
    },
    aliveUntilMonoMs: started.monoMs + cycleAllowance(settings),
  };
  return { snapshot, lastAnswers: new Map(), countedFailure: undefined, heldFingerprint: undefined };
}

/** Takes in what the loop has published. */
export function remember(history: History, publication: Publication): History {
  const { say, wallMs, cycle, deed } = publication;
  let next = say.reduce((before, saying) => rememberSaying(before, saying, wallMs), history);
  if (cycle !== undefined) next = rememberCycle(next, cycle);
  if (deed !== undefined) next = rememberDeed(next, deed, wallMs);
  return change(next, { revision: history.snapshot.revision + 1 });
}

/** Whether the loop still turns: its last cycle is recent, or a restart is under way and within its timeouts. */
export function isAlive(snapshot: Snapshot, monoMs: number): boolean {
  return monoMs <= snapshot.aliveUntilMonoMs;
}

/** How things stand at this moment: as at the last cycle, unless there has been none for too long. */
export function assessmentAt(snapshot: Snapshot, { monoMs }: Moment): Assessment {
  if (isAlive(snapshot, monoMs)) return snapshot.assessment;
  const { cycle, started, assessment } = snapshot;
  const silence = formatDuration(monoMs - (cycle?.at ?? started).monoMs);
  const stuck: Finding = {
    level: 'critical',
    about: 'watcher',
    sentence: `the watcher is stuck: its last cycle ended ${silence} ago`,
    advice: 'see whether the certificate directory hangs (a dead network mount), then restart the watcher',
  };
  const advice = stuck.advice ?? '';
  return { ...stuck, advice, findings: [stuck, ...assessment.findings] };
}

/** All probe failures, whatever their cause. */
export function probeFailures({ probeFailures }: Totals): number {
  return Object.values(probeFailures).reduce((sum, count) => sum + count, 0);
}

function rememberSaying(history: History, saying: Publication['say'][number], wallMs: number): History {
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
};

/** A held set whose cause of failure changes is still the same held set. A watcher that restarts nothing suppresses nothing. */
function countSuppressed(history: History, { event, details }: Announcement): History {
  const reason = details['reason'] === 'splay' ? 'splay' : SUPPRESSION_OF[event];
  if (reason === undefined || !history.snapshot.settings.restartEnabled) return history;
  const fingerprint = details['fingerprint'];
  if (reason === 'held' && history.heldFingerprint === fingerprint) return history;
  const { totals } = history.snapshot;
  return {
    ...change(history, { totals: { ...totals, suppressed: increase(totals.suppressed, reason) } }),
    heldFingerprint: reason === 'held' ? fingerprint : history.heldFingerprint,
  };
}

function rememberCycle(history: History, { view, decision, brokers: views }: CycleReport): History {
  const { snapshot } = history;
  const cycle = cycleOf(view, decision);
  const assessment =
    decision.transient && snapshot.cycle !== undefined ? snapshot.assessment : assess(view, decision, views);
  const aliveUntilMonoMs = view.now.monoMs + cycleAllowance(view.settings) + restartAllowance(decision, view);
  const counted = countFruitless(history, view, decision);
  const lastRestartAtMs = snapshot.lastRestartAtMs ?? rememberedRestart(view);
  const brokers = views.map((each) => brokerStatus(each, snapshot));
  return change(counted, {
    cycle,
    assessment,
    aliveUntilMonoMs,
    lastRestartAtMs,
    brokers,
    broker: brokers.find(({ container }) => container === view.settings.container),
  });
}

/** The last restart before this process, where a state file tells. */
function rememberedRestart({ memory, now }: View): number | undefined {
  const last = memory.lastRestartMonoMs;
  return last === undefined ? undefined : now.wallMs - (now.monoMs - last);
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
  };
}

function brokerStatus({ memory, settings, files }: View, { brokers }: Snapshot): BrokerStatus {
  const { container } = settings;
  const { applied, glance } = memory;
  const before = brokers.find((broker) => broker.container === container);
  const status = {
    container,
    applied,
    isCurrent: files.kind === 'complete' ? applied?.fingerprint === files.fingerprint : undefined,
    bridges: memory.bridges?.sight,
  };
  if (glance === undefined) return { ...status, seen: undefined, engineFailure: undefined };
  const { answer, at } = glance;
  return answer.ok
    ? { ...status, seen: { state: answer.value, atMs: at.wallMs }, engineFailure: undefined }
    : { ...status, seen: before?.seen, engineFailure: { failure: answer, atMs: at.wallMs } };
}

/** An answer of the engine that kept a restart from being done counts as a failed restart. */
function countFruitless(history: History, { memory, settings }: View, { reason }: Decision): History {
  const asked = memory.broker;
  const { lastAnswers } = history;
  if (asked === undefined || asked === lastAnswers.get(settings.container)) return history;
  const { answer } = asked;
  const next = {
    ...history,
    lastAnswers: new Map([...lastAnswers, [settings.container, asked] as const]),
    countedFailure: undefined,
  };
  const isNew = !answer.ok && reason === 'engine_failed' && answer !== history.countedFailure;
  return isNew ? countRestartFailure(next, answer.cause) : next;
}

function rememberDeed(history: History, deed: Deed, wallMs: number): History {
  switch (deed.kind) {
    case 'restart_asked':
      return change(history, { restartingSinceMs: wallMs });
    case 'restart_ended':
      return rememberRestart(history, deed, wallMs);
    case 'reload_ended':
      return rememberReload(history, deed.proven);
    case 'probe_ended':
      return rememberProbe(history, deed.verdict, wallMs);
  }
}

function rememberRestart(
  history: History,
  { container, outcome }: Extract<Deed, { kind: 'restart_ended' }>,
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
  const counted = countRestartFailure(next, cause);
  return isDone ? counted : { ...counted, countedFailure: outcome.failure };
}

/** A reload that was enough ends here; one that was not goes over into a restart. */
function rememberReload(history: History, proven: boolean): History {
  const { totals, restartingSinceMs } = history.snapshot;
  return change(history, {
    restartingSinceMs: proven ? undefined : restartingSinceMs,
    totals: { ...totals, reloads: increase(totals.reloads, proven ? 'proven' : 'insufficient') },
  });
}

/** Tries that fail in the same way are one record: they come every few seconds for as long as it takes. */
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

function rememberProbe(history: History, verdict: ProbeVerdict, wallMs: number): History {
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

function cycleOf(view: View, decision: Decision): CycleStatus {
  const { now, files, memory } = view;
  const wallOf = (monoMs: number | undefined) =>
    monoMs === undefined || !Number.isFinite(monoMs) ? undefined : now.wallMs + (monoMs - now.monoMs);
  const isWaiting = (decision.untilMonoMs ?? 0) > now.monoMs && WAITING_REASONS.has(decision.reason);
  const reprobes = REPROBED_REASONS.has(decision.reason) ? decision.probeAtMonoMs : undefined;
  return {
    at: now,
    path: decision.path,
    reason: decision.reason,
    sentence: clip(decision.sentence),
    pending: decision.pending,
    waitsUntilMs: wallOf(isWaiting ? decision.untilMonoMs : reprobes),
    files: files.kind,
    complaints: 'complaints' in files ? files.complaints : [],
    certificates: certificatesOf(view),
    fingerprint: files.kind === 'complete' ? files.fingerprint : undefined,
    pair: pairOf(view),
    applied: memory.applied,
    probeRunning: memory.probe?.running ?? false,
    nextProbeAtMs: wallOf(decision.probeAtMonoMs),
  };
}

/** Verdicts that end at a moment that means something to people. */
const WAITING_REASONS: ReadonlySet<Reason> = new Set([
  'not_stable',
  'in_cooldown',
  'cert_not_yet_valid',
  'engine_failed',
  'broker_not_running',
  'watcher_just_started',
  'restart_splayed',
]);
/** Verdicts that only another probe can end. */
const REPROBED_REASONS: ReadonlySet<Reason> = new Set(['probe_holds', 'key_unusable']);

function certificatesOf({ files, now, settings }: View): CertificateStatus[] {
  if (files.kind !== 'complete') return [];
  const status = (file: string, role: 'client' | 'ca', certificate: Certificate): CertificateStatus => ({
    file,
    role,
    subject: clip(certificate.subject),
    issuer: clip(certificate.issuer),
    notBeforeMs: certificate.notBeforeMs,
    notAfterMs: certificate.notAfterMs,
    daysRemaining: daysRemaining(certificate, now.wallMs),
    state: validityOf(certificate, now.wallMs, settings.expiryWarnDays),
  });
  const authority = files.authorities.toSorted((a, b) => a.notAfterMs - b.notAfterMs)[0];
  return [
    status(files.leafFile, 'client', files.leaf),
    ...(authority === undefined ? [] : [status(files.authoritiesFile, 'ca', authority)]),
  ];
}

function validityOf(certificate: Certificate, nowMs: number, warnDays: number): CertificateStatus['state'] {
  if (nowMs >= certificate.notAfterMs) return 'expired';
  if (nowMs < certificate.notBeforeMs) return 'not_yet_valid';
  return daysRemaining(certificate, nowMs) < warnDays ? 'expiring' : 'valid';
}

function pairOf({ files, memory }: View): PairStatus {
  const probe = memory.probe;
  if (files.kind !== 'complete' || probe?.identity !== files.identity) return 'not_checked';
  const { verdict } = probe;
  if (verdict?.ok === false && verdict.keyUnreadable === true) return 'not_checked';
  if (verdict?.ok === false && verdict.cause === 'client_key_mismatch') return 'does_not_match';
  return probe.filesPassed ? 'matches' : 'not_checked';
}

function cycleAllowance({ checkIntervalMs }: Settings): number {
  return 2 * checkIntervalMs + CYCLE_MARGIN_MS;
}

/** How long the restart that this cycle asks for may take with all its timeouts. */
function restartAllowance({ steps }: Decision, { settings }: View): number {
  const step = steps.find(({ kind }) => kind === 'restart');
  if (step?.kind !== 'restart') return 0;
  const { stopTimeoutS } = step.broker;
  const ownMs = stopTimeoutS === undefined ? DEFAULT_STOP_MS : stopTimeoutS * 1_000;
  const graceMs = settings.stopTimeoutMs ?? (ownMs < 0 ? ENDLESS_STOP_MS : ownMs);
  const reloadMs = settings.reloadStrategy === 'sighup' ? settings.verifyTimeoutMs + RESTART_MARGIN_MS : 0;
  return reloadMs + graceMs + settings.verifyTimeoutMs + RESTART_MARGIN_MS;
}

function recordOf({ event, details }: Announcement, wallMs: number): EventRecord {
  const { level, component } = EVENTS[event];
  return { atMs: wallMs, level, component, event, message: summaryOf(event, details) };
}

function change(history: History, changes: Partial<Snapshot>): History {
  return { ...history, snapshot: { ...history.snapshot, ...changes } };
}

function keep<T>(list: readonly T[], item: T, most: number): readonly T[] {
  return [...list, item].slice(-most);
}

function increase<K extends string>(counts: Readonly<Record<K, number>>, key: K): Record<K, number> {
  return { ...counts, [key]: counts[key] + 1 };
}

/** A count for every name of a closed list. */
function zeros<const K extends string>(names: readonly K[]): Record<K, number>;
function zeros(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, 0]));
}
