/** Remembers the applied set across restarts of the watcher, in a small JSON file that is replaced at once. */

import { open, rename, rm } from 'node:fs/promises';
import * as v from 'valibot';
import type { PersistedState } from '../core/memory.ts';
import { messageOf } from '../system/errors.ts';
import { readRegularFile } from '../system/regular-file.ts';

export type StateRead =
  | { readonly ok: true; readonly state: PersistedState | undefined }
  | { readonly ok: false; readonly problem: string };

export type StateWrite = { readonly ok: true } | { readonly ok: false; readonly problem: string };

export interface StateFile {
  /** What was saved last; undefined if nothing was. A file that cannot be understood is a problem, not a crash. */
  load(): Promise<StateRead>;
  /** Replaces the file as a whole: after a crash or on a full disk the old content is still there. */
  save(state: PersistedState): Promise<StateWrite>;
}

const SCHEMA = v.strictObject({
  version: v.literal(1),
  applied: v.optional(
    v.strictObject({
      fingerprint: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      started_at: v.optional(v.string()),
      not_after: v.optional(v.pipe(v.string(), v.isoTimestamp())),
    }),
  ),
  strayed_at: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  stopped_by_us: v.optional(v.string()),
  last_restart_at: v.optional(v.pipe(v.string(), v.isoTimestamp())),
});

export function createStateFile(path: string): StateFile {
  const temporary = `${path}.new`;

  async function load(): Promise<StateRead> {
    const read = await readRegularFile(path);
    if (!read.ok && read.kind === 'missing') return { ok: true, state: undefined };
    if (!read.ok) return { ok: false, problem: `state file ${path} ${read.problem}` };
    const state = parseState(read.bytes.toString('utf8'));
    if (state === undefined)
      return { ok: false, problem: `state file ${path} holds no state of this program` };
    return { ok: true, state };
  }

  async function save(state: PersistedState): Promise<StateWrite> {
    try {
      const handle = await open(temporary, 'w', 0o600);
      try {
        await handle.writeFile(serialize(state));
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

/** The state in a state file's text, or undefined if it is none. */
export function parseState(text: string): PersistedState | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = v.safeParse(SCHEMA, json);
  if (!result.success) return undefined;
  const {
    applied,
    strayed_at: strayedAt,
    stopped_by_us: stoppedByUs,
    last_restart_at: lastRestartAt,
  } = result.output;
  return {
    applied: applied && {
      fingerprint: applied.fingerprint,
      startedAt: applied.started_at,
      notAfterMs: timeOf(applied.not_after),
    },
    strayedAtMs: timeOf(strayedAt),
    stoppedByUs,
    lastRestartAtMs: timeOf(lastRestartAt),
  };
}

function serialize({ applied, strayedAtMs, stoppedByUs, lastRestartAtMs }: PersistedState): string {
  const state: v.InferInput<typeof SCHEMA> = { version: 1 };
  const whole = {
    ...state,
    applied: applied && {
      fingerprint: applied.fingerprint,
      started_at: applied.startedAt,
      not_after: isoTime(applied.notAfterMs),
    },
    strayed_at: isoTime(strayedAtMs),
    stopped_by_us: stoppedByUs,
    last_restart_at: isoTime(lastRestartAtMs),
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
