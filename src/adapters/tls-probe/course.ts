/** The course of one probe: how long each phase took, what was seen, and the resulting verdict. */

import type { ProbeFailure, ProbePhase, ProbeSighting, ProbeSuccess } from '../../core/model/probe.ts';
import { monotonicMs } from '../../system/monotonic.ts';
import type { Fault } from './step.ts';

type Seen = Omit<ProbeSighting, 'durationMs' | 'phaseMs'>;

/** Called when a phase is over, passed or not, with the milliseconds that it took. */
export type OnPhase = (phase: ProbePhase, elapsedMs: number) => void;

export interface Course {
  /** Times a piece of work as a phase; a verdict names the last one that was entered. */
  during<T>(phase: ProbePhase, work: () => Promise<T>): Promise<T>;
  /** Adds to what was seen; the last value counts. */
  note(seen: Seen): void;
  readonly seen: Seen;
  /** the last phase that was entered */
  readonly phase: ProbePhase;
  /** the whole probe until now, in milliseconds */
  elapsedMs(): number;
  succeed(proof: ProbeSuccess['proof']): ProbeSuccess;
  fail(fault: Fault): ProbeFailure;
}

export function startCourse(onPhase: OnPhase | undefined): Course {
  const start = monotonicMs();
  const phaseMs: Partial<Record<ProbePhase, number>> = {};
  let current: ProbePhase = 'files';
  let seen: Seen = {};
  const elapsedMs = () => monotonicMs() - start;
  const sighting = () => ({ ...seen, durationMs: Math.round(elapsedMs()), phaseMs: { ...phaseMs } });
  return {
    async during(phase, work) {
      current = phase;
      const from = monotonicMs();
      try {
        return await work();
      } finally {
        phaseMs[phase] = Math.round(monotonicMs() - from);
        onPhase?.(phase, phaseMs[phase]);
      }
    },
    note: (more) => {
      seen = { ...seen, ...more };
    },
    get seen() {
      return seen;
    },
    get phase() {
      return current;
    },
    elapsedMs,
    succeed: (proof) => ({ ok: true, proof, ...sighting() }),
    fail: (fault) => ({ ok: false, phase: current, ...fault, ...sighting() }),
  };
}
