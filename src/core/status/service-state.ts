/** What a service manager is told about this service: that it is ready, how it is, and that it is alive. Pure. */

import type { Moment } from '../model/files.ts';
import { printable } from '../text/printable.ts';
import { assessmentAt, isAlive } from './liveness.ts';
import type { Snapshot } from './snapshot.ts';

/** What it was told last, and when. */
export interface ServiceState {
  readonly isReady: boolean;
  /** undefined: nothing yet */
  readonly status: string | undefined;
  /** monotonic; undefined: never */
  readonly aliveAtMonoMs: number | undefined;
}

export const TOLD_NO_STATE: ServiceState = { isReady: false, status: undefined, aliveAtMonoMs: undefined };

const LONGEST_STATUS = 300;

/**
 * What there is to tell at this moment, as assignments of sd_notify(3), and the state once that has been told; none if
 * there is nothing new. A service is ready after its first cycle. A loop that is stuck is never said to be alive, so
 * that the watchdog runs out. `everyMs`: time between two signs of life; undefined: nobody waits for them.
 */
export function stateDue(
  told: ServiceState,
  snapshot: Snapshot,
  now: Moment,
  everyMs: number | undefined,
): { readonly assignments: readonly string[]; readonly state: ServiceState } {
  const alive = isAlive(snapshot, now.monoMs);
  const isReady = snapshot.cycle !== undefined;
  if (!isReady && alive) return { assignments: [], state: told };
  const status = statusLine(snapshot, now);
  const isSilent = everyMs !== undefined && now.monoMs - (told.aliveAtMonoMs ?? -Infinity) >= everyMs;
  const becomesReady = isReady && !told.isReady;
  if (!becomesReady && status === told.status && !(alive && isSilent))
    return { assignments: [], state: told };
  const beats = alive && everyMs !== undefined;
  return {
    assignments: [
      ...(becomesReady ? ['READY=1'] : []),
      ...(status === told.status ? [] : [`STATUS=${status}`]),
      ...(beats ? ['WATCHDOG=1'] : []),
    ],
    state: { isReady, status, aliveAtMonoMs: beats ? now.monoMs : told.aliveAtMonoMs },
  };
}

/** The overall state in one line. */
function statusLine(snapshot: Snapshot, now: Moment): string {
  const { level, sentence } = assessmentAt(snapshot, now);
  const text = level === 'ok' ? sentence : `${level.toUpperCase()}: ${sentence}`;
  return printable(text, LONGEST_STATUS);
}
