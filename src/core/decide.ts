/**
 * The decision: from one observation and what is remembered to a verdict, the steps to take and the moment
 * of the next look. Pure.
 */

import {
  type BrokerStep,
  type Reason,
  SET_BRANCHES,
  type State,
  type Verdict,
  withoutSet,
} from './branches.ts';
import * as conditions from './conditions.ts';
import type { Condition } from './events.ts';
import { factsOf, quietSince, type View } from './facts.ts';
import type { ProbeProgress } from './memory.ts';
import { holdOf } from './probe.ts';
import type { Settings } from './settings.ts';

export interface ProbeStep {
  readonly kind: 'probe';
  /** the set to probe with */
  readonly identity: string;
  readonly fingerprint: string;
}

export type Step = ProbeStep | BrokerStep;

export interface Decision {
  /** the boxes of the diagram that this cycle passed through, in order */
  readonly path: readonly State[];
  readonly reason: Reason;
  /** the verdict in one sentence, for people */
  readonly sentence: string;
  readonly steps: readonly Step[];
  /** everything that is so now and worth telling */
  readonly conditions: readonly Condition[];
  /** the files are just being written: what was so before still counts as said */
  readonly transient: boolean;
  /** a changed set waits to be applied */
  readonly pending: boolean;
  /** monotonic milliseconds at which the verdict may change by itself; undefined if it will not */
  readonly untilMonoMs: number | undefined;
  /** monotonic milliseconds of the next probe of this set; undefined if none is due */
  readonly probeAtMonoMs: number | undefined;
  /** monotonic milliseconds; always in the future, at most one check interval away */
  readonly nextLookMonoMs: number;
}

/** A held restart is probed again after this time where no probe interval is set. */
const REPROBE_MS = 60_000;

/** The decision for this moment. */
export function decide(view: View): Decision {
  const { now, memory, settings } = view;
  const { verdict, path } = walk(view);
  const probe = probeDue(view);
  const looks = [
    verdict.untilMonoMs,
    probe.atMonoMs,
    expiryAt(view),
    conditions.bridgesSettledAt(view),
    now.monoMs + settings.checkIntervalMs,
  ];
  const steps = [probe.step, verdict.step].filter((step) => step !== undefined);
  return {
    path: [
      ...(memory.cycles <= 1 ? (['INITIALIZE'] as const) : []),
      ...path,
      'UPDATE_STATE',
      'WAIT_INTERVAL',
    ],
    reason: verdict.reason,
    sentence: verdict.sentence,
    steps,
    conditions: [
      ...conditions.ofSet(view),
      ...(verdict.conditions ?? []),
      ...conditions.ofProbe(view),
      ...conditions.ofBridges(view),
    ],
    transient: verdict.transient ?? false,
    pending: verdict.pending ?? false,
    untilMonoMs: verdict.untilMonoMs,
    probeAtMonoMs: probe.step === undefined ? probe.atMonoMs : now.monoMs,
    nextLookMonoMs: Math.min(...looks.filter((at) => at !== undefined).filter((at) => at > now.monoMs)),
  };
}

/** Walks the diagram from `CHECK_CERTS` to the first branch that ends it. */
function walk(view: View): { verdict: Verdict; path: readonly State[] } {
  const path: State[] = ['CHECK_CERTS'];
  if (view.files.kind !== 'complete') {
    const verdict = withoutSet(view, view.files);
    return { verdict, path: [...path, ...verdict.boxes] };
  }
  const facts = factsOf(view, view.files);
  for (const { via, branch } of SET_BRANCHES) {
    path.push(...via.filter((state) => state !== 'TLS_PROBE' || view.settings.probeEnabled));
    const verdict = branch(facts);
    if (verdict !== undefined) return { verdict, path: [...path, ...verdict.boxes] };
  }
  throw new Error('the last branch of the diagram did not end the walk');
}

/**
 * Whether a probe is due. A new set is probed as soon as it has been quiet for a moment, so that the verdict
 * is there when the stability window ends; the same set again after the probe interval.
 */
function probeDue(view: View): { readonly step?: ProbeStep; readonly atMonoMs?: number } {
  const { now, files, memory, settings } = view;
  if (!settings.probeEnabled || files.kind !== 'complete' || files.leaf.notBeforeMs > now.wallMs) return {};
  const probe = memory.probe?.identity === files.identity ? memory.probe : undefined;
  if (probe?.running === true) return {};
  const atMonoMs =
    probe?.verdictAtMs === undefined
      ? quietSince(view) + Math.min(1_000, settings.stabilityWindowMs / 10)
      : probe.verdictAtMs + reprobeAfter(probe, settings);
  if (now.monoMs < atMonoMs) return { atMonoMs };
  return { step: { kind: 'probe', identity: files.identity, fingerprint: files.fingerprint } };
}

function reprobeAfter(probe: ProbeProgress, settings: Settings): number {
  if (settings.probeIntervalMs > 0) return settings.probeIntervalMs;
  return holdOf(settings.probeGate, probe) !== undefined ? REPROBE_MS : Number.POSITIVE_INFINITY;
}

/** The moment at which the leaf expires, so that it is said on time. */
function expiryAt({ now, files }: View): number | undefined {
  return files.kind === 'complete' ? now.monoMs + (files.leaf.notAfterMs - now.wallMs) : undefined;
}
