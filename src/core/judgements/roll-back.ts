/**
 * Whether the live set is rolled back: it was promoted, and with it the broker has not come up well, or its bridge has
 * not come back and the upstream refuses the set. A site without a network, and a set that was once proven, are left as
 * they are.
 */

import { allUp } from '../model/bridge.ts';
import { conditionOf, isSteady, startedAfter } from '../model/broker.ts';
import type { BrokerCondition } from '../model/broker-condition.ts';
import type { CertificateSet } from '../model/files.ts';
import { setToRestore } from '../model/live.ts';
import type { ProbeStep, ProveStep, RollBackStep } from '../model/step.ts';
import { bridgesSettledAt } from '../news/bridges.ts';
import type { Situation } from '../situation.ts';

/** The live set, if it was promoted and no broker has been well with it yet. */
function unprovenSet({ site }: Situation): CertificateSet | undefined {
  if (site.live === undefined) return undefined;
  const { files, edition, isOurs, isProven } = site.live.seen;
  return files.kind === 'complete' && isOurs && !isProven && edition !== undefined ? files : undefined;
}

/** A roll-back that is due because of this broker. */
export function rollBackOf(situation: Situation): RollBackStep | undefined {
  const { name, site, now } = situation;
  const set = unprovenSet(situation);
  const restored = site.live && setToRestore(site.live.seen, now.wallMs);
  if (set === undefined || restored === undefined || isWaiting(situation)) return undefined;
  const why = whyNotWell(situation, set) ?? whyNoBridge(situation, set);
  if (why === undefined) return undefined;
  return { kind: 'roll_back', set, restored, name, why };
}

/** Something prevents any change, or did until just now. */
function isWaiting({ site: { live, sighting }, now }: Situation): boolean {
  if (live?.seen.obstacle !== undefined) return true;
  const failed = live?.failed?.identity === sighting?.identity ? live?.failed : undefined;
  return failed !== undefined && now.monoMs < failed.askAgainMonoMs;
}

/**
 * Why the restart for it was not verified; if another watcher has made that restart, the broker's own state decides.
 */
function whyNotWell({ memory, now, site }: Situation, set: CertificateSet): string | undefined {
  const { lastRestart, start, lastAnswer, applied } = memory;
  if (start !== undefined || lastAnswer === undefined || !lastAnswer.answer.ok) return undefined;
  const broker = lastAnswer.answer.value;
  if (lastRestart !== undefined) {
    const { outcome, fingerprint } = lastRestart;
    if (fingerprint !== set.fingerprint || outcome.kind !== 'unhealthy') return undefined;
    return isSteady(broker, now.wallMs) ? undefined : outcome.why;
  }
  const hasLoadedAnother = applied?.startedAt === broker.startedAt && applied.fingerprint !== set.fingerprint;
  // if a clock has been set back, the order of times proves nothing
  const isStartedWithIt = startedAfter(broker, set.newestCtimeMs) && !startedAfter(broker, now.wallMs);
  const isOthersDoing =
    isStartedWithIt && !hasLoadedAnother && lastAnswer.at.monoMs > site.started.monoMs + OTHERS_PROOF_MS;
  return isOthersDoing ? ILL[conditionOf(broker)] : undefined;
}

/** Conditions of a broker that is not well with the set it was started with. */
const ILL: Partial<Record<BrokerCondition, string>> = {
  crashed: 'it has ended after its start',
  crash_loop: 'it ends again and again after its start',
  unhealthy: 'its health check says unhealthy',
};

/** Another watcher may be proving the set at this moment, and would roll back without help. */
const OTHERS_PROOF_MS = 3_000;

/** The time for its bridges is over, their state is known, and not all of them are up. */
function lacksBridge(situation: Situation, set: CertificateSet): boolean {
  const { memory, now } = situation;
  const { bridges, applied, start, lastRestartMonoMs } = memory;
  if (bridges === undefined || start !== undefined || lastRestartMonoMs === undefined) return false;
  if (applied?.fingerprint !== set.fingerprint || !bridges.sight.ok || allUp(bridges.sight)) return false;
  // a broker that lists no bridges has none
  if (bridges.sight.bridges.length === 0) return false;
  return now.monoMs >= (bridgesSettledAt(situation) ?? Number.POSITIVE_INFINITY);
}

function whyNoBridge(situation: Situation, set: CertificateSet): string | undefined {
  const proof = situation.site.live?.proof;
  if (!lacksBridge(situation, set) || proof?.verdict?.ok !== false) return undefined;
  if (proof.verdict.cause !== 'client_cert_rejected') return undefined;
  // made since the time was over; otherwise the probe is not a new one
  if (proof.atMonoMs < (bridgesSettledAt(situation) ?? 0)) return undefined;
  return `its bridge has not come back, and the upstream refuses the set: ${proof.verdict.error}`;
}

/** Without a probe interval, the proof is repeated after this time. */
const PROOF_MS = 60_000;

/** A probe with the live set itself, because a bridge has not come back with it. */
export function proofDue(situation: Situation): ProbeStep | undefined {
  const { site, now, settings } = situation;
  const set = unprovenSet(situation);
  if (set === undefined || !settings.probeEnabled || site.probe?.running === true) return undefined;
  if (!lacksBridge(situation, set) || site.live === undefined) return undefined;
  if (setToRestore(site.live.seen, now.wallMs) === undefined) return undefined;
  const { proof } = site.live;
  const pauseMs = settings.probeIntervalMs > 0 ? settings.probeIntervalMs : PROOF_MS;
  const settledMonoMs = bridgesSettledAt(situation) ?? 0;
  const isFresh = proof !== undefined && proof.atMonoMs >= settledMonoMs;
  if (isFresh && (proof.running || now.monoMs < proof.atMonoMs + pauseMs)) return undefined;
  return { kind: 'probe', identity: set.identity, fingerprint: set.fingerprint, ofLive: true };
}

/** The broker has the live set and is well with it, and so are its bridges if the watcher subscribes to them. */
export function proven(situation: Situation): ProveStep | undefined {
  const { memory, now } = situation;
  const set = unprovenSet(situation);
  if (set === undefined || isWaiting(situation)) return undefined;
  const { applied, start, lastAnswer, lastRestart, bridges } = memory;
  if (applied?.fingerprint !== set.fingerprint || start !== undefined || lastAnswer?.answer.ok !== true)
    return undefined;
  const broker = lastAnswer.answer.value;
  const isVerified = lastRestart?.fingerprint === set.fingerprint && lastRestart.outcome.kind === 'verified';
  const isWell = conditionOf(broker) === 'well' && (isVerified || isSteady(broker, now.wallMs));
  if (!isWell) return undefined;
  if (bridges === undefined) return { kind: 'prove' };
  if (!bridges.sight.ok) return undefined;
  const isSettled = now.monoMs >= (bridgesSettledAt(situation) ?? now.monoMs);
  const hasNone = bridges.sight.bridges.length === 0;
  const isUp = allUp(bridges.sight) && hasRisenSince(situation);
  return isUp || (hasNone && isSettled) ? { kind: 'prove' } : undefined;
}

/** A state reported before the restart proves nothing about the time after it. */
function hasRisenSince({ memory: { bridges, lastRestartMonoMs } }: Situation): boolean {
  if (bridges === undefined) return false;
  return (
    lastRestartMonoMs === undefined || (bridges.live?.atMonoMs ?? bridges.sinceMonoMs) >= lastRestartMonoMs
  );
}

/** When the contents of the live directory, not yet in the layout, may be taken over: the moment they are stable. */
export function takeOverAt({ site, settings }: Situation): number | undefined {
  const { live } = site;
  if (live === undefined || live.seen.isOurs || live.seen.obstacle !== undefined) return undefined;
  const { kind } = live.seen.files;
  if (kind !== 'complete' && kind !== 'unparsable') return undefined;
  const failed = live.failed?.identity === site.sighting?.identity ? live.failed : undefined;
  const restMonoMs = live.sighting.sinceMonoMs + settings.stabilityWindowMs;
  return Math.max(restMonoMs, failed?.askAgainMonoMs ?? restMonoMs);
}
