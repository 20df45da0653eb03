/** The state that outlives the process. */

import type { Moment } from '../model/files.ts';
import type { Applied, BrokerMemory } from './memory.ts';
/** The state that outlives the process, by broker name, if a state file is configured. */
export type PersistedStates = ReadonlyMap<string, PersistedState>;

export interface PersistedState {
  readonly applied: Applied | undefined;
  /** see {@link BrokerMemory} */
  readonly divergedAtMs: number | undefined;
  /** see {@link BrokerMemory} */
  readonly stoppedByUs: string | undefined;
  /** wall clock, milliseconds since the epoch */
  readonly lastRestartAtMs: number | undefined;
}

/** The part of this memory that a state file has to keep. */
export function toPersist(memory: BrokerMemory, now: Moment): PersistedState {
  const last = memory.lastRestartMonoMs;
  return {
    applied: memory.applied,
    divergedAtMs: memory.divergedAtMs,
    stoppedByUs: memory.stoppedByUs,
    lastRestartAtMs: last === undefined ? undefined : Math.round(now.wallMs - (now.monoMs - last)),
  };
}

/** A past wall-clock time on the monotonic clock; one in the future counts as now. */
export function onMonotonicClock(wallMs: number, now: Moment): number {
  return now.monoMs - Math.max(0, now.wallMs - wallMs);
}
