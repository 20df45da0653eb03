/** Remembers the applied set across restarts of the watcher, in a small JSON file that is replaced at once. */

import { open, rename, rm } from 'node:fs/promises';
import * as v from 'valibot';
import type { PersistedState, PersistedStates } from '../core/memory.ts';
import { messageOf } from '../system/errors.ts';
import { readRegularFile } from '../system/regular-file.ts';

export type StateRead =
  | { readonly ok: true; readonly states: PersistedStates }
  | { readonly ok: false; readonly problem: string };

export type StateWrite = { readonly ok: true } | { readonly ok: false; readonly problem: string };

export interface StateFile {
  /** What was saved last, nothing of any broker if nothing was. A file that cannot be understood is a problem, not a crash. */
  load(): Promise<StateRead>;
  /** Replaces the file as a whole: after a crash or on a full disk the old content is still there. */
  save(states: PersistedStates): Promise<StateWrite>;
}

const BROKER = v.strictObject({
  applied: v.optional(
    v.strictObject({
      fingerprint: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      started_at: v.optional(v.string()),
      not_after: v.optional(v.pipe(v.string(), v.isoTimestamp())),
      authorities: v.optional(v.string()),
    }),
  ),
  strayed_at: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  stopped_by_us: v.optional(v.string()),
  last_restart_at: v.optional(v.pipe(v.string(), v.isoTimestamp())),
});

const SCHEMA = v.strictObject({ version: v.literal(1), brokers: v.record(v.string(), BROKER) });

export function createStateFile(path: string): StateFile {
  const temporary = `${path}.new`;

  async function load(): Promise<StateRead> {
    const read = await readRegularFile(path);
    if (!read.ok && read.kind === 'missing') return { ok: true, states: new Map() };
    if (!read.ok) return { ok: false, problem: `state file ${path} ${read.problem}` };
    const states = parseStates(read.bytes.toString('utf8'));
    if (states === undefined)
      return { ok: false, problem: `state file ${path} holds no state of this program` };
    return { ok: true, states };
  }

  async function save(states: PersistedStates): Promise<StateWrite> {
    try {
      const handle = await open(temporary, 'w', 0o600);
      try {
        await handle.writeFile(serialize(states));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      return { ok: true };
    } catch (error) {
      // what is half-written is of no use; if even this fails, the next save overwrites it
      await rm(temporary, { force: true }).catch(() => undefined);
      return { ok: false, problem: `state file ${path} cannot be written: ${messageOf(error)}` };
    }
  }

  return { load, save };
}

/** The states in a state file's text by the names of the brokers, or undefined if it is none. */
export function parseStates(text: string): PersistedStates | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = v.safeParse(SCHEMA, json);
  if (!result.success) return undefined;
  return new Map(Object.entries(result.output.brokers).map(([name, broker]) => [name, stateOf(broker)]));
}

function stateOf(broker: v.InferOutput<typeof BROKER>): PersistedState {
  const {
    applied,
    strayed_at: strayedAt,
    stopped_by_us: stoppedByUs,
    last_restart_at: lastRestartAt,
  } = broker;
  return {
    applied: applied && {
      fingerprint: applied.fingerprint,
      startedAt: applied.started_at,
      notAfterMs: timeOf(applied.not_after),
      authorities: applied.authorities,
    },
    strayedAtMs: timeOf(strayedAt),
    stoppedByUs,
    lastRestartAtMs: timeOf(lastRestartAt),
  };
}

function serialize(states: PersistedStates): string {
  const brokers = Object.fromEntries([...states].map(([name, state]) => [name, brokerOf(state)]));
  return `${JSON.stringify({ version: 1, brokers }, null, 2)}\n`;
}

function brokerOf({ applied, strayedAtMs, stoppedByUs, lastRestartAtMs }: PersistedState) {
  return {
    applied: applied && {
      fingerprint: applied.fingerprint,
      started_at: applied.startedAt,
      not_after: isoTime(applied.notAfterMs),
      authorities: applied.authorities,
    },
    strayed_at: isoTime(strayedAtMs),
    stopped_by_us: stoppedByUs,
    last_restart_at: isoTime(lastRestartAtMs),
  };
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
