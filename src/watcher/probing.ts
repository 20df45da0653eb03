/** One probe, concurrent with the loop, so that it does not delay a rotation. */

import type { Clock } from '../adapters/clock.ts';
import { rememberProofEnd, rememberProofStart } from '../core/memory/live.ts';
import * as memories from '../core/memory/site.ts';
import type { ProbePhase, ProbeVerdict } from '../core/model/probe.ts';
import type { ProbeStep } from '../core/model/step.ts';
import type { Publisher } from './publish.ts';
import type { State } from './state.ts';

/** One probe with the files as they are, or with the live set; undefined if it was cancelled. It never throws. */
export type RunProbe = (options: {
  readonly signal: AbortSignal;
  readonly nowMs: number;
  readonly ofLive: boolean;
  readonly onPhase: (phase: ProbePhase) => void;
}) => Promise<ProbeVerdict | undefined>;

export interface Prober {
  /** Starts a probe, and ends the one before it. */
  start(step: ProbeStep): void;
  /** Ends a probe that was started with another set. */
  endUnless(identity: string): void;
  /** Ends the probe that is in progress, and waits for its end. */
  close(): Promise<void>;
}

export interface ProberParts {
  readonly clock: Clock;
  /** undefined: probes are disabled */
  readonly runProbe: RunProbe | undefined;
}

/** `onProgress` is called whenever a decision may depend on the probe's results. */
export function createProber(
  { clock, runProbe }: ProberParts,
  state: State,
  publisher: Publisher,
  onProgress: () => void,
): Prober {
  let probing:
    | { readonly step: ProbeStep; readonly abort: AbortController; readonly ended: Promise<void> }
    | undefined;

  function start(step: ProbeStep) {
    if (runProbe === undefined) return;
    const before = probing;
    const abort = new AbortController();
    const now = clock.now();
    state.rememberSite((site) =>
      isOfLive(step)
        ? rememberProofStart(site, step.identity, now)
        : memories.rememberProbeStart(site, step.identity),
    );
    const ended = probe(runProbe, step, abort, before);
    probing = { step, abort, ended };
  }

  async function probe(run: RunProbe, step: ProbeStep, abort: AbortController, before: typeof probing) {
    before?.abort.abort();
    await before?.ended;
    const verdict = abort.signal.aborted
      ? undefined
      : await run({
          signal: abort.signal,
          nowMs: clock.now().wallMs,
          ofLive: isOfLive(step),
          onPhase: oncePastFiles(step),
        });
    const now = clock.now();
    state.rememberSite((site) =>
      isOfLive(step)
        ? rememberProofEnd(site, step.identity, verdict, now)
        : memories.rememberProbeEnd(site, step, verdict, now),
    );
    if (verdict !== undefined) publisher.publishFact([], { kind: 'probe_ended', verdict });
    if (probing?.abort === abort) probing = undefined;
    onProgress();
  }

  /** After the files phase, key and certificate are known to belong together, and a decision may depend on that. */
  function oncePastFiles(step: ProbeStep) {
    let isPast = false;
    return (phase: ProbePhase) => {
      if (phase === 'files' || isPast || isOfLive(step)) return;
      isPast = true;
      state.rememberSite((site) => memories.rememberFilesPassed(site, step.identity));
      onProgress();
    };
  }

  return {
    start,
    endUnless(identity) {
      if (probing === undefined || isOfLive(probing.step)) return;
      if (probing.step.identity !== identity) probing.abort.abort();
    },
    async close() {
      probing?.abort.abort();
      await probing?.ended;
    },
  };
}

/** Whether it tests the live set, and not what the agent has written. */
function isOfLive({ ofLive }: ProbeStep): boolean {
  return ofLive === true;
}
