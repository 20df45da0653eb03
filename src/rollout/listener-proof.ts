/** The proof that a restart has brought a listener's new certificate: the listener presents it. */

import type { Clock } from '../adapters/clock.ts';
import type { RestartOutcome } from '../core/model/broker.ts';
import type { CertificateSet } from '../core/model/files.ts';
import { type Presented, presents } from '../core/model/presented.ts';
import type { Settings } from '../core/model/settings.ts';
import { timestamp } from '../core/text/timestamp.ts';
import type { Rollout, RolloutEvent } from './rollout.ts';

export interface ListenerProofParts {
  readonly clock: Clock;
  readonly settings: Settings;
  /** One look at the listener that has to present the set, and its name for people; never rejects. */
  readonly look: (set: CertificateSet) => Promise<{ readonly where: string; readonly presented: Presented }>;
}

const POLL_MS = 500;

/**
 * The same rollout, except that a restart counts as verified, or a broker as up, only once its listener presents the
 * set. If it does not within RESTART_VERIFY_TIMEOUT of the engine's answer, the broker is not well.
 */
export function withListenerProof(rollout: Rollout, parts: ListenerProofParts): Rollout {
  return async function* proved(order) {
    for await (const event of rollout(order)) yield await provedEvent(event, order.set, parts);
  };
}

async function provedEvent(
  event: RolloutEvent,
  set: CertificateSet,
  parts: ListenerProofParts,
): Promise<RolloutEvent> {
  const { clock } = parts;
  if (event.kind === 'came_up') {
    const { broker, calledMonoMs, answeredMonoMs } = event.up;
    const why = await whyUnproved(set, answeredMonoMs, parts);
    if (why === undefined) return event;
    const tookMs = clock.now().monoMs - calledMonoMs;
    return { kind: 'restart_ended', outcome: { kind: 'unhealthy', why, broker, tookMs, answeredMonoMs } };
  }
  if (event.kind !== 'restart_ended' || event.outcome.kind !== 'verified') return event;
  const { broker, answeredMonoMs } = event.outcome;
  const beganMonoMs = clock.now().monoMs;
  const why = await whyUnproved(set, answeredMonoMs, parts);
  const tookMs = event.outcome.tookMs + clock.now().monoMs - beganMonoMs;
  const outcome: RestartOutcome =
    why === undefined
      ? { ...event.outcome, tookMs }
      : { kind: 'unhealthy', why, broker, tookMs, answeredMonoMs };
  return { kind: 'restart_ended', outcome };
}

/** Looks until the listener presents the set, or the time is over; then what is wrong, in a clause. */
async function whyUnproved(
  set: CertificateSet,
  answeredMonoMs: number,
  { clock, settings, look }: ListenerProofParts,
): Promise<string | undefined> {
  const endMonoMs = answeredMonoMs + settings.verifyTimeoutMs;
  const never = new AbortController().signal;
  for (;;) {
    const { where, presented } = await look(set);
    if (presents(presented, set)) return undefined;
    const leftMs = endMonoMs - clock.now().monoMs;
    if (leftMs <= 0)
      return `its listener ${where} ${insteadOf(presented)}`.replace('listener listener', 'listener');
    await clock.sleep(Math.min(POLL_MS, leftMs), never);
  }
}

function insteadOf(seen: Presented): string {
  if (!seen.ok) return seen.problem;
  const until = Number.isNaN(seen.notAfterMs) ? '' : `, valid until ${timestamp(seen.notAfterMs)}`;
  return `does not present the new certificate, but ${seen.subject || 'another one'}${until}`;
}
