/**
 * Remembers the applied set across restarts of the watcher, in a small JSON file that is replaced as a whole. Foreign
 * changes to the file are contained here: each accepted value is one that this program may have written, so that no
 * cycle fails because of it and no rotation is delayed by it for longer than the cooldown.
 */

import { isUtf8 } from 'node:buffer';
import * as v from 'valibot';
import type { PersistedState, PersistedStates } from '../core/memory/persisted.ts';
import { MAX_FILE_BYTES, readRegularFile } from '../system/regular-file.ts';
import { replaceFile } from '../system/replace-file.ts';

export type StateRead =
  | { readonly ok: true; readonly states: PersistedStates }
  | { readonly ok: false; readonly problem: string };

export type StateWrite = { readonly ok: true } | { readonly ok: false; readonly problem: string };

export interface StateFile {
  /** What was saved last, empty if nothing was. A file that cannot be parsed is a problem, not a crash. */
  load(): Promise<StateRead>;
  /**
   * Replaces the file as a whole: after a crash or on a full disk the old content is still there. Its entries for
   * brokers that are not in `states` are kept, because they may be another watcher's; if it cannot be parsed, `others`
   * replaces them. Of more than 200 brokers the first are kept; if the path is not a regular file, that is a problem,
   * and it is left alone.
   */
  save(states: PersistedStates, others?: PersistedStates): Promise<StateWrite>;
}

/** 9999-12-31T23:59:59Z: also the end date of a certificate that never expires (RFC 5280, 4.1.2.5) */
const LATEST_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Longer than any text that an engine writes; container names are shorter, too. */
const MAX_TEXT = 256;
/** Enough for some 240 authorities: a longer list is not stored. */
const MAX_AUTHORITIES = 4_096;
/** More sets than this are not stored. */
const MAX_SETS = 100;
/** As many as certainly fit into a file that can be read back. */
const MAX_BROKERS = 200;
/** How often a file that another watcher is replacing is read again. */
const READS = 5;

const TEXT = v.pipe(v.string(), v.maxLength(MAX_TEXT));
/** a time that is safe for any arithmetic, in milliseconds since the epoch; `+05` alone does not make it a date */
const TIME = v.pipe(
  v.string(),
  v.maxLength(MAX_TEXT),
  v.isoTimestamp(),
  v.transform((text) => Date.parse(text)),
  v.number(),
  v.minValue(0),
  v.maxValue(LATEST_MS),
);

/** valibot accepts an array as an object without keys */
const OBJECT = v.custom<object>(
  (value) => typeof value === 'object' && !Array.isArray(value) && value !== null,
);

/** of several sets, by their names */
const SETS = v.pipe(
  OBJECT,
  v.transform((sets) => Object.entries(sets)),
  v.array(v.tuple([TEXT, v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{64}|none)$/))])),
  v.maxLength(MAX_SETS),
);

const SHORT_DIGEST = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** of several sets, by their names: what each listener has loaded */
const PARTS = v.pipe(
  OBJECT,
  v.transform((parts) => Object.entries(parts)),
  v.array(
    v.tuple([
      TEXT,
      v.strictObject({ leaf: SHORT_DIGEST, trust: SHORT_DIGEST, revocation: v.optional(SHORT_DIGEST) }),
    ]),
  ),
  v.maxLength(MAX_SETS),
);

const BROKER = v.strictObject({
  applied: v.optional(
    v.strictObject({
      fingerprint: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      started_at: v.optional(TEXT),
      not_after: v.optional(TIME),
      leaf: v.optional(SHORT_DIGEST),
      authorities: v.optional(v.pipe(v.string(), v.maxLength(MAX_AUTHORITIES))),
      sets: v.optional(SETS),
      parts: v.optional(PARTS),
    }),
  ),
  strayed_at: v.optional(TIME),
  stopped_by_us: v.optional(TEXT),
  last_restart_at: v.optional(TIME),
});

const SCHEMA = v.strictObject({
  version: v.literal(1),
  brokers: v.pipe(
    OBJECT,
    v.transform((brokers) => Object.entries(brokers)),
    v.array(v.tuple([TEXT, v.pipe(OBJECT, BROKER)])),
    v.maxLength(MAX_BROKERS),
  ),
});

export function createStateFile(path: string): StateFile {
  async function load(): Promise<StateRead> {
    let read = await readRegularFile(path);
    for (let again = 1; !read.ok && read.kind === 'changing' && again < READS; again++) {
      read = await readRegularFile(path);
    }
    if (!read.ok && read.kind === 'missing') return { ok: true, states: new Map() };
    if (!read.ok) return { ok: false, problem: `state file ${path} ${read.problem}` };
    const states = isUtf8(read.bytes) ? parseStates(read.bytes.toString('utf8')) : undefined;
    if (states === undefined)
      return { ok: false, problem: `state file ${path} holds no state of this program` };
    return { ok: true, states };
  }

  async function save(states: PersistedStates, others: PersistedStates = new Map()): Promise<StateWrite> {
    const written = await replaceFile(path, async () => {
      const present = await load();
      return serialize(merged(states, present.ok ? present.states : new Map(), others));
    });
    return written.ok ? written : { ok: false, problem: `state file ${path} ${written.problem}` };
  }

  return { load, save };
}

/** For each broker, the state from the first argument that has it. */
function merged(...states: readonly PersistedStates[]): PersistedStates {
  const all = new Map<string, PersistedState>();
  for (const [name, state] of states.flatMap((each) => [...each])) if (!all.has(name)) all.set(name, state);
  return all;
}

/** The states in a state file's text by the names of the brokers, or undefined if it is not a state file. */
export function parseStates(text: string): PersistedStates | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = v.safeParse(SCHEMA, json, { abortEarly: true });
  if (!result.success) return undefined;
  const { brokers } = result.output;
  if (keysWritten(text) !== keysUnderstood(brokers)) return undefined;
  return new Map(brokers.map(([name, broker]) => [name, stateOf(broker)]));
}

type Broker = v.InferOutput<typeof BROKER>;

/** How many keys a JSON text contains, including those that a parser drops: a duplicate, `__proto__`. */
function keysWritten(text: string): number {
  let keys = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) keys += 1;
  return keys;
}

function keysUnderstood(brokers: readonly (readonly [string, Broker])[]): number {
  const ofBrokers = brokers.map(
    ([, broker]) =>
      1 +
      Object.keys(broker).length +
      Object.keys(broker.applied ?? {}).length +
      (broker.applied?.sets?.length ?? 0) +
      (broker.applied?.parts ?? []).reduce((sum, [, parts]) => sum + 1 + Object.keys(parts).length, 0),
  );
  return ofBrokers.reduce((sum, keys) => sum + keys, 2);
}

function stateOf(broker: Broker): PersistedState {
  const {
    applied,
    strayed_at: divergedAtMs,
    stopped_by_us: stoppedByUs,
    last_restart_at: lastRestartAtMs,
  } = broker;
  return {
    applied: applied && {
      fingerprint: applied.fingerprint,
      startedAt: applied.started_at,
      notAfterMs: applied.not_after,
      leaf: applied.leaf,
      authorities: applied.authorities,
      ...(applied.sets && { sets: Object.fromEntries(applied.sets) }),
      ...(applied.parts && { parts: Object.fromEntries(applied.parts) }),
    },
    divergedAtMs,
    stoppedByUs,
    lastRestartAtMs,
  };
}

function serialize(states: PersistedStates): string {
  const readable = [...states].filter(([name]) => name.length <= MAX_TEXT).slice(0, MAX_BROKERS);
  const text = (withSets: boolean) => {
    const brokers = Object.fromEntries(readable.map(([name, state]) => [name, brokerOf(state, withSets)]));
    return `${JSON.stringify({ version: 1, brokers }, null, 2)}\n`;
  };
  const whole = text(true);
  // without its sets, a broker is still known to have all of them
  return Buffer.byteLength(whole) <= MAX_FILE_BYTES ? whole : text(false);
}

/** Only what can be read back: a value of the wrong kind is treated as one that was never seen. */
function brokerOf(
  { applied, divergedAtMs, stoppedByUs, lastRestartAtMs }: PersistedState,
  withSets: boolean,
) {
  return {
    applied: applied && {
      fingerprint: applied.fingerprint,
      started_at: upTo(MAX_TEXT, applied.startedAt),
      not_after: isoTime(applied.notAfterMs),
      leaf: applied.leaf,
      authorities: upTo(MAX_AUTHORITIES, applied.authorities),
      sets: withSets ? storable(applied.sets) : undefined,
      parts: withSets ? storable(applied.parts) : undefined,
    },
    strayed_at: isoTime(divergedAtMs),
    stopped_by_us: upTo(MAX_TEXT, stoppedByUs),
    last_restart_at: isoTime(lastRestartAtMs),
  };
}

function upTo(length: number, text: string | undefined): string | undefined {
  return text === undefined || text.length > length ? undefined : text;
}

/** None of them, if one could not be read back. */
function storable<T>(sets: Readonly<Record<string, T>> | undefined) {
  const names = Object.keys(sets ?? {});
  return names.length > MAX_SETS || names.some((name) => name.length > MAX_TEXT) ? undefined : sets;
}

function isoTime(ms: number | undefined): string | undefined {
  if (ms === undefined || !Number.isFinite(ms)) return undefined;
  return new Date(Math.min(Math.max(ms, 0), LATEST_MS)).toISOString();
}
