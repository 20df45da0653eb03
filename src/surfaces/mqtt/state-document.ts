/**
 * What is published at `<STATUS_TOPIC>/state`: the part of `/status.json` that does not change while nothing happens.
 * The schema is docs/state.schema.json.
 */

import type { Moment } from '../../core/model/files.ts';
import { REASON_WORDS } from '../../core/status/reasons.ts';
import type { Snapshot } from '../../core/status/snapshot.ts';
import { compactText, statusDocument } from '../web/status-json.ts';

/** A gateway has one broker, seldom several; a message must not become so long that a broker refuses it. */
const MOST_FINDINGS = 10;
const MOST_PROBLEMS = 10;
const MOST_BROKERS = 10;
const MOST_SETS = 20;
const MOST_BRIDGES = 16;

type Document = ReturnType<typeof statusDocument>;
type Broker = Document['brokers'][number];

/** The same keys as in `/status.json`, without counts, histories, and times of what is done again and again. */
export function stateDocument(snapshot: Snapshot, version: string, now: Moment) {
  const { totals, events, findings, decision, certificates, sets, conf, ...document } = statusDocument(
    snapshot,
    version,
    now,
  );
  const { incoming, upstream, broker, brokers, ...others } = document;
  return {
    ...others,
    findings: findings.slice(0, MOST_FINDINGS),
    decision: decision && decisionPart(decision),
    certificates: setPart(certificates),
    sets: sets?.slice(0, MOST_SETS).map(namedPart),
    conf: conf && { ...conf, findings: conf.findings.slice(0, MOST_FINDINGS) },
    incoming: incoming && setPart(incoming),
    upstream: upstreamPart(upstream),
    broker: {
      ...brokerPart(broker),
      last_restart_at: broker.last_restart_at,
      restarts: broker.restarts.slice(-1).map((restart) => without(restart, ['tries'])),
    },
    brokers: brokers.slice(0, MOST_BROKERS).map(brokerPart),
  };
}

export type StateDocument = ReturnType<typeof stateDocument>;

export function stateText(document: StateDocument): string {
  return compactText(document);
}

/** Texts for people, in which counts and errors change while nothing else does, and times that tremble. */
const NOT_COMPARED = [
  'now',
  'summary',
  'advice',
  'message',
  'hint',
  'error',
  'duration_seconds',
  'waits_until',
];

/** A wait that ends at another time than before, by more than clocks tremble. */
const ANOTHER_TIME_MS = 2_000;

/** Whether something has happened between the two, and a message is due. */
export function isNews(before: StateDocument, now: StateDocument): boolean {
  return compared(before) !== compared(now) || isAnotherTime(waitOf(before), waitOf(now));
}

function compared(document: StateDocument): string {
  return JSON.stringify(document, (key, value) => (NOT_COMPARED.includes(key) ? undefined : value));
}

function waitOf({ decision }: StateDocument): number | undefined {
  return decision?.waits_until === undefined ? undefined : Date.parse(decision.waits_until);
}

function isAnotherTime(before: number | undefined, now: number | undefined): boolean {
  if (before === undefined || now === undefined) return before !== now;
  return Math.abs(now - before) > ANOTHER_TIME_MS;
}

/** The next of many probes is no time that anybody waits for. */
function decisionPart(decision: NonNullable<Document['decision']>) {
  const isTimed = REASON_WORDS[decision.reason].endsWith === 'time';
  return {
    ...without(decision, ['at', 'path']),
    waits_until: isTimed ? decision.waits_until : undefined,
  };
}

function setPart<T extends Document['certificates']>({ files, problems, ...others }: T) {
  return {
    ...others,
    problems: problems.slice(0, MOST_PROBLEMS),
    files: files.map((file) => without(file, ['expires_in_seconds'])),
  };
}

/** Which of several addresses was asked may change with every probe; what each said is for those who look closer. */
function namedPart({ probe, listener, ...set }: NonNullable<Document['sets']>[number]) {
  return {
    ...setPart(set),
    probe: probe && without(probe, ['address', 'addresses']),
    listener: listener && without(listener, ['at']),
  };
}

function upstreamPart({ last_probe: last, ...upstream }: Document['upstream']) {
  return {
    ...without(upstream, ['probing_now', 'next_probe_at', 'history', 'successes', 'failures']),
    last_probe: last && without(last, ['at', 'address', 'duration_seconds']),
  };
}

/** Bridges that are down come first: they are what matters if there are too many. */
function brokerPart({ bridges, engine_failure: failure, listener, ...broker }: Broker) {
  return {
    ...without(broker, ['seen_at', 'last_restart_at', 'restarts'] as const),
    bridges: bridges?.toSorted((a, b) => Number(a.up) - Number(b.up)).slice(0, MOST_BRIDGES),
    engine_failure: failure && without(failure, ['at']),
    listener: listener && without(listener, ['at']),
  };
}

function without<T extends object, K extends string>(value: T, keys: readonly K[]): Omit<T, K> {
  const entries = Object.entries(value).filter(([key]) => !keys.some((each) => each === key));
  return Object.fromEntries(entries) as Omit<T, K>;
}
